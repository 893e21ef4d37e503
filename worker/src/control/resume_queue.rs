//! `queue.resume`: ends a pause and lets go of what waited for it.

use super::pause_queue::{describe, key_of};
use crate::run::{Answer, Run, failed};
use jobs::kinds::{ResumeQueue, ResumedQueue};
use jobs::{Code, Failure, Problem, Queue};
use store::ledger;

pub(crate) async fn resume_queue(run: Run<ResumeQueue>) -> Answer<ResumeQueue> {
    let mut tx = run.begin().await?;
    let (organization, queue) = (run.job.organization_id, run.args.queue);
    let scope = describe(organization, queue, run.args.platform_connection_id)?;
    let mut released = 0;
    if let Some(connection) = run.args.platform_connection_id {
        let key = key_of(&mut tx, run.organization()?, connection).await?;
        released = ledger::reopen_key(&mut tx, &key).await.map_err(failed)?;
    } else if !ledger::resume(&mut tx, organization, queue).await.map_err(failed)? {
        return Err(Failure::Dead(Problem::new(Code::Conflict, format!("{scope}: not paused"))));
    }
    let answer = run.end(tx, &ResumedQueue { scope, released }).await;
    match queue {
        Some(queue) => run.fleet.ring(queue),
        None => Queue::ALL.into_iter().for_each(|queue| run.fleet.ring(queue)),
    }
    answer
}
