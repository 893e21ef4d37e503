//! `key.create`: Creates an API key of an organization; the API answers with the key once and stores its hash.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{ApiKeyId, Caller, JobKind, Kind, Problem, Queue, Retry, Scope, Spec};

/// Arguments of `key.create`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateKey {
    /// What the key is for.
    pub name: String,
    /// What the key may do.
    pub scopes: Vec<Scope>,
    /// Requests a minute; the fleet's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit_per_minute: Option<u32>,
    /// SHA-256 of the key in hex. Filled in by the API, which makes the key; refused from a caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub secret_hash: Option<String>,
    /// The key's first characters. Filled in by the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub prefix: Option<String>,
}

/// What `key.create` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedKey {
    /// The new key's id.
    pub key_id: ApiKeyId,
}

impl JobKind for CreateKey {
    const KIND: Kind = Kind::CreateKey;
    const SPEC: Spec = Spec {
        summary: "Creates an API key of an organization; the API answers with the key once and stores its hash.",
        args_version: 1,
        queue: Queue::Interactive,
        caller: Caller::Organization(Scope::Admin),
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(30),
        secrets: &[],
    };
    type Output = CreatedKey;

    fn check(&self) -> Result<(), Problem> {
        super::create_organization::check_name(&self.name)?;
        if self.scopes.is_empty() {
            return Err(Problem::argument("scopes", "expected at least one scope, such as read"));
        }
        if self.rate_limit_per_minute.is_some_and(|limit| !(1..=1_000_000).contains(&limit)) {
            return Err(Problem::argument("rateLimitPerMinute", "expected 1 to 1000000"));
        }
        Ok(())
    }
}
