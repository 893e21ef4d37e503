//! `organization.create`: Creates an organization.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, JobKind, Kind, OrganizationId, Problem, Queue, Retry, Spec, wall_time};

/// Arguments of `organization.create`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateOrganization {
    /// What people call it.
    pub name: String,
    /// Its short name in addresses: lower-case letters, digits and single hyphens.
    pub slug: String,
    /// IANA zone in which its days begin; `UTC` when absent.
    #[serde(default = "utc")]
    pub timezone: String,
    /// The plan it starts on.
    #[serde(default)]
    pub plan: Plan,
}

/// What `organization.create` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedOrganization {
    /// The new organization.
    pub organization_id: OrganizationId,
}

impl JobKind for CreateOrganization {
    const KIND: Kind = Kind::CreateOrganization;
    const SPEC: Spec = Spec {
        summary: "Creates an organization.",
        args_version: 1,
        queue: Queue::Interactive,
        caller: Caller::Operator,
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(30),
        secrets: &[],
    };
    type Output = CreatedOrganization;

    fn check(&self) -> Result<(), Problem> {
        check_name(&self.name)?;
        check_slug(&self.slug)?;
        wall_time::zone(&self.timezone).map(drop)
    }
}

/// A plan, by name. What it allows is data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// The first one.
    #[default]
    Starter,
    /// For professionals.
    Pro,
    /// For companies.
    Business,
}

impl Plan {
    /// The word in rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Plan::Starter => "starter",
            Plan::Pro => "pro",
            Plan::Business => "business",
        }
    }
}

fn utc() -> String {
    "UTC".to_owned()
}

pub(super) fn check_name(name: &str) -> Result<(), Problem> {
    if name.trim().is_empty() || name.chars().count() > 200 {
        return Err(Problem::argument("name", "expected 1 to 200 characters"));
    }
    Ok(())
}

fn check_slug(slug: &str) -> Result<(), Problem> {
    let word = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    if slug.len() > 63 || !slug.split('-').all(word) {
        return Err(Problem::argument(
            "slug",
            "expected at most 63 lower-case letters, digits and single hyphens, such as acme-bakery",
        ));
    }
    Ok(())
}
