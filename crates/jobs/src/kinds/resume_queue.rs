//! `queue.resume`: Ends a pause.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, ConnectionId, JobKind, Kind, Problem, Queue, Retry, Scope, Spec};

/// Arguments of `queue.resume`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResumeQueue {
    /// The queue; the pause of all queues when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Queue>,
    /// One account instead of a queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform_connection_id: Option<ConnectionId>,
}

/// What `queue.resume` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResumedQueue {
    /// What runs again, in words.
    pub scope: String,
    /// How many jobs were let go at once.
    pub released: u64,
}

impl JobKind for ResumeQueue {
    const KIND: Kind = Kind::ResumeQueue;
    const SPEC: Spec = Spec {
        summary: "Ends a pause.",
        args_version: 1,
        queue: Queue::Control,
        caller: Caller::Organization(Scope::JobsWrite),
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(30),
        secrets: &[],
    };
    type Output = ResumedQueue;

    fn check(&self) -> Result<(), Problem> {
        super::pause_queue::check_scope(self.queue, self.platform_connection_id)
    }
}
