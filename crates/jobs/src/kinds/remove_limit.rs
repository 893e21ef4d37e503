//! `limit.remove`: Removes the limit of a pattern.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, JobKind, Kind, Problem, Queue, Retry, Spec};

/// Arguments of `limit.remove`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemoveLimit {
    /// The pattern, as it was set.
    pub pattern: String,
}

/// What `limit.remove` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemovedLimit {
    /// Whether there was one.
    pub removed: bool,
}

impl JobKind for RemoveLimit {
    const KIND: Kind = Kind::RemoveLimit;
    const SPEC: Spec = Spec {
        summary: "Removes the limit of a pattern.",
        args_version: 1,
        queue: Queue::Control,
        caller: Caller::Operator,
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(30),
        secrets: &[],
    };
    type Output = RemovedLimit;

    fn check(&self) -> Result<(), Problem> {
        super::set_limit::check_pattern(&self.pattern)
    }
}
