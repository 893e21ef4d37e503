//! `queue.pause`: Pauses a queue of the organization, all its queues, or one account; operators pause a queue of the whole fleet.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, ConnectionId, JobKind, Kind, Problem, Queue, Retry, Scope, Spec};

/// Arguments of `queue.pause`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PauseQueue {
    /// The queue; all queues when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Queue>,
    /// One account instead of a queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform_connection_id: Option<ConnectionId>,
    /// Why, for the others.
    pub reason: String,
}

/// What `queue.pause` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PausedQueue {
    /// What is paused, in words.
    pub scope: String,
}

impl JobKind for PauseQueue {
    const KIND: Kind = Kind::PauseQueue;
    const SPEC: Spec = Spec {
        summary: "Pauses a queue of the organization, all its queues, or one account; operators pause a queue of the whole fleet.",
        args_version: 1,
        queue: Queue::Control,
        caller: Caller::Organization(Scope::JobsWrite),
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(30),
        secrets: &[],
    };
    type Output = PausedQueue;

    fn check(&self) -> Result<(), Problem> {
        check_scope(self.queue, self.platform_connection_id)?;
        if self.reason.trim().is_empty() || self.reason.chars().count() > 500 {
            return Err(Problem::argument("reason", "expected 1 to 500 characters"));
        }
        Ok(())
    }
}

pub(super) fn check_scope(
    queue: Option<Queue>,
    connection: Option<ConnectionId>,
) -> Result<(), Problem> {
    if queue.is_some() && connection.is_some() {
        return Err(Problem::argument(
            "platformConnectionId",
            "expected either a queue or an account, not both",
        ));
    }
    if queue.is_some_and(|queue| !queue.can_pause()) {
        return Err(Problem::argument("queue", "the control queue is never paused"));
    }
    Ok(())
}
