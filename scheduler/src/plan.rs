//! Turns schedules into jobs: `post.prepare` well ahead of time, `post.publish` a minute ahead with
//! its due time; says what is missed; and mends schedules that no job cares for any more.
//!
//! **Invariant:** a schedule is marked as planned in the transaction that enqueues its job, and has
//! at most one live publishing job.

use std::sync::Arc;
use tokio_util::sync::CancellationToken;

use crate::{Scheduler, Step, every, figures};
use jobs::kinds::{PreparePost, PublishPost};
use jobs::{NewJob, Origin, Queue, connection_key, publish_limit_keys};
use store::{ledger, schedules};

const AT_ONCE: i64 = 500;

pub(crate) async fn run(scheduler: Arc<Scheduler>, shutdown: CancellationToken) {
    let (planner, cadences) = (&scheduler, &scheduler.cadences);
    tokio::join!(
        every(Step::Publish, cadences, shutdown.clone(), async || planner.plan_publishing().await),
        every(Step::Prepare, cadences, shutdown.clone(), async || planner.plan_preparing().await),
        every(Step::Mend, cadences, shutdown, async || planner.mend().await),
    );
}

impl Scheduler {
    async fn plan_publishing(&self) -> store::Result<()> {
        self.miss_overdue().await?;
        loop {
            let mut tx = self.store.begin().await?;
            let due = schedules::due_to_publish(&mut tx, self.config.plan_ahead, AT_ONCE).await?;
            let jobs: Vec<NewJob> = due.iter().map(publishing).collect();
            ledger::enqueue(&mut tx, &jobs).await?;
            tx.commit().await?;
            figures::enqueued(&jobs);
            if jobs.is_empty() {
                return Ok(());
            }
            tracing::info!(planned = jobs.len(), "schedules.planned");
            self.ring(Queue::Publish, jobs.len()).await;
        }
    }

    /// What is too late goes out no more, and its people hear of it.
    async fn miss_overdue(&self) -> store::Result<()> {
        loop {
            let mut tx = self.store.begin().await?;
            let missed = schedules::miss_overdue(&mut tx, AT_ONCE).await?;
            tx.commit().await?;
            for schedule in &missed {
                tracing::warn!(schedule.id = %schedule.schedule_id,
                    organization.id = %schedule.organization_id, "a schedule is missed");
            }
            if missed.is_empty() {
                return Ok(());
            }
        }
    }

    async fn plan_preparing(&self) -> store::Result<()> {
        let mut tx = self.store.begin().await?;
        let due = schedules::due_to_prepare(&mut tx, self.config.prepare_ahead, AT_ONCE).await?;
        let jobs: Vec<NewJob> = due.iter().map(preparing).collect();
        ledger::enqueue(&mut tx, &jobs).await?;
        tx.commit().await?;
        figures::enqueued(&jobs);
        if !jobs.is_empty() {
            self.ring(Queue::Publish, jobs.len()).await;
        }
        Ok(())
    }

    async fn mend(&self) -> store::Result<()> {
        let mut tx = self.store.begin().await?;
        let mended = schedules::mend_adrift(&mut tx, AT_ONCE).await?;
        let freed = ledger::free_parked(&mut tx).await?;
        tx.commit().await?;
        for schedule in &mended {
            tracing::warn!(schedule.id = %schedule.schedule_id, mending = ?schedule.mending,
                "no job cared for this schedule any more");
        }
        if freed > 0 {
            tracing::warn!(freed, "jobs waited for keys that are open");
        }
        if !mended.is_empty() {
            self.ring(Queue::Publish, mended.len()).await;
        }
        Ok(())
    }
}

fn publishing(due: &schedules::Due) -> NewJob {
    let args = PublishPost { schedule_id: due.schedule_id };
    let mut job = NewJob::new(Origin::Scheduler, Some(due.organization_id), &args);
    job.run_at = Some(due.scheduled_at);
    job.max_attempts = due.max_retries + 1;
    let (connection, organization) = (due.platform_connection_id, due.organization_id);
    job.limit_keys = publish_limit_keys(due.platform, &due.account_id, connection, organization);
    job.unique_key = Some(schedules::publish_key(due.schedule_id));
    job
}

fn preparing(due: &schedules::Due) -> NewJob {
    let args = PreparePost { schedule_id: due.schedule_id };
    let mut job = NewJob::new(Origin::Scheduler, Some(due.organization_id), &args);
    job.limit_keys = vec![connection_key(due.platform_connection_id)];
    job.unique_key = Some(schedules::prepare_key(due.schedule_id));
    job
}
