//! `organization.update`: Changes an organization; absent fields stay as they are.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, JobKind, Kind, OrganizationId, Problem, Queue, Retry, Scope, Spec, wall_time};

/// Arguments of `organization.update`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateOrganization {
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// IANA zone in which its days begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Whether only approved content goes out. What is scheduled and not approved is put on hold
    /// when this is turned on; what waits for an approval goes on when it is turned off, unless it
    /// was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_required: Option<bool>,
}

/// What `organization.update` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdatedOrganization {
    /// The organization.
    pub organization_id: OrganizationId,
}

impl JobKind for UpdateOrganization {
    const KIND: Kind = Kind::UpdateOrganization;
    const SPEC: Spec = Spec {
        summary: "Changes an organization; absent fields stay as they are.",
        args_version: 1,
        queue: Queue::Interactive,
        caller: Caller::Organization(Scope::Admin),
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(30),
        secrets: &[],
    };
    type Output = UpdatedOrganization;

    fn check(&self) -> Result<(), Problem> {
        if self.name.is_none() && self.timezone.is_none() && self.approval_required.is_none() {
            return Err(Problem::argument(
                "name",
                "expected at least one of name, timezone, approvalRequired",
            ));
        }
        if let Some(name) = &self.name {
            super::create_organization::check_name(name)?;
        }
        if let Some(timezone) = &self.timezone {
            wall_time::zone(timezone)?;
        }
        Ok(())
    }
}
