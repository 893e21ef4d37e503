//! `comment.edit`: a comment says something else.
//!
//! **Invariant:** only its author, or an operator, changes what a comment says.

use super::add_comment::own_comment;
use crate::run::{Answer, Run, failed};
use jobs::kinds::{EditComment, EditedComment};
use jobs::{Code, Failure, JobKind, Origin, Problem};
use store::{Claimed, content_comments, ledger};

/// Rewrites a comment.
pub(crate) async fn edit_comment(run: Run<EditComment>) -> Answer<EditComment> {
    let id = run.args.comment_id;
    let mut tx = run.begin().await?;
    let comment = own_comment(&run, &mut tx, id, "commentId").await?;
    if comment.user_id != run.job.actor && !is_of_operator(&run, &mut tx).await? {
        let message = "only its author can change what a comment says";
        return Err(Failure::Dead(Problem::new(Code::Forbidden, message).at("commentId")));
    }
    content_comments::rewrite(&mut tx, id, &run.args.comment).await.map_err(failed)?;
    run.end(tx, &EditedComment { comment_id: id }).await
}

async fn is_of_operator<K: JobKind>(run: &Run<K>, tx: &mut Claimed) -> Result<bool, Failure> {
    let job = ledger::get(tx, run.job.id).await.map_err(failed)?;
    Ok(job.is_some_and(|job| job.origin == Origin::Operator.as_str()))
}
