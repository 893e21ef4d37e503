//! `version.edit`: Changes the text of a content version and what goes with it; the history keeps what it was.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::review::RequestStatus;
use crate::{Caller, ContentVersionId, EditId, JobKind, Kind, Problem, Queue, Retry, Scope, Spec};

/// Arguments of `version.edit`. Absent fields stay as they are.
///
/// An edit of the text ends the version's approval; an edit of hashtags and image prompt, which do not
/// go out, does not. While the version is being published it is refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EditVersion {
    /// The version.
    pub content_version_id: ContentVersionId,
    /// The text as it shall appear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Hashtags to go with it, without `#`: at most 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggested_hashtags: Option<Vec<String>>,
    /// What an image to go with it could show, at most 4000 characters; empty for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggested_image_prompt: Option<String>,
    /// Why, for the others: at most 1000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edit_reason: Option<String>,
    /// `updatedAt` of the version as the editor saw it, with all its digits. When somebody has changed
    /// the version since, nothing is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_updated_at: Option<DateTime<Utc>>,
}

/// What `version.edit` and `version.revert` answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EditedVersion {
    /// The version.
    pub content_version_id: ContentVersionId,
    /// The new entry of its history; absent when nothing was different.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edit_id: Option<EditId>,
    /// The version's hash now.
    pub content_hash: String,
    /// When it was last changed: what the next edit may expect.
    pub updated_at: DateTime<Utc>,
    /// Where its request stands now.
    pub status: RequestStatus,
    /// How many schedules were put on hold until it is approved again.
    pub schedules_on_hold: i64,
}

impl JobKind for EditVersion {
    const KIND: Kind = Kind::EditVersion;
    const SPEC: Spec = Spec {
        summary: "Changes the text of a content version and what goes with it; the history keeps what it was.",
        args_version: 1,
        queue: Queue::Interactive,
        caller: Caller::Organization(Scope::ContentWrite),
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(30),
        secrets: &[],
    };
    type Output = EditedVersion;

    fn check(&self) -> Result<(), Problem> {
        if self.text.is_none()
            && self.suggested_hashtags.is_none()
            && self.suggested_image_prompt.is_none()
        {
            return Err(Problem::argument(
                "text",
                "expected at least one of text, suggestedHashtags, suggestedImagePrompt",
            ));
        }
        let at_most = |text: &Option<String>, most: usize| {
            text.as_deref().is_none_or(|text| text.chars().count() <= most)
        };
        if !at_most(&self.text, 100_000) {
            return Err(Problem::argument("text", "expected at most 100000 characters"));
        }
        if !at_most(&self.suggested_image_prompt, 4000) {
            return Err(Problem::argument(
                "suggestedImagePrompt",
                "expected at most 4000 characters",
            ));
        }
        check_reason(self.edit_reason.as_deref())?;
        let hashtags = self.suggested_hashtags.as_deref().unwrap_or_default();
        if hashtags.len() > 50 {
            return Err(Problem::argument("suggestedHashtags", "expected at most 50 hashtags"));
        }
        let is_word = |tag: &str| {
            (1..=100).contains(&tag.chars().count())
                && !tag.contains(|c: char| c.is_whitespace() || c == '#')
        };
        match hashtags.iter().position(|tag| !is_word(tag)) {
            None => Ok(()),
            Some(index) => Err(Problem::argument(
                &format!("suggestedHashtags[{index}]"),
                "expected 1 to 100 characters without # and without spaces",
            )),
        }
    }
}

pub(super) fn check_reason(reason: Option<&str>) -> Result<(), Problem> {
    if reason.is_some_and(|reason| reason.chars().count() > 1000) {
        return Err(Problem::argument("editReason", "expected at most 1000 characters"));
    }
    Ok(())
}
