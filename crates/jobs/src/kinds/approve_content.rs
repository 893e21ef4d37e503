//! `content.approve`: A person approves the selected versions of a content request, exactly as they are.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{
    Caller, ContentRequestId, ContentVersionId, JobKind, Kind, Problem, Queue, Retry, Scope, Spec,
};

/// Arguments of `content.approve`.
///
/// An approval is of each selected version by itself, and of exactly its text and its media: the
/// version keeps the hash of both. Whatever changes them afterwards (an edit, a revert, an
/// attachment, another selection) ends that version's approval and no other one's; the request is
/// `in_review` again, and where the organization requires approval, what is scheduled of that version
/// is put on hold. Approving again lets it go on. A version that is not selected is not approved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApproveContent {
    /// The request.
    pub content_request_id: ContentRequestId,
    /// What the person has seen: all selected versions with their hashes. When it is given and any of
    /// it has changed since, nothing is approved. Without it, whatever is selected when the job runs
    /// is approved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<SeenVersion>,
}

/// A version as somebody has seen it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeenVersion {
    /// The version.
    pub content_version_id: ContentVersionId,
    /// Its `contentHash`.
    pub content_hash: String,
}

/// What `content.approve` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovedContent {
    /// The request.
    pub content_request_id: ContentRequestId,
    /// The versions that are approved.
    pub content_version_ids: Vec<ContentVersionId>,
    /// How many schedules that waited for this go on.
    pub schedules_resumed: i64,
    /// How many schedules waited for this and stay on hold, each with its reason: its time has passed,
    /// or its account cannot be used.
    pub schedules_on_hold: i64,
}

impl JobKind for ApproveContent {
    const KIND: Kind = Kind::ApproveContent;
    const SPEC: Spec = Spec {
        summary: "A person approves the selected versions of a content request, exactly as they are; schedules that waited for it go on.",
        args_version: 1,
        queue: Queue::Interactive,
        caller: Caller::Organization(Scope::ContentApprove),
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(30),
        secrets: &[],
    };
    type Output = ApprovedContent;

    fn check(&self) -> Result<(), Problem> {
        if self.versions.len() > 50 {
            return Err(Problem::argument("versions", "expected at most 50 versions"));
        }
        for (index, seen) in self.versions.iter().enumerate() {
            let hash = seen.content_hash.as_bytes();
            let is_hex = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
            if hash.len() != 64 || !hash.iter().all(is_hex) {
                return Err(Problem::argument(
                    &format!("versions[{index}].contentHash"),
                    "expected the contentHash of the version: 64 hexadecimal digits",
                ));
            }
        }
        Ok(())
    }
}
