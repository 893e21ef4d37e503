//! `usage.limit`: Makes an exception from an organization's plan, or ends one.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, JobKind, Kind, Metric, OrganizationId, Problem, Queue, Retry, Spec};

/// Arguments of `usage.limit`. Without `most` and `unlimited` the plan counts again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LimitUsage {
    /// The organization.
    pub organization_id: OrganizationId,
    /// What counts.
    pub metric: Metric,
    /// At most so many in a period, whatever the plan says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub most: Option<u32>,
    /// As many as wanted, whatever the plan says.
    #[serde(default)]
    pub unlimited: bool,
}

/// What `usage.limit` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageLimited {
    /// What counts.
    pub metric: Metric,
    /// How many the organization may now; null for as many as wanted.
    pub limit: Option<i32>,
}

impl JobKind for LimitUsage {
    const KIND: Kind = Kind::LimitUsage;
    const SPEC: Spec = Spec {
        summary: "Makes an exception from an organization's plan, or ends one.",
        args_version: 1,
        queue: Queue::Interactive,
        caller: Caller::Operator,
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(30),
        secrets: &[],
    };
    type Output = UsageLimited;

    fn check(&self) -> Result<(), Problem> {
        match self.most {
            Some(_) if self.unlimited => {
                Err(Problem::argument("unlimited", "expected `most` or `unlimited`, not both"))
            }
            Some(most) if most > 1_000_000_000 => {
                Err(Problem::argument("most", "expected 0 to 1000000000"))
            }
            _ => Ok(()),
        }
    }
}
