//! The ledger as apalis sees it: a stream of claimed jobs.
//!
//! **Invariant:** never returns an error while it runs: apalis would drop every running job.

use std::convert::Infallible;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

use crate::finish_layer::{Delivery, FinishLayer};
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::task::Task;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::worker::context::WorkerContext;

/// One queue's claimed jobs, as they come from its claimer.
#[derive(Debug)]
pub(crate) struct LedgerBackend {
    deliveries: mpsc::UnboundedReceiver<Box<Delivery>>,
}

impl LedgerBackend {
    pub(crate) fn new(deliveries: mpsc::UnboundedReceiver<Box<Delivery>>) -> Self {
        Self { deliveries }
    }
}

impl Backend for LedgerBackend {
    type Task = Task<Box<Delivery>>;
    type Error = Infallible;

    fn poll_ready(
        &mut self,
        _: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Self::Task, Infallible>>> {
        self.deliveries
            .poll_recv(cx)
            .map(|delivery| delivery.map(|delivery| Ok(TaskBuilder::new(delivery).build())))
    }

    fn poll_close(
        &mut self,
        _: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        // What was not taken is dropped, and its receipt hands it back.
        self.deliveries.close();
        while self.deliveries.try_recv().is_ok() {}
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for LedgerBackend {
    type Args = Box<Delivery>;
    type Id = u64;
    type Kind = apalis_core::backend::finalize::Ephemeral;
    type Config = ();
    type Layer = FinishLayer;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> FinishLayer {
        FinishLayer
    }
}
