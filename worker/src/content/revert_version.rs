//! `version.revert`: a version says again what it said before an entry of its history.
//!
//! **Invariant:** a revert is an edit like any other: checked, recorded, and the end of an approval.

use super::edit_version::{Rewrite, as_expected, rewrite};
use super::review::lock_version;
use crate::run::{Answer, Run, failed};
use jobs::kinds::RevertVersion;
use jobs::{Code, EditId, Failure, Problem};
use store::content_edit_history;

/// Brings a version back to what it was before an entry of its history.
pub(crate) async fn revert_version(run: Run<RevertVersion>) -> Answer<RevertVersion> {
    let args = &run.args;
    let (mut tx, held, version) = lock_version(&run, args.content_version_id).await?;
    as_expected(&version, args.expected_updated_at).map_err(Failure::Dead)?;
    let entry = content_edit_history::get(&mut tx, args.edit_id)
        .await
        .map_err(failed)?
        .filter(|entry| entry.content_version_id == version.id)
        .ok_or_else(|| Failure::Dead(no_entry(args.edit_id)))?;
    let edit = Rewrite {
        new: entry.before(),
        reason: args.edit_reason.as_deref(),
        reverted: Some(entry.id),
        text_field: "editId",
        what: format!("The text was brought back to an earlier one by {}.", run.job.actor),
    };
    rewrite(&run, tx, &held, &version, edit).await
}

fn no_entry(id: EditId) -> Problem {
    let message = format!("the history of this content version has no entry {id}");
    Problem::new(Code::NotFound, message).at("editId")
}
