//! Has accounts asked how their posts stand.
//!
//! **Invariant:** an account has at most one live job that asks.

use std::sync::Arc;
use tokio_util::sync::CancellationToken;

use crate::cadence::POLL_AGAIN;
use crate::{Scheduler, Step, every, figures};
use jobs::kinds::PollEngagement;
use jobs::{NewJob, Origin, Queue, connection_key};
use store::engagement::{self, DuePoll};
use store::ledger;

const AT_ONCE: i64 = 500;

pub(crate) async fn run(scheduler: Arc<Scheduler>, shutdown: CancellationToken) {
    let cadences = &scheduler.cadences;
    every(Step::Poll, cadences, shutdown, async || scheduler.ask_for_totals().await).await;
}

impl Scheduler {
    async fn ask_for_totals(&self) -> store::Result<()> {
        let mut tx = self.store.begin().await?;
        // An account whose job came to nothing is due again after this.
        let again = self.cadences.of(POLL_AGAIN);
        let due = engagement::due_polls(&mut tx, again, AT_ONCE).await?;
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
