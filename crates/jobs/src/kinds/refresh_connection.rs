//! `connection.refresh`: Gets new tokens for an account, once, however many ask for it.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, ConnectionId, JobKind, Kind, Queue, Retry, Spec};

/// Arguments of `connection.refresh`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefreshConnection {
    /// The account.
    pub connection_id: ConnectionId,
    /// Which tokens: nothing is done when there are others by then.
    pub token_version: i64,
}

/// What became of the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Refreshed {
    /// There are new ones.
    Refreshed,
    /// There were others already.
    Replaced,
    /// There will be no new ones: the access token is used to its end.
    WorksUntilItEnds,
    /// The account must be connected again.
    Disconnected,
    /// The account cannot be used, for another reason.
    Unusable,
}

/// What `connection.refresh` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefreshedConnection {
    /// What became of the tokens.
    pub outcome: Refreshed,
}

impl JobKind for RefreshConnection {
    const KIND: Kind = Kind::RefreshConnection;
    const SPEC: Spec = Spec {
        summary: "Gets new tokens for an account, once, however many ask for it.",
        args_version: 1,
        queue: Queue::Connect,
        caller: Caller::Internal,
        retry: Retry {
            max_attempts: 30,
            base: Duration::from_secs(1),
            cap: Duration::from_secs(60),
        },
        timeout: Duration::from_secs(120),
        secrets: &[],
    };
    type Output = RefreshedConnection;
}
