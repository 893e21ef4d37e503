//! The worker's outermost layer: ok, error and panic arrive here as one result.
//!
//! **Invariant:** whatever becomes of a run, even when its future is dropped, its settlement is
//! sent exactly once.

use futures::FutureExt;
use futures::future::BoxFuture;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tower::{Layer, Service};

use crate::end::{End, Settle, settle};
use crate::finisher::Settlement;
use crate::stop::Stop;
use apalis_core::error::BoxDynError;
use apalis_core::task::Task;
use jobs::{Code, Failure, Problem, Queue};
use store::Claim;
use store::ledger::ClaimedJob;

/// A claimed job on its way to its handler.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) job: ClaimedJob,
    pub(crate) stop: Stop,
    pub(crate) receipt: Option<Receipt>,
}

/// Owed for every claimed job: sends its settlement, at the latest when it is dropped.
#[derive(Debug)]
pub(crate) struct Receipt {
    owed: Option<Settlement>,
    finisher: mpsc::UnboundedSender<Settlement>,
}

impl Receipt {
    /// Unless something better is known, the job is handed back.
    pub(crate) fn new(
        job: &ClaimedJob,
        queue: Queue,
        slot: OwnedSemaphorePermit,
        finisher: mpsc::UnboundedSender<Settlement>,
    ) -> Self {
        let owed = Settlement {
            claim: Claim { job_id: job.id, claim_no: job.claim_no },
            queue,
            kind: job.kind.clone(),
            notify_end: job.notify_end,
            settle: Settle::HandBack,
            started: Instant::now(),
            slot,
        };
        Self { owed: Some(owed), finisher }
    }

    fn settle(mut self, settle: Settle) {
        if let Some(owed) = &mut self.owed {
            owed.settle = settle;
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Some(owed) = self.owed.take() {
            // The finisher outlives every receipt; without it nothing can be recorded, and the
            // job is rescued.
            let _ = self.finisher.send(owed);
        }
    }
}

/// Makes [`FinishService`]s.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FinishLayer;

impl<S> Layer<S> for FinishLayer {
    type Service = FinishService<S>;

    fn layer(&self, service: S) -> Self::Service {
        FinishService { service }
    }
}

/// Sends the settlement of each run.
#[derive(Clone, Debug)]
pub(crate) struct FinishService<S> {
    service: S,
}

impl<S> Service<Task<Delivery>> for FinishService<S>
where
    S: Service<Task<Delivery>, Response = End>,
    S::Error: Into<BoxDynError>,
    S::Future: Send + 'static,
{
    type Response = ();
    type Error = BoxDynError;
    type Future = BoxFuture<'static, Result<(), BoxDynError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxDynError>> {
        self.service.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut task: Task<Delivery>) -> Self::Future {
        let receipt = task.args.receipt.take();
        let job = task.args.job.clone();
        let run = self.service.call(task);
        async move {
            let end = run.await.unwrap_or_else(|error| {
                let error: BoxDynError = error.into();
                tracing::error!(job.id = %job.id, job.kind = job.kind, %error, "a handler panicked");
                End::Failed(Failure::Retry(Problem::new(Code::Internal, "the handler panicked")))
            });
            if let Some(receipt) = receipt {
                receipt.settle(settle(&job, end, rand::random()));
            }
            Ok(())
        }
        .boxed()
    }
}
