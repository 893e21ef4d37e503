//! `comment.edit`: Rewrites a comment: only its author may, and operators.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, CommentId, JobKind, Kind, Problem, Queue, Retry, Scope, Spec};

/// Arguments of `comment.edit`. The job's `actor` must be the comment's author, unless an operator
/// asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EditComment {
    /// The comment.
    pub comment_id: CommentId,
    /// What it shall say: 1 to 5000 characters.
    pub comment: String,
}

/// What `comment.edit` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EditedComment {
    /// The comment.
    pub comment_id: CommentId,
}

impl JobKind for EditComment {
    const KIND: Kind = Kind::EditComment;
    const SPEC: Spec = Spec {
        summary: "Rewrites a comment: only its author may, and operators.",
        args_version: 1,
        queue: Queue::Interactive,
        caller: Caller::Organization(Scope::ContentWrite),
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(30),
        secrets: &[],
    };
    type Output = EditedComment;

    fn check(&self) -> Result<(), Problem> {
        super::add_comment::check_comment(&self.comment)
    }
}
