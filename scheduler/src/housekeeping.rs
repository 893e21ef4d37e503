//! Keeps the partitions of the history and of people's doings ahead of time, and asks for pruning.
//!
//! **Invariant:** at most one pruning job is live at any time.

use std::sync::Arc;
use tokio_util::sync::CancellationToken;

use crate::{Scheduler, Step, every, figures};
use jobs::kinds::PruneLedger;
use jobs::{NewJob, Origin, Queue};
use store::{engagement, ledger};

pub(crate) async fn run(scheduler: Arc<Scheduler>, shutdown: CancellationToken) {
    every(Step::Housekeeping, &scheduler.cadences, shutdown, async || {
        let made = ledger::make_partitions(&scheduler.store).await?
            + engagement::make_partitions(&scheduler.store).await?;
        if made > 0 {
            tracing::info!(made, "partitions.made");
        }
        let args = PruneLedger { keep_days: scheduler.config.history_retention_days };
        let mut prune = NewJob::new(Origin::Scheduler, None, &args);
        prune.unique_key = Some("ledger.prune".to_owned());
        let mut tx = scheduler.store.begin().await?;
        let prune = [prune];
        ledger::enqueue(&mut tx, &prune).await?;
        tx.commit().await?;
        figures::enqueued(&prune);
        scheduler.ring(Queue::Maintenance, 1).await;
        Ok(())
    })
    .await;
}
