//! `comment.resolve`: a comment is dealt with, or open again.
//!
//! **Invariant:** who resolved a comment first stays until it is open again.

use super::add_comment::own_comment;
use crate::run::{Answer, Run, failed};
use jobs::kinds::{ResolveComment, ResolvedComment};
use store::content_comments;

/// Says whether a comment is dealt with.
pub(crate) async fn resolve_comment(run: Run<ResolveComment>) -> Answer<ResolveComment> {
    let (id, is_resolved) = (run.args.comment_id, run.args.resolved);
    let mut tx = run.begin().await?;
    own_comment(&run, &mut tx, id, "commentId").await?;
    content_comments::resolve(&mut tx, id, is_resolved, &run.job.actor).await.map_err(failed)?;
    run.end(tx, &ResolvedComment { comment_id: id, is_resolved }).await
}
