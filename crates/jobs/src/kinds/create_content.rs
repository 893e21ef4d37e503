//! `content.create`: Creates a content request with the versions that a person wrote.

use platforms::Platform;
use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{
    Caller, ContentRequestId, ContentVersionId, JobKind, Kind, Problem, Queue, Retry, Scope, Spec,
};

/// Arguments of `content.create`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateContent {
    /// What the content is about, in a line.
    pub title: String,
    /// One text for each network.
    pub versions: Vec<NewVersion>,
}

/// What `content.create` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedContent {
    /// The request.
    pub content_request_id: ContentRequestId,
    /// The versions, in the order in which they were given.
    pub content_version_ids: Vec<ContentVersionId>,
}

impl JobKind for CreateContent {
    const KIND: Kind = Kind::CreateContent;
    const SPEC: Spec = Spec {
        summary: "Creates a content request with the versions that a person wrote.",
        args_version: 1,
        queue: Queue::Interactive,
        caller: Caller::Organization(Scope::ContentWrite),
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(30),
        secrets: &[],
    };
    type Output = CreatedContent;

    fn check(&self) -> Result<(), Problem> {
        if self.title.trim().is_empty() || self.title.chars().count() > 300 {
            return Err(Problem::argument("title", "expected 1 to 300 characters"));
        }
        if self.versions.is_empty() || self.versions.len() > 50 {
            return Err(Problem::argument("versions", "expected 1 to 50 versions"));
        }
        for (index, version) in self.versions.iter().enumerate() {
            if version.text.chars().count() > 100_000 {
                return Err(Problem::argument(
                    &format!("versions[{index}].text"),
                    "expected at most 100000 characters",
                ));
            }
        }
        Ok(())
    }
}

/// One text for one network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewVersion {
    /// The network.
    pub platform: Platform,
    /// The text as it shall appear.
    pub text: String,
    /// Hashtags to go with it, without `#`.
    #[serde(default)]
    pub suggested_hashtags: Vec<String>,
}
