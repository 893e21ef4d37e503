//! The worker's outermost layer: ok, error and panic arrive here as one result.
//!
//! **Invariant:** whatever becomes of a run, even when its future is dropped, its settlement is
//! sent exactly once.

use futures::FutureExt;
use futures::future::BoxFuture;
use std::task::{Context, Poll};
use tokio::sync::mpsc;
use tower::{Layer, Service};

use crate::end::{End, Settle, settle};
use crate::figures::RunFigures;
use crate::finisher::Settlement;
use crate::seats::{Taken, Unsettled};
use crate::stop::Stop;
use apalis_core::error::BoxDynError;
use apalis_core::task::Task;
use jobs::{Code, Failure, Kind, Problem, Queue};
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
    owed: Option<Box<Settlement>>,
    /// Free again when the run is over.
    _seat: Taken,
    kind: Option<Kind>,
    /// Attempts that failed before this run.
    attempt: i32,
    finisher: mpsc::UnboundedSender<Box<Settlement>>,
}

impl Receipt {
    /// Unless something better is known, the job is handed back.
    pub(crate) fn new(
        job: &ClaimedJob,
        queue: Queue,
        (seat, unsettled): (Taken, Unsettled),
        permits: Vec<String>,
        finisher: mpsc::UnboundedSender<Box<Settlement>>,
    ) -> Self {
        let kind = job.kind.parse().ok();
        let owed = Box::new(Settlement {
            claim: Claim { job_id: job.id, claim_no: job.claim_no },
            queue,
            notify_end: job.notify_end,
            settle: Settle::HandBack,
            figures: RunFigures::new(job, queue, kind),
            permits,
            _unsettled: unsettled,
        });
        Self { owed: Some(owed), _seat: seat, kind, attempt: job.attempt, finisher }
    }

    fn begin(&mut self) {
        if let Some(owed) = &mut self.owed {
            owed.figures.begin();
        }
    }

    /// The run ended, or was not to begin.
    pub(crate) fn settle(mut self, end: End) {
        if let Some(owed) = &mut self.owed {
            owed.figures.answered(&end);
            owed.settle = settle(self.kind, self.attempt, end, rand::random());
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Some(mut owed) = self.owed.take() {
            owed.figures.end();
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

impl<S> Service<Task<Box<Delivery>>> for FinishService<S>
where
    S: Service<Task<Box<Delivery>>, Response = End>,
    S::Error: Into<BoxDynError>,
    S::Future: Send + 'static,
{
    type Response = ();
    type Error = BoxDynError;
    type Future = BoxFuture<'static, Result<(), BoxDynError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxDynError>> {
        self.service.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut task: Task<Box<Delivery>>) -> Self::Future {
        let mut receipt = task.args.receipt.take();
        if let Some(receipt) = &mut receipt {
            receipt.begin();
        }
        let job_id = task.args.job.id;
        let run = self.service.call(task);
        async move {
            let end = run.await.unwrap_or_else(|error| {
                let error: BoxDynError = error.into();
                tracing::error!(job.id = %job_id, %error, "a handler panicked");
                End::Failed(Failure::Retry(Problem::new(Code::Internal, "the handler panicked")))
            });
            if let Some(receipt) = receipt {
                receipt.settle(end);
            }
            Ok(())
        }
        .boxed()
    }
}
