//! `engagement.poll`: Asks a network how the posts of an account stand.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, ConnectionId, JobKind, Kind, Queue, Retry, Spec};

/// Arguments of `engagement.poll`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PollEngagement {
    /// The account.
    pub connection_id: ConnectionId,
}

/// What `engagement.poll` answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolledEngagement {
    /// Posts that were asked for.
    pub posts: u64,
    /// Of these, how many had something new.
    pub changed: u64,
    /// Of these, how many are gone at the network.
    pub gone: u64,
}

impl JobKind for PollEngagement {
    const KIND: Kind = Kind::PollEngagement;
    const SPEC: Spec = Spec {
        summary: "Asks a network how the posts of an account stand.",
        args_version: 1,
        queue: Queue::Poll,
        caller: Caller::Internal,
        // A network may be away for hours.
        retry: Retry {
            max_attempts: 20,
            base: Duration::from_secs(5),
            cap: Duration::from_secs(900),
        },
        timeout: Duration::from_secs(60),
        secrets: &[],
    };
    type Output = PolledEngagement;
}
