//! Has what people did with posts added up soon after it was recorded.
//!
//! **Invariant:** an organization has at most one live job that adds up, whoever asks.

use std::sync::Arc;
use tokio_util::sync::CancellationToken;

use crate::{Scheduler, Step, every, figures};
use jobs::kinds::AggregateAnalytics;
use jobs::{NewJob, Origin, Queue};
use store::analytics;
use store::ledger::{self, Enqueued};

/// So many organizations at once; those behind them have their turn when these are done.
const AT_ONCE: i64 = 1_000;

pub(crate) async fn run(scheduler: Arc<Scheduler>, shutdown: CancellationToken) {
    let cadences = &scheduler.cadences;
    every(Step::Aggregate, cadences, shutdown, async || scheduler.ask_for_sums().await).await;
}

impl Scheduler {
    async fn ask_for_sums(&self) -> store::Result<()> {
        let mut tx = self.store.begin().await?;
        let waiting = analytics::waiting(&mut tx, AT_ONCE).await?;
        let jobs = waiting.into_iter().map(|organization| {
            let args = AggregateAnalytics {};
            let mut job = NewJob::new(Origin::Scheduler, Some(organization), &args);
            job.unique_key = Some(analytics::aggregate_key(organization));
            job
        });
        let jobs: Vec<NewJob> = jobs.collect();
        let enqueued = ledger::enqueue(&mut tx, &jobs).await?;
        tx.commit().await?;
        let fresh = jobs.into_iter().zip(enqueued).filter_map(|(job, enqueued)| match enqueued {
            Enqueued::Inserted(_) => Some(job),
            Enqueued::AlreadyLive => None,
        });
        let fresh: Vec<NewJob> = fresh.collect();
        figures::enqueued(&fresh);
        if !fresh.is_empty() {
            self.ring(Queue::Aggregate, fresh.len()).await;
        }
        Ok(())
    }
}
