//! `queue.resume`: what a person paused goes on.
//!
//! **Invariant:** resuming what is not paused changes nothing and is no error.

use super::pause_queue::{Scope, scope};
use crate::run::{Answer, Run, failed};
use jobs::Queue;
use jobs::kinds::{ResumeQueue, ResumedQueue};
use store::ledger;

/// Resumes.
pub(crate) async fn resume_queue(run: Run<ResumeQueue>) -> Answer<ResumeQueue> {
    let args = &run.args;
    let mut tx = run.begin().await?;
    let scope =
        scope(&mut tx, run.job.organization_id, args.queue, args.platform_connection_id).await?;
    let (released, queues) = match &scope {
        Scope::Account { key, .. } => {
            (ledger::reopen_key(&mut tx, key).await.map_err(failed)?, vec![Queue::Publish])
        }
        Scope::Queue { organization, queue } => {
            ledger::resume(&mut tx, *organization, *queue).await.map_err(failed)?;
            (0, queue.map_or_else(|| Queue::ALL.to_vec(), |queue| vec![queue]))
        }
    };
    run.to_ring.lock().expect("nobody panics while holding this lock").extend(queues);
    run.end(tx, &ResumedQueue { scope: scope.in_words(), released }).await
}
