//! `connection.connect`: Connects an account with the code that came back from the network's consent page.

use chrono::{DateTime, Utc};
use platforms::Platform;
use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, ConnectionId, JobKind, Kind, Problem, Queue, Retry, Scope, Spec};

/// Arguments of `connection.connect`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConnectAccount {
    /// The network.
    pub platform: Platform,
    /// The code that came back. Travels and rests sealed.
    pub code: String,
    /// The PKCE verifier of this consent: 43 to 128 characters. Travels and rests sealed.
    pub verifier: String,
    /// Where the network sent the person back to, exactly as it was told at the start.
    pub redirect_url: String,
    /// When the code came back; networks take it for seconds only.
    pub issued_at: DateTime<Utc>,
}

/// What `connection.connect` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectedAccount {
    /// The connection: the same one when the account was connected before.
    pub connection_id: ConnectionId,
    /// The network's own id of the account.
    pub account_id: String,
    /// The handle.
    pub account_name: String,
    /// The scopes that were granted.
    pub scopes: Vec<String>,
    /// Whether the account was connected before.
    pub reconnected: bool,
    /// Whether another organization has connected the same account: each has tokens of its own, and
    /// the network counts the posts of both together.
    pub also_in_another_organization: bool,
}

impl JobKind for ConnectAccount {
    const KIND: Kind = Kind::ConnectAccount;
    const SPEC: Spec = Spec {
        summary: "Connects an account with the code that came back from the network's consent page.",
        args_version: 1,
        queue: Queue::Connect,
        caller: Caller::Organization(Scope::ConnectionsWrite),
        retry: Retry {
            max_attempts: 10,
            base: Duration::from_millis(250),
            cap: Duration::from_secs(2),
        },
        timeout: Duration::from_secs(60),
        secrets: &["code", "verifier"],
    };
    type Output = ConnectedAccount;

    fn check(&self) -> Result<(), Problem> {
        if self.code.trim().is_empty() {
            return Err(Problem::argument("code", "expected the code that came back"));
        }
        if self.verifier.trim().is_empty() {
            return Err(Problem::argument("verifier", "expected the verifier of this consent"));
        }
        if !self.redirect_url.starts_with("https://") && !self.redirect_url.starts_with("http://") {
            return Err(Problem::argument("redirectUrl", "expected an http or https address"));
        }
        Ok(())
    }
}
