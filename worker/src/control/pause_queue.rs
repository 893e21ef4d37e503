//! `queue.pause`: a queue, all queues, or one account; operators without an organization pause a
//! queue of the whole fleet.

use crate::run::{Answer, Run, failed};
use jobs::kinds::{PauseQueue, PausedQueue};
use jobs::{ConnectionId, Failure, OrganizationId, Problem, Queue, account_key};
use platforms::Platform;
use store::{Claimed, connections, ledger};

pub(crate) async fn pause_queue(run: Run<PauseQueue>) -> Answer<PauseQueue> {
    let mut tx = run.begin().await?;
    let scope = describe(run.job.organization_id, run.args.queue, run.args.platform_connection_id)?;
    if let Some(connection) = run.args.platform_connection_id {
        let key = key_of(&mut tx, run.organization()?, connection).await?;
        ledger::close_key(&mut tx, &key, None, &run.args.reason).await.map_err(failed)?;
    } else {
        let (organization, queue) = (run.job.organization_id, run.args.queue);
        let id = run.job.id.derive("pause");
        ledger::pause(&mut tx, id, organization, queue, &run.args.reason, &run.job.actor)
            .await
            .map_err(failed)?;
    }
    run.end(tx, &PausedQueue { scope }).await
}

/// What is paused, in words.
pub(super) fn describe(
    organization: Option<OrganizationId>,
    queue: Option<Queue>,
    connection: Option<ConnectionId>,
) -> Result<String, Failure> {
    match (organization, queue, connection) {
        (Some(_), _, Some(connection)) => Ok(format!("publishing to the account {connection}")),
        (Some(_), Some(queue), None) => Ok(format!("the organization's queue {queue}")),
        (Some(_), None, None) => Ok("all queues of the organization".to_owned()),
        (None, Some(queue), None) => Ok(format!("the fleet's queue {queue}")),
        (None, _, Some(_)) => Err(Failure::Dead(Problem::argument(
            "platformConnectionId",
            "expected an organization to act for when one account is paused",
        ))),
        (None, None, None) => Err(Failure::Dead(Problem::argument(
            "queue",
            "expected a queue, since no organization is named",
        ))),
    }
}

/// The key that stands for an account of the organization.
pub(super) async fn key_of(
    tx: &mut Claimed,
    organization: OrganizationId,
    connection: ConnectionId,
) -> Result<String, Failure> {
    let found = connections::get(tx, connection).await.map_err(failed)?;
    let found = found.filter(|found| found.organization_id == organization).ok_or_else(|| {
        Failure::Dead(Problem::not_found("connection", connection).at("platformConnectionId"))
    })?;
    let platform: Platform = found.platform.parse().map_err(|_| {
        Failure::Dead(Problem::not_found("network", &found.platform).at("platformConnectionId"))
    })?;
    Ok(account_key(platform, &found.account_id))
}
