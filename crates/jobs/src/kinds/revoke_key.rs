//! `key.revoke`: Revokes an API key; calls with it are refused within two seconds.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{ApiKeyId, Caller, JobKind, Kind, Queue, Retry, Scope, Spec};

/// Arguments of `key.revoke`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RevokeKey {
    /// The key.
    pub key_id: ApiKeyId,
}

/// What `key.revoke` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevokedKey {
    /// The key.
    pub key_id: ApiKeyId,
}

impl JobKind for RevokeKey {
    const KIND: Kind = Kind::RevokeKey;
    const SPEC: Spec = Spec {
        summary: "Revokes an API key; calls with it are refused within two seconds.",
        args_version: 1,
        queue: Queue::Interactive,
        caller: Caller::Organization(Scope::Admin),
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(30),
        secrets: &[],
    };
    type Output = RevokedKey;
}
