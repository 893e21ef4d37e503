//! `media.generate`: an image model makes an image, which is shown with a content version.
//!
//! In order: note the ask and what it will count; ask; store the image; attach it, count it as used, and
//! end the job.
//!
//! **Invariant:** an image that is stored already is not made and paid again; what is attached passes
//! the network's rules by its bytes; an approval of the version ends with the attachment.

mod settle;

use bytes::Bytes;
use std::time::Duration;

use self::settle::{Made, Wanted, attach, give_up, lost, refuse, without_image};
use super::asking::{self, Asking, NoAnswer};
use super::review::{own_version, platform};
use super::seen::{fits, look};
use crate::run::{Answer, Run, failed};
use jobs::kinds::GenerateMedia;
use jobs::{AttachmentId, Code, Failure, Problem};
use llm::{ImageAsk, Model};
use media::Key;
use platforms::MediaFacts;
use store::attachments;
use store::generations::For;
use store::usage::{self, Metric};

/// How often a paid image is tried to be stored.
const STORE_TRIES: u32 = 3;
const STORE_PAUSE: Duration = Duration::from_millis(500);

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
    if let Some(problem) = reserved.await.map_err(failed)?.refusal(Metric::FilesUploaded) {
        return Err(Failure::Dead(problem));
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
