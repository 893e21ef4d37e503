//! Has accounts asked how their posts stand.
//!
//! **Invariant:** an account has at most one live job that asks.

use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

use crate::{Scheduler, Step, every, figures};
use jobs::kinds::PollEngagement;
use jobs::{NewJob, Origin, Queue, connection_key};
use store::engagement::{self, DuePoll};
use store::ledger;

/// How often accounts that are due are looked for.
const EVERY: Duration = Duration::from_secs(1);
/// An account whose job came to nothing is due again after this.
const AGAIN: Duration = Duration::from_secs(600);
const AT_ONCE: i64 = 500;

pub(crate) async fn run(scheduler: Arc<Scheduler>, shutdown: CancellationToken) {
    every(Step::Poll, EVERY, shutdown, async || scheduler.ask_for_totals().await).await;
}

impl Scheduler {
    async fn ask_for_totals(&self) -> store::Result<()> {
        let mut tx = self.store.begin().await?;
        let due = engagement::due_polls(&mut tx, AGAIN, AT_ONCE).await?;
        let jobs: Vec<NewJob> = due.iter().map(polling).collect();
        ledger::enqueue(&mut tx, &jobs).await?;
        tx.commit().await?;
        figures::enqueued(&jobs);
        if !jobs.is_empty() {
            self.ring(Queue::Poll, jobs.len()).await;
        }
        Ok(())
    }
}

fn polling(due: &DuePoll) -> NewJob {
    let args = PollEngagement { connection_id: due.connection_id };
    let mut job = NewJob::new(Origin::Scheduler, Some(due.organization_id), &args);
    job.limit_keys = due.platform.lookup_keys(&due.account_id);
    job.limit_keys.push(connection_key(due.connection_id));
    job.unique_key = Some(engagement::poll_key(due.connection_id));
    job
}
