//! `plan.set`: Puts an organization on another plan, at once.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, JobKind, Kind, OrganizationId, Problem, Queue, Retry, Spec};

/// Arguments of `plan.set`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetPlan {
    /// The organization.
    pub organization_id: OrganizationId,
    /// The plan, by its name: `starter`, `pro`, `business` or another that was added.
    pub plan: String,
}

/// What `plan.set` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanSet {
    /// The organization.
    pub organization_id: OrganizationId,
    /// Its plan.
    pub plan: String,
}

impl JobKind for SetPlan {
    const KIND: Kind = Kind::SetPlan;
    const SPEC: Spec = Spec {
        summary: "Puts an organization on another plan, at once.",
        args_version: 1,
        queue: Queue::Interactive,
        caller: Caller::Operator,
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(30),
        secrets: &[],
    };
    type Output = PlanSet;

    fn check(&self) -> Result<(), Problem> {
        let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !(1..=40).contains(&self.plan.len()) || !self.plan.bytes().all(is_word) {
            let message = "expected 1 to 40 lower-case letters, digits and hyphens";
            return Err(Problem::argument("plan", message));
        }
        Ok(())
    }
}
