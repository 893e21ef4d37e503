//! Has schedules checked ahead of their time: when they are made, a day, an hour and 35 minutes before
//! they go out (`check_ahead`), and again while they carry a warning.
//!
//! **Invariant:** a schedule's next check is planned in the transaction that enqueues this one, and at
//! most one live job checks it.

use std::sync::Arc;
use tokio_util::sync::CancellationToken;

use crate::{Scheduler, Step, every, figures};
use jobs::kinds::CheckSchedule;
use jobs::{NewJob, Origin, Queue};
use store::schedules::{self, DueCheck};
use store::{Tx, ledger};

const AT_ONCE: i64 = 500;

pub(crate) async fn run(scheduler: Arc<Scheduler>, shutdown: CancellationToken) {
    let (checker, cadences) = (&scheduler, &scheduler.cadences);
    tokio::join!(
        every(Step::Check, cadences, shutdown.clone(), async || checker.check_ahead().await),
        every(Step::Recheck, cadences, shutdown, async || checker.check_warned().await),
    );
}

impl Scheduler {
    async fn check_ahead(&self) -> store::Result<()> {
        let mut tx = self.store.begin().await?;
        let (found, due) = schedules::due_to_check(&mut tx, AT_ONCE).await?;
        if found == 0 {
            return tx.commit().await;
        }
        self.enqueue_checks(tx, &due, true).await
    }

    async fn check_warned(&self) -> store::Result<()> {
        let mut tx = self.store.begin().await?;
        let forgotten = schedules::forget_causes(&mut tx, AT_ONCE).await?;
        if forgotten > 0 {
            tracing::info!(forgotten, "warnings.over");
        }
        let warned = schedules::warned(&mut tx, AT_ONCE).await?;
        self.enqueue_checks(tx, &warned, false).await
    }

    async fn enqueue_checks(
        &self,
        mut tx: Tx,
        due: &[DueCheck],
        ask_network: bool,
    ) -> store::Result<()> {
        let jobs = due.iter().map(|due| checking(due, ask_network));
        let jobs: Vec<NewJob> = jobs.collect();
        ledger::enqueue(&mut tx, &jobs).await?;
        tx.commit().await?;
        figures::enqueued(&jobs);
        if !jobs.is_empty() {
            self.ring(Queue::Maintenance, jobs.len()).await;
        }
        Ok(())
    }
}

fn checking(due: &DueCheck, ask_network: bool) -> NewJob {
    let args = CheckSchedule { schedule_id: due.schedule_id, ask_network };
    let mut job = NewJob::new(Origin::Scheduler, Some(due.organization_id), &args);
    job.unique_key = Some(schedules::check_key(due.schedule_id));
    job
}
