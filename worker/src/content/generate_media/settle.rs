//! What becomes of a job that generates an image: the image is attached, or nothing counts.
//!
//! **Invariant:** the attachment, the count and the end of the job are true in one transaction.

use serde_json::{Value, json};

use crate::content::asking::{Asking, Left};
use crate::content::review::{changed, lock_version};
use crate::content::seen::{Seen, fits};
use crate::run::{Answer, Run, failed};
use jobs::kinds::{GenerateMedia, GeneratedMedia};
use jobs::{AttachmentId, Failure, OrganizationId, Problem};
use llm::Model;
use media::Key;
use platforms::Platform;
use store::attachments::{self, NewAttachment};
use store::generations::Spent;
use store::ledger::Finish;
use store::usage::{self, Ended};
use store::{Claimed, content_versions, events};

/// Longest description, in characters.
const ALT_TEXT_MAX: usize = 1_000;

/// What the image is for, and how it is described.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) organization: OrganizationId,
    pub(super) platform: Platform,
    pub(super) id: AttachmentId,
    pub(super) key: Key,
    pub(super) prompt: String,
}

/// An image, and what was paid for it in this run.
pub(super) struct Made<'a> {
    pub(super) seen: Seen,
    pub(super) paid: Option<(Asking<'a>, Spent)>,
    pub(super) revised_prompt: Option<String>,
}

/// Attaches the image, if the network takes it.
pub(super) async fn attach(
    run: &Run<GenerateMedia>,
    wanted: &Wanted,
    model: &Model,
    made: Made<'_>,
) -> Answer<GenerateMedia> {
    let (args, Made { seen, paid, revised_prompt }) = (&run.args, made);
    let version = args.content_version_id;
    let (mut tx, held, row) = lock_version(run, version).await?;
    match held.not_on_its_way(&mut tx, &[version], "changed", "contentVersionId").await {
        Ok(()) => {}
        Err(Failure::Dead(problem)) => {
            drop(tx);
            return refuse(run, paid, problem).await;
        }
        Err(failure) => return Err(failure),
    }
    let shown = attachments::of_version(&mut tx, version).await.map_err(failed)?;
    if let Err(problem) = fits(wanted.platform, &shown, seen.facts()) {
        drop(tx);
        return refuse(run, paid, problem).await;
    }
    if let Some((asking, spent)) = &paid {
        asking.answered(&mut tx, *spent, None).await?;
    }
    let (width, height) = seen.pixels_in_rows();
    let alt_text = alt_text(args.alt_text.as_deref().unwrap_or(&wanted.prompt));
    let filename =
        format!("{}.{}", wanted.id, seen.inspected.mime.rsplit('/').next().unwrap_or("png"));
    let attachment = NewAttachment {
        id: wanted.id,
        organization: wanted.organization,
        content_version: version,
        file: None,
        filename: &filename,
        file_type: seen.inspected.mime,
        storage_path: wanted.key.as_str(),
        storage_type: "generated",
        size_bytes: seen.size_in_rows(),
        width,
        height,
        alt_text: Some(&alt_text),
        metadata: metadata(model, wanted, revised_prompt.as_deref()),
        uploaded_by: &run.job.actor,
    };
    attachments::insert(&mut tx, attachment).await.map_err(failed)?;
    if row.is_selected {
        changed(run, &mut tx, &held, &[version], "An image was generated.").await?;
    }
    let data = json!({ "contentVersionId": version, "mediaAttachmentId": wanted.id });
    tell(
        &mut tx,
        wanted.organization,
        version.0,
        "media.generated",
        "An image was generated.",
        data,
    )
    .await?;
    usage::end(&mut tx, run.job.id.0, Ended::Used).await.map_err(failed)?;
    let output = GeneratedMedia {
        media_attachment_id: wanted.id,
        width: seen.inspected.width,
        height: seen.inspected.height,
        model: model.name().to_owned(),
    };
    run.end(tx, &output).await
}

fn metadata(model: &Model, wanted: &Wanted, revised_prompt: Option<&str>) -> Value {
    let mut metadata = json!({ "model": model.name(), "prompt": wanted.prompt });
    if let Some(revised) = revised_prompt {
        metadata["revisedPrompt"] = json!(revised.replace('\0', ""));
    }
    metadata
}

/// A prompt describes its image too; as much of it as networks take.
fn alt_text(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(ALT_TEXT_MAX) {
        None => text.to_owned(),
        Some(_) => text.chars().take(ALT_TEXT_MAX - 1).chain("…".chars()).collect(),
    }
}

async fn tell(
    tx: &mut Claimed,
    organization: OrganizationId,
    version: uuid::Uuid,
    event: &str,
    message: &str,
    data: Value,
) -> Result<(), Failure> {
    events::record(tx, organization, event, "content_version", version, message, data)
        .await
        .map_err(failed)
}

/// The image was made and cannot be used: it is not kept.
pub(super) async fn refuse(
    run: &Run<GenerateMedia>,
    paid: Option<(Asking<'_>, Spent)>,
    problem: Problem,
) -> Answer<GenerateMedia> {
    let message = format!("The model's image cannot be used: {problem}");
    let problem = Problem { message, ..problem };
    let mut tx = run.begin().await?;
    if let Some((asking, spent)) = paid {
        asking.answered(&mut tx, spent, Some(&problem)).await?;
    }
    let key = Key::generated(run.organization()?.0, run.job.id.derive("attachment"));
    if let Err(error) = run.fleet.media.delete(&key).await {
        tracing::warn!(%error, "an image that cannot be used stays in the media store");
    }
    give_up(run, tx, problem).await
}

pub(super) async fn without_image(
    run: &Run<GenerateMedia>,
    tx: Claimed,
    left: Left,
) -> Answer<GenerateMedia> {
    let mut tx = tx;
    match left {
        Left::GiveUp(problem) => give_up(run, tx, problem).await,
        Left::Cancelled(problem) => {
            nothing_made(run, &mut tx, &problem).await?;
            run.finish(tx, Finish::Cancelled(problem)).await
        }
        Left::Leave(failure) => {
            tx.commit().await.map_err(failed)?;
            Err(failure)
        }
    }
}

/// Ends the job without an image.
pub(super) async fn give_up(
    run: &Run<GenerateMedia>,
    mut tx: Claimed,
    problem: Problem,
) -> Answer<GenerateMedia> {
    nothing_made(run, &mut tx, &problem).await?;
    run.end_dead(tx, problem).await
}

/// What the image would have counted is given back, and people are told.
async fn nothing_made(
    run: &Run<GenerateMedia>,
    tx: &mut Claimed,
    problem: &Problem,
) -> Result<(), Failure> {
    let version = run.args.content_version_id;
    let had_begun = usage::end(tx, run.job.id.0, Ended::Released).await.map_err(failed)?;
    if !had_begun || content_versions::get(tx, version).await.map_err(failed)?.is_none() {
        return Ok(());
    }
    let data = json!({ "contentVersionId": version, "code": problem.code });
    let organization = run.organization()?;
    tell(tx, organization, version.0, "media.generation_failed", &problem.message, data).await
}

/// The image was made and could not be stored: another run makes another.
pub(super) async fn lost(
    run: &Run<GenerateMedia>,
    paid: Option<(Asking<'_>, Spent)>,
    problem: Problem,
) -> Answer<GenerateMedia> {
    let mut tx = run.begin().await?;
    if let Some((asking, spent)) = paid {
        asking.answered(&mut tx, spent, Some(&problem)).await?;
    }
    if run.is_last_attempt() {
        return give_up(run, tx, problem).await;
    }
    tx.commit().await.map_err(failed)?;
    Err(Failure::Retry(problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_prompt_becomes_a_description_that_networks_take() {
        assert_eq!(alt_text(" A loaf. "), "A loaf.");
        let long = alt_text(&"ü".repeat(2_000));
        assert_eq!(long.chars().count(), ALT_TEXT_MAX);
        assert!(long.ends_with('…'));
    }
}
