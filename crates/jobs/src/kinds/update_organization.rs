//! `organization.update`: Changes an organization; absent fields stay as they are.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use super::generate_content::{LANGUAGE_MAX, TONE_MAX};
use crate::{
    Caller, JobKind, Kind, OrganizationId, Problem, Queue, Retry, Scope, Spec, prose, wall_time,
};

/// Longest notes about a brand, in characters.
const BRAND_NOTES_MAX: usize = 10_000;

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
    /// What models are told of the brand and its style, at most 10000 characters; an empty text takes
    /// it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 10000)]
    pub brand_notes: Option<String>,
    /// How generated content sounds unless its request says otherwise; an empty text takes it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub tone: Option<String>,
    /// The language of generated content unless its request says otherwise; an empty text takes it
    /// away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 50)]
    pub language: Option<String>,
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
        let texts = [&self.name, &self.timezone, &self.brand_notes, &self.tone, &self.language];
        if texts.iter().all(|text| text.is_none()) && self.approval_required.is_none() {
            let message = "expected at least one of name, timezone, approvalRequired, brandNotes, tone, language";
            return Err(Problem::argument("name", message));
        }
        if let Some(name) = &self.name {
            super::create_organization::check_name(name)?;
        }
        if let Some(timezone) = &self.timezone {
            wall_time::zone(timezone)?;
        }
        for (field, text, most) in [
            ("brandNotes", &self.brand_notes, BRAND_NOTES_MAX),
            ("tone", &self.tone, TONE_MAX),
            ("language", &self.language, LANGUAGE_MAX),
        ] {
            if let Some(text) = text {
                prose::check_or_empty(field, text, most)?;
            }
        }
        Ok(())
    }
}
