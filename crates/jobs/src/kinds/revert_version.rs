//! `version.revert`: Brings a content version back to what it was before an entry of its history.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::time::Duration;

use super::EditedVersion;
use crate::{Caller, ContentVersionId, EditId, JobKind, Kind, Problem, Queue, Retry, Scope, Spec};

/// Arguments of `version.revert`.
///
/// An entry of the history stands for what it replaced: text, hashtags and image prompt become what
/// they were before that edit. The revert is an entry itself, so that it can be undone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RevertVersion {
    /// The version.
    pub content_version_id: ContentVersionId,
    /// The entry of its history.
    pub edit_id: EditId,
    /// Why, for the others: at most 1000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edit_reason: Option<String>,
    /// `updatedAt` of the version as the editor saw it, with all its digits. When somebody has changed
    /// the version since, nothing is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_updated_at: Option<DateTime<Utc>>,
}

impl JobKind for RevertVersion {
    const KIND: Kind = Kind::RevertVersion;
    const SPEC: Spec = Spec {
        summary: "Brings a content version back to what it was before an entry of its history.",
        args_version: 1,
        queue: Queue::Interactive,
        caller: Caller::Organization(Scope::ContentWrite),
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(30),
        secrets: &[],
    };
    type Output = EditedVersion;

    fn check(&self) -> Result<(), Problem> {
        super::edit_version::check_reason(self.edit_reason.as_deref())
    }
}
