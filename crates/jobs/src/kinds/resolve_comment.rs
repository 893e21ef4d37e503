//! `comment.resolve`: Says that a comment is dealt with, or that it is open again.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, CommentId, JobKind, Kind, Queue, Retry, Scope, Spec};

/// Arguments of `comment.resolve`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResolveComment {
    /// The comment.
    pub comment_id: CommentId,
    /// Whether it is dealt with; `false` opens it again.
    #[serde(default = "yes")]
    pub resolved: bool,
}

/// What `comment.resolve` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedComment {
    /// The comment.
    pub comment_id: CommentId,
    /// Whether it is dealt with.
    pub is_resolved: bool,
}

impl JobKind for ResolveComment {
    const KIND: Kind = Kind::ResolveComment;
    const SPEC: Spec = Spec {
        summary: "Says that a comment is dealt with, or that it is open again.",
        args_version: 1,
        queue: Queue::Interactive,
        caller: Caller::Organization(Scope::ContentWrite),
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(30),
        secrets: &[],
    };
    type Output = ResolvedComment;
}

fn yes() -> bool {
    true
}
