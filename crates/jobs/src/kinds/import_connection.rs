//! `connection.import`: Brings in an account with its tokens, after the network has confirmed whose they are.

use chrono::{DateTime, Utc};
use platforms::Platform;
use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, ConnectionId, JobKind, Kind, Problem, Queue, Retry, Scope, Spec};

/// Arguments of `connection.import`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImportConnection {
    /// The network.
    pub platform: Platform,
    /// The access token. Travels and rests sealed.
    pub access_token: String,
    /// The refresh token, where there is one. Travels and rests sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// When the access token ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_expires_at: Option<DateTime<Utc>>,
    /// The scopes that were granted.
    #[serde(default)]
    pub scopes: Vec<String>,
}

/// What `connection.import` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportedConnection {
    /// The connection: the same one when the account was connected before.
    pub connection_id: ConnectionId,
    /// The network's own id of the account.
    pub account_id: String,
    /// The handle.
    pub account_name: String,
}

impl JobKind for ImportConnection {
    const KIND: Kind = Kind::ImportConnection;
    const SPEC: Spec = Spec {
        summary: "Brings in an account with its tokens, after the network has confirmed whose they are.",
        args_version: 1,
        queue: Queue::Connect,
        caller: Caller::Organization(Scope::ConnectionsWrite),
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(60),
        secrets: &["accessToken", "refreshToken"],
    };
    type Output = ImportedConnection;

    fn check(&self) -> Result<(), Problem> {
        if self.access_token.trim().is_empty() {
            return Err(Problem::argument("accessToken", "expected the network's access token"));
        }
        if self.refresh_token.as_deref().is_some_and(|token| token.trim().is_empty()) {
            return Err(Problem::argument("refreshToken", "expected a token, or no such field"));
        }
        Ok(())
    }
}
