//! `queue.pause`: a queue, all queues or one account stand still until a person resumes them.
//!
//! **Invariant:** what runs already is not cut; the control queue is never paused.

use crate::run::{Answer, Run, failed};
use jobs::kinds::{PauseQueue, PausedQueue};
use jobs::{ConnectionId, Failure, OrganizationId, Problem, Queue, account_key};
use store::{Claimed, connections, ledger};

/// Pauses.
pub(crate) async fn pause_queue(run: Run<PauseQueue>) -> Answer<PauseQueue> {
    let args = &run.args;
    let mut tx = run.begin().await?;
    let scope =
        scope(&mut tx, run.job.organization_id, args.queue, args.platform_connection_id).await?;
    match &scope {
        Scope::Account { key, .. } => {
            let (reason, actor) = (&args.reason, &run.job.actor);
            ledger::pause_account(&mut tx, key, run.job.organization_id, reason, actor)
                .await
                .map_err(failed)?;
        }
        Scope::Queue { organization, queue } => {
            let id = run.job.id.derive("pause");
            let (reason, actor) = (&args.reason, &run.job.actor);
            ledger::pause(&mut tx, id, *organization, *queue, reason, actor)
                .await
                .map_err(failed)?;
        }
    }
    run.end(tx, &PausedQueue { scope: scope.in_words() }).await
}

/// What is paused or resumed.
pub(super) enum Scope {
    /// One account of a network, across organizations.
    Account {
        /// What the ledger closes.
        key: String,
        /// What people call it.
        name: String,
    },
    /// A queue, or all of them, of an organization or of the fleet.
    Queue {
        /// The fleet's when absent.
        organization: Option<OrganizationId>,
        /// All queues when absent.
        queue: Option<Queue>,
    },
}

impl Scope {
    /// For people.
    pub(super) fn in_words(&self) -> String {
        match self {
            Scope::Account { name, .. } => format!("the account {name}"),
            Scope::Queue { organization: Some(_), queue: Some(queue) } => {
                format!("the organization's queue {queue}")
            }
            Scope::Queue { organization: Some(_), queue: None } => {
                "all queues of the organization".to_owned()
            }
            Scope::Queue { organization: None, queue: Some(queue) } => {
                format!("the fleet's queue {queue}")
            }
            Scope::Queue { organization: None, queue: None } => "the whole fleet".to_owned(),
        }
    }
}

/// What the arguments mean for this caller.
pub(super) async fn scope(
    tx: &mut Claimed,
    organization: Option<OrganizationId>,
    queue: Option<Queue>,
    connection: Option<ConnectionId>,
) -> Result<Scope, Failure> {
    let Some(id) = connection else {
        if organization.is_none() && queue.is_none() {
            let message = "expected a queue: the whole fleet is not paused at once";
            return Err(Failure::Dead(Problem::argument("queue", message)));
        }
        return Ok(Scope::Queue { organization, queue });
    };
    let not_found =
        || Failure::Dead(Problem::not_found("platform connection", id).at("platformConnectionId"));
    let connection = connections::get(tx, id)
        .await
        .map_err(failed)?
        .filter(|connection| organization.is_none_or(|own| connection.organization_id == own))
        .ok_or_else(not_found)?;
    let platform = connection.platform.parse().map_err(|_| not_found())?;
    Ok(Scope::Account {
        key: account_key(platform, &connection.account_id),
        name: connection.account_name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_told_in_words() {
        let organization = Some(OrganizationId::new());
        for (scope, words) in [
            (
                Scope::Queue { organization, queue: Some(Queue::Publish) },
                "the organization's queue publish",
            ),
            (Scope::Queue { organization, queue: None }, "all queues of the organization"),
            (
                Scope::Queue { organization: None, queue: Some(Queue::Poll) },
                "the fleet's queue poll",
            ),
            (Scope::Account { key: "k".into(), name: "ezre".into() }, "the account ezre"),
        ] {
            assert_eq!(scope.in_words(), words);
        }
    }
}
