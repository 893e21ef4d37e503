//! `media.generate`: an image model makes an image, which is shown with a content version.
//!
//! In order: note the ask and what it will count; ask; store the image; attach it, count it as used, and
//! end the job.
//!
//! **Invariant:** an image that is stored already is not made and paid again; what is attached passes
//! the network's rules by its bytes; an approval of the version ends with the attachment.

use bytes::Bytes;
use serde_json::{Value, json};
use std::time::Duration;

use super::asking::{self, Asking, Left, NoAnswer};
use super::review::{changed, lock_version, own_version, platform};
use super::seen::{Seen, fits, look};
use crate::run::{Answer, Run, failed};
use jobs::kinds::{GenerateMedia, GeneratedMedia};
use jobs::{AttachmentId, Code, Failure, OrganizationId, Problem};
use llm::{ImageAsk, Model};
use media::Key;
use platforms::{MediaFacts, Platform};
use store::attachments::{self, NewAttachment};
use store::generations::{For, Spent};
use store::ledger::Finish;
use store::usage::{self, Ended, Metric, Reserved};
use store::{Claimed, content_versions, events};

/// How often a paid image is tried to be stored.
const STORE_TRIES: u32 = 3;
const STORE_PAUSE: Duration = Duration::from_millis(500);

/// Longest description, in characters.
const ALT_TEXT_MAX: usize = 1_000;

/// What the image is for, and how it is described.
#[derive(Debug)]
struct Wanted {
    organization: OrganizationId,
    platform: Platform,
    id: AttachmentId,
    key: Key,
    prompt: String,
}

/// An image, and what was paid for it in this run.
struct Made<'a> {
    seen: Seen,
    paid: Option<(Asking<'a>, Spent)>,
    revised_prompt: Option<String>,
}

/// Generates an image.
pub(crate) async fn generate_media(run: Run<GenerateMedia>) -> Answer<GenerateMedia> {
    let model = match run.fleet.images.pick(run.args.model.as_deref()) {
        Ok(model) => model,
        Err(problem) => return give_up(&run, run.begin().await?, problem).await,
    };
    let id = AttachmentId(run.job.id.derive("attachment"));
    let key = Key::generated(run.organization()?.0, id.0);
    let kept = kept(&run, &key).await?;
    let is_kept = kept.is_some();
    let (wanted, asking) = match begin(&run, model, (id, key), is_kept).await? {
        Ok(begun) => begun,
        Err(problem) => return give_up(&run, run.begin().await?, problem).await,
    };
    let _shield = run.stop.shield();
    let (bytes, paid, revised_prompt) = match (kept, asking) {
        (Some(bytes), _) => (bytes, None, None),
        (None, Some(asking)) => match ask(&run, model, &wanted).await {
            Ok(image) => {
                let spent = asking.spent(image.usage, 1);
                (image.bytes, Some((asking, spent)), image.revised_prompt)
            }
            Err(why) => {
                let (tx, left) = asking.unanswered(&run, why).await?;
                return without_image(&run, tx, left).await;
            }
        },
        (None, None) => unreachable!("what is not kept is asked for"),
    };
    let seen = match look(bytes.clone()).await {
        Ok(seen) => seen,
        Err(Failure::Dead(problem)) => return refuse(&run, paid, problem).await,
        Err(failure) => return Err(failure),
    };
    if !is_kept && let Err(problem) = store(&run, &wanted.key, &bytes, seen.inspected.mime).await {
        return lost(&run, paid, problem).await;
    }
    let made = Made { seen, paid, revised_prompt };
    attach(&run, &wanted, model, made).await
}

/// What an earlier run has made and stored.
async fn kept(run: &Run<GenerateMedia>, key: &Key) -> Result<Option<Bytes>, Failure> {
    let limit = u64::try_from(run.fleet.max_upload_bytes).unwrap_or(u64::MAX);
    match run.fleet.media.get(key, limit).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(media::Error::NotFound { .. } | media::Error::TooLarge { .. }) => Ok(None),
        Err(error) => {
            tracing::warn!(%error, "the media store cannot be read");
            Err(Failure::Retry(no_store()))
        }
    }
}

fn no_store() -> Problem {
    Problem::new(Code::Unavailable, "The media store does not answer.")
}

/// Looks at what the image is for, notes the ask, and reserves one file; a second run finds its own. The
/// inner problem says why no image can be made.
async fn begin<'a>(
    run: &Run<GenerateMedia>,
    model: &'a Model,
    (id, key): (AttachmentId, Key),
    is_kept: bool,
) -> Result<Result<(Wanted, Option<Asking<'a>>), Problem>, Failure> {
    let organization = run.organization()?;
    let version = run.args.content_version_id;
    let mut tx = run.begin().await?;
    let row = match own_version(run, &mut tx, version).await {
        Ok(own) => own,
        Err(Failure::Dead(problem)) => return Ok(Err(problem)),
        Err(failure) => return Err(failure),
    };
    let platform = platform(&row)?;
    let shown = attachments::of_version(&mut tx, version).await.map_err(failed)?;
    // Whether one more image may be shown at all is known before it is paid.
    let smallest =
        MediaFacts { mime: "image/png".into(), size_bytes: 1, width: None, height: None };
    if let Err(problem) = fits(platform, &shown, smallest) {
        return Ok(Err(problem.at("contentVersionId")));
    }
    let Some(prompt) = run.args.prompt.clone().or(row.suggested_image_prompt) else {
        let message = "expected what the image shows: the version suggests nothing";
        return Ok(Err(Problem::argument("prompt", message)));
    };
    let closed = if is_kept { None } else { asking::closed(&mut tx, model).await? };
    let asking = match is_kept || closed.is_some() {
        true => None,
        false => Some(asking::open(run, &mut tx, organization, For::Image(version), model).await?),
    };
    let job = run.job.id;
    let reserved = usage::reserve(&mut tx, organization, Metric::FilesUploaded, job.0, Some(job));
    if let Reserved::Exhausted { most, until } = reserved.await.map_err(failed)? {
        return Err(Failure::Dead(usage::exhausted(Metric::FilesUploaded, most, until)));
    }
    tx.commit().await.map_err(failed)?;
    match closed {
        Some(failure) => Err(failure),
        None => Ok(Ok((Wanted { organization, platform, id, key, prompt }, asking))),
    }
}

async fn ask(
    run: &Run<GenerateMedia>,
    model: &Model,
    wanted: &Wanted,
) -> Result<llm::Image, NoAnswer> {
    let ask = ImageAsk { prompt: &wanted.prompt, size: &run.args.size };
    let image = asking::while_wanted(run, model.image(&ask)).await?;
    image.map_err(|error| {
        let usage = error.usage();
        NoAnswer::Error { error, usage, asks: 1 }
    })
}

/// Stores an image, which has been paid: not giving up at once.
async fn store(
    run: &Run<GenerateMedia>,
    key: &Key,
    bytes: &Bytes,
    mime: &str,
) -> Result<(), Problem> {
    for last in (0..STORE_TRIES).map(|try_| try_ + 1 == STORE_TRIES) {
        match run.fleet.media.put(key, bytes.clone(), mime).await {
            Ok(_) => return Ok(()),
            Err(error) => tracing::warn!(%error, last, "an image cannot be stored"),
        }
        if !last {
            tokio::time::sleep(STORE_PAUSE).await;
        }
    }
    Err(no_store())
}

/// The image was made and could not be stored: another run makes another.
async fn lost(
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

/// Attaches the image, if the network takes it.
async fn attach(
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
async fn refuse(
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

async fn without_image(run: &Run<GenerateMedia>, tx: Claimed, left: Left) -> Answer<GenerateMedia> {
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
async fn give_up(
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
