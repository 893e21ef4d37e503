//! `version.edit`: a version says something else, and the history keeps what it said.
//!
//! **Invariant:** the text, its entry in the history and what follows for its approval are true in one
//! transaction; an edit that expected another state of the version writes nothing.

use chrono::{DateTime, Utc};

use super::review::{Held, changed, lock_version, platform};
use crate::run::{Answer, Run, failed};
use jobs::kinds::{EditVersion, EditedVersion};
use jobs::review::check_text;
use jobs::{Code, EditId, Failure, JobKind, Problem};
use platforms::MediaFacts;
use store::content_edit_history::{self, NewEdit};
use store::content_versions::{self, ContentVersion, Wording};
use store::{Claimed, attachments};

/// Edits a version.
pub(crate) async fn edit_version(run: Run<EditVersion>) -> Answer<EditVersion> {
    let args = &run.args;
    let (tx, held, version) = lock_version(&run, args.content_version_id).await?;
    as_expected(&version, args.expected_updated_at).map_err(Failure::Dead)?;
    let prompt = match args.suggested_image_prompt.as_deref() {
        None => version.suggested_image_prompt.as_deref(),
        Some(prompt) => Some(prompt).filter(|prompt| !prompt.trim().is_empty()),
    };
    let new = Wording {
        text: args.text.as_deref().unwrap_or(&version.text),
        suggested_hashtags: args
            .suggested_hashtags
            .as_deref()
            .unwrap_or(&version.suggested_hashtags),
        suggested_image_prompt: prompt,
    };
    let edit = Rewrite {
        new,
        reason: args.edit_reason.as_deref(),
        reverted: None,
        text_field: "text",
        what: format!("The text was edited by {}.", run.job.actor),
    };
    rewrite(&run, tx, &held, &version, edit).await
}

/// What is to be written.
pub(super) struct Rewrite<'a> {
    pub(super) new: Wording<'a>,
    pub(super) reason: Option<&'a str>,
    /// The entry that is reverted.
    pub(super) reverted: Option<EditId>,
    /// The argument that brought the text.
    pub(super) text_field: &'a str,
    /// What happened, as a sentence.
    pub(super) what: String,
}

/// Rewrites a locked version, unless that would change nothing, and ends the run.
pub(super) async fn rewrite<K: JobKind<Output = EditedVersion>>(
    run: &Run<K>,
    mut tx: Claimed,
    held: &Held,
    version: &ContentVersion,
    edit: Rewrite<'_>,
) -> Answer<K> {
    let previous = Wording {
        text: &version.text,
        suggested_hashtags: &version.suggested_hashtags,
        suggested_image_prompt: version.suggested_image_prompt.as_deref(),
    };
    let mut output = EditedVersion {
        content_version_id: version.id,
        edit_id: None,
        content_hash: version.content_hash.clone(),
        updated_at: version.updated_at,
        status: held.request.status,
        schedules_on_hold: 0,
    };
    if edit.new == previous {
        return run.end(tx, &output).await;
    }
    let is_another_text = edit.new.text != previous.text;
    if is_another_text {
        let media = attachments::of_version(&mut tx, version.id).await.map_err(failed)?;
        let media: Vec<MediaFacts> = media.iter().map(attachments::Attachment::facts).collect();
        check_text(platform(version)?, edit.new.text, &media)
            .map_err(|problem| Failure::Dead(problem.at(edit.text_field)))?;
        held.not_on_its_way(&mut tx, &[version.id], "changed", "contentVersionId").await?;
    }
    content_versions::rewrite(&mut tx, version.id, edit.new).await.map_err(failed)?;
    let id = EditId(run.job.id.derive("edit"));
    let entry = NewEdit {
        id,
        organization: version.organization_id,
        content_version: version.id,
        previous,
        new: edit.new,
        edited_by: &run.job.actor,
        edit_reason: edit.reason.map(str::trim).filter(|reason| !reason.is_empty()),
        reverted: edit.reverted,
    };
    content_edit_history::insert(&mut tx, entry).await.map_err(failed)?;
    if is_another_text && version.is_selected {
        let changed = changed(run, &mut tx, held, &[version.id], &edit.what).await?;
        (output.status, output.schedules_on_hold) = (changed.status, changed.on_hold);
    }
    let now = content_versions::get(&mut tx, version.id).await.map_err(failed)?;
    output.edit_id = Some(id);
    if let Some(now) = now {
        (output.content_hash, output.updated_at) = (now.content_hash, now.updated_at);
    }
    run.end(tx, &output).await
}

/// Whether the version is as the editor saw it, where they say so.
pub(super) fn as_expected(
    version: &ContentVersion,
    expected: Option<DateTime<Utc>>,
) -> Result<(), Problem> {
    match expected {
        Some(expected) if expected != version.updated_at => Err(Problem::new(
            Code::Conflict,
            format!(
                "The version was changed meanwhile, at {}. Look at it again.",
                version.updated_at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
            ),
        )
        .at("expectedUpdatedAt")),
        Some(_) | None => Ok(()),
    }
}
