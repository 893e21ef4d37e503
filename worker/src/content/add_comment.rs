//! `comment.add`: what somebody says about a version, or answers.
//!
//! **Invariant:** an answer is on the same version as what it answers.

use super::review::own_version;
use crate::run::{Answer, Run, failed};
use jobs::kinds::{AddComment, AddedComment};
use jobs::{CommentId, Failure, JobKind, Problem};
use store::Claimed;
use store::content_comments::{self, Comment, NewComment};

/// Adds a comment.
pub(crate) async fn add_comment(run: Run<AddComment>) -> Answer<AddComment> {
    let args = &run.args;
    let mut tx = run.begin().await?;
    let version = own_version(&run, &mut tx, args.content_version_id).await?;
    let parent = match args.parent_comment_id {
        None => None,
        Some(id) => Some(own_comment(&run, &mut tx, id, "parentCommentId").await?),
    };
    if let Some(parent) = parent.as_ref().filter(|parent| parent.content_version_id != version.id) {
        let message = format!("the comment {} is on another content version", parent.id);
        return Err(Failure::Dead(Problem::argument("parentCommentId", message)));
    }
    let id = CommentId(run.job.id.derive("comment"));
    let new = NewComment {
        id,
        organization: version.organization_id,
        content_version: version.id,
        user_id: &run.job.actor,
        comment: &args.comment,
        answers: parent.as_ref().map(|parent| (parent.id, parent.thread_id)),
    };
    content_comments::insert(&mut tx, new).await.map_err(failed)?;
    let thread_id = parent.map_or(id, |parent| parent.thread_id);
    run.end(tx, &AddedComment { comment_id: id, thread_id }).await
}

/// A comment of the run's organization.
///
/// # Errors
/// Dead when there is none.
pub(super) async fn own_comment<K: JobKind>(
    run: &Run<K>,
    tx: &mut Claimed,
    id: CommentId,
    field: &str,
) -> Result<Comment, Failure> {
    let organization = run.organization()?;
    content_comments::get(tx, id)
        .await
        .map_err(failed)?
        .filter(|comment| comment.organization_id == organization)
        .ok_or_else(|| Failure::Dead(Problem::not_found("comment", id).at(field)))
}
