//! `media.attach`: Attaches an uploaded file to a content version.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{
    AttachmentId, Caller, ContentVersionId, FileId, JobKind, Kind, Problem, Queue, Retry, Scope,
    Spec,
};

/// Arguments of `media.attach`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AttachMedia {
    /// The version.
    pub content_version_id: ContentVersionId,
    /// The upload, as `POST /v1/uploads` named it.
    pub file_id: FileId,
    /// What the file is called.
    pub filename: String,
    /// Description for people who do not see the image, at most 1000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alt_text: Option<String>,
}

/// What `media.attach` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttachedMedia {
    /// The attachment.
    pub media_attachment_id: AttachmentId,
    /// The file.
    pub file_id: FileId,
}

impl JobKind for AttachMedia {
    const KIND: Kind = Kind::AttachMedia;
    const SPEC: Spec = Spec {
        summary: "Attaches an uploaded file to a content version.",
        args_version: 1,
        queue: Queue::Interactive,
        caller: Caller::Organization(Scope::ContentWrite),
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(60),
        secrets: &[],
    };
    type Output = AttachedMedia;

    fn check(&self) -> Result<(), Problem> {
        if self.filename.trim().is_empty() || self.filename.chars().count() > 255 {
            return Err(Problem::argument("filename", "expected 1 to 255 characters"));
        }
        if self.alt_text.as_deref().is_some_and(|text| text.chars().count() > 1000) {
            return Err(Problem::argument("altText", "expected at most 1000 characters"));
        }
        Ok(())
    }
}
