//! `comment.add`: Comments a content version, or answers a comment on it.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{
    Caller, CommentId, ContentVersionId, JobKind, Kind, Problem, Queue, Retry, Scope, Spec,
};

/// Arguments of `comment.add`. The job's `actor` is who comments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddComment {
    /// The version.
    pub content_version_id: ContentVersionId,
    /// What is said: 1 to 5000 characters.
    pub comment: String,
    /// The comment that it answers: one on the same version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_comment_id: Option<CommentId>,
}

/// What `comment.add` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddedComment {
    /// The comment.
    pub comment_id: CommentId,
    /// The first comment of its thread: itself, when it answers none.
    pub thread_id: CommentId,
}

impl JobKind for AddComment {
    const KIND: Kind = Kind::AddComment;
    const SPEC: Spec = Spec {
        summary: "Comments a content version, or answers a comment on it.",
        args_version: 1,
        queue: Queue::Interactive,
        caller: Caller::Organization(Scope::ContentWrite),
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(30),
        secrets: &[],
    };
    type Output = AddedComment;

    fn check(&self) -> Result<(), Problem> {
        check_comment(&self.comment)
    }
}

pub(super) fn check_comment(comment: &str) -> Result<(), Problem> {
    if comment.trim().is_empty() || comment.chars().count() > 5000 {
        return Err(Problem::argument("comment", "expected 1 to 5000 characters"));
    }
    Ok(())
}
