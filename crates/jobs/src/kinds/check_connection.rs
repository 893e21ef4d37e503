//! `connection.check`: Asks the network whether an account's token is still good.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, ConnectionId, JobKind, Kind, Queue, Retry, Spec};

/// Arguments of `connection.check`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckConnection {
    /// The account.
    pub connection_id: ConnectionId,
    /// Which of its tokens: nothing is done when there are others by then.
    pub token_version: i64,
}

/// What the network says of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Checked {
    /// It is good.
    Works,
    /// It is not: new ones are asked for, and without them the account must be connected again.
    Refused,
    /// There are others, or the account cannot be used.
    Changed,
}

/// What `connection.check` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckedConnection {
    /// What the network says.
    pub outcome: Checked,
}

impl JobKind for CheckConnection {
    const KIND: Kind = Kind::CheckConnection;
    const SPEC: Spec = Spec {
        summary: "Asks the network whether an account's token is still good.",
        args_version: 1,
        queue: Queue::Connect,
        caller: Caller::Internal,
        retry: Retry {
            max_attempts: 20,
            base: Duration::from_secs(1),
            cap: Duration::from_secs(600),
        },
        timeout: Duration::from_secs(60),
        secrets: &[],
    };
    type Output = CheckedConnection;
}
