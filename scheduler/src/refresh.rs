//! Asks for new tokens well before the old ones end.
//!
//! **Invariant:** an account has at most one live job that refreshes it, whoever asks.

use std::sync::Arc;
use tokio_util::sync::CancellationToken;

use crate::{Scheduler, Step, every, figures};
use jobs::kinds::RefreshConnection;
use jobs::{NewJob, Origin, Queue};
use store::connections::refresh;
use store::ledger::{self, Enqueued};

const AT_ONCE: i64 = 500;

pub(crate) async fn run(scheduler: Arc<Scheduler>, shutdown: CancellationToken) {
    let cadences = &scheduler.cadences;
    every(Step::Refresh, cadences, shutdown, async || scheduler.ask_for_tokens().await).await;
}

impl Scheduler {
    async fn ask_for_tokens(&self) -> store::Result<()> {
        let mut tx = self.store.begin().await?;
        let due = refresh::due(&mut tx, self.config.refresh_ahead, AT_ONCE).await?;
        let jobs: Vec<NewJob> = due.iter().map(refreshing).collect();
        let enqueued = ledger::enqueue(&mut tx, &jobs).await?;
        tx.commit().await?;
        let fresh = jobs.into_iter().zip(enqueued).filter_map(|(job, enqueued)| match enqueued {
            Enqueued::Inserted(_) => Some(job),
            Enqueued::AlreadyLive => None,
        });
        let fresh: Vec<NewJob> = fresh.collect();
        figures::enqueued(&fresh);
        if !fresh.is_empty() {
            tracing::info!(accounts = fresh.len(), "tokens.end_soon");
            self.ring(Queue::Connect, fresh.len()).await;
        }
        Ok(())
    }
}

fn refreshing(due: &refresh::Due) -> NewJob {
    let args = RefreshConnection { connection_id: due.connection_id, token_version: due.version };
    let mut job = NewJob::new(Origin::Scheduler, Some(due.organization_id), &args);
    job.unique_key = Some(refresh::refresh_key(due.connection_id));
    job
}
