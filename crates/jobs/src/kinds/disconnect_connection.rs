//! `connection.disconnect`: Disconnects an account: its tokens are wiped and what is scheduled for it is put on hold.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, ConnectionId, JobKind, Kind, Queue, Retry, Scope, Spec};

/// Arguments of `connection.disconnect`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DisconnectConnection {
    /// The connection.
    pub connection_id: ConnectionId,
}

/// What `connection.disconnect` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DisconnectedConnection {
    /// The connection.
    pub connection_id: ConnectionId,
    /// How many schedules were put on hold.
    pub schedules_on_hold: i64,
}

impl JobKind for DisconnectConnection {
    const KIND: Kind = Kind::DisconnectConnection;
    const SPEC: Spec = Spec {
        summary: "Disconnects an account: its tokens are wiped and what is scheduled for it is put on hold.",
        args_version: 1,
        queue: Queue::Connect,
        caller: Caller::Organization(Scope::ConnectionsWrite),
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(30),
        secrets: &[],
    };
    type Output = DisconnectedConnection;
}
