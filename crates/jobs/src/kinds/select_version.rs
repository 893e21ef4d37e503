//! `version.select`: Makes a version the one that goes out for its network.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::review::RequestStatus;
use crate::{Caller, ContentVersionId, JobKind, Kind, Queue, Retry, Scope, Spec};

/// Arguments of `version.select`.
///
/// The version that was selected for the network before is selected no more, and its approval ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SelectVersion {
    /// The version.
    pub content_version_id: ContentVersionId,
}

/// What `version.select` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SelectedVersion {
    /// The version.
    pub content_version_id: ContentVersionId,
    /// The one that was selected before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deselected_version_id: Option<ContentVersionId>,
    /// Where its request stands now.
    pub status: RequestStatus,
    /// How many schedules were put on hold until it is approved again.
    pub schedules_on_hold: i64,
}

impl JobKind for SelectVersion {
    const KIND: Kind = Kind::SelectVersion;
    const SPEC: Spec = Spec {
        summary: "Makes a version the one that goes out for its network.",
        args_version: 1,
        queue: Queue::Interactive,
        caller: Caller::Organization(Scope::ContentWrite),
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(30),
        secrets: &[],
    };
    type Output = SelectedVersion;
}
