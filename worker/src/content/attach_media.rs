//! `media.attach`: looks at an uploaded file's bytes, records the file, attaches it to a version.

use media::{Error as MediaError, Inspected, Key};
use sha2::{Digest, Sha256};

use crate::run::{Answer, Run, failed};
use jobs::kinds::{AttachMedia, AttachedMedia};
use jobs::{AttachmentId, Code, Failure, Problem};
use platforms::{Content, MediaFacts, Platform};
use store::attachments::{self, NewAttachment};
use store::content_versions;
use store::files::{self, NewFile};

pub(crate) async fn attach_media(run: Run<AttachMedia>) -> Answer<AttachMedia> {
    let organization = run.organization()?;
    let key = Key::upload(organization.0, run.args.file_id.0);
    let limit = u64::try_from(run.fleet.max_upload_bytes).unwrap_or(u64::MAX);
    let bytes = run.fleet.media.get(&key, limit).await.map_err(|error| refused(&run.args, error))?;
    let seen = media::inspect(&bytes).map_err(|error| refused(&run.args, error))?;
    let size_bytes = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    let sha256: [u8; 32] = Sha256::digest(&bytes).into();

    let mut tx = run.begin().await?;
    let version = content_versions::get(&mut tx, run.args.content_version_id)
        .await
        .map_err(failed)?
        .filter(|version| version.organization_id == organization)
        .ok_or_else(|| {
            let id = run.args.content_version_id;
            Failure::Dead(Problem::not_found("content version", id).at("contentVersionId"))
        })?;
    refuse_unfit(&version.platform, &seen, bytes.len())?;
    let storage_type = match run.fleet.media {
        media::Store::Local(_) => "local",
        media::Store::S3(_) => "s3",
    };
    let file = NewFile {
        id: run.args.file_id,
        organization,
        filename: &run.args.filename,
        mime_type: seen.mime,
        size_bytes,
        sha256,
        storage_type,
        storage_path: key.as_str(),
        processing_status: "completed",
        uploaded_by: &run.job.actor,
    };
    files::insert(&mut tx, file).await.map_err(failed)?;
    let id = AttachmentId(run.job.id.derive("attachment"));
    let attachment = NewAttachment {
        id,
        organization,
        content_version: version.id,
        file: Some(run.args.file_id),
        filename: &run.args.filename,
        file_type: seen.mime,
        storage_path: key.as_str(),
        storage_type,
        size_bytes,
        width: seen.width.and_then(|n| i32::try_from(n).ok()),
        height: seen.height.and_then(|n| i32::try_from(n).ok()),
        alt_text: run.args.alt_text.as_deref(),
        uploaded_by: &run.job.actor,
    };
    attachments::insert(&mut tx, attachment).await.map_err(failed)?;
    let answer = AttachedMedia { media_attachment_id: id, file_id: run.args.file_id };
    run.end(tx, &answer).await
}

/// What the network would not take is refused now; the text is checked with the schedule.
fn refuse_unfit(platform: &str, seen: &Inspected, length: usize) -> Result<(), Failure> {
    let Ok(platform) = platform.parse::<Platform>() else { return Ok(()) };
    let facts = MediaFacts {
        mime: seen.mime.to_owned(),
        size_bytes: u64::try_from(length).unwrap_or(u64::MAX),
        width: seen.width,
        height: seen.height,
    };
    let content = Content { text: "any", media: &[facts] };
    match platform.check(&content).into_iter().find(|wrong| wrong.field.starts_with("media")) {
        Some(violation) => Err(Failure::Dead(
            Problem::new(Code::ContentRejected, violation.message).at("fileId"),
        )),
        None => Ok(()),
    }
}

fn refused(args: &AttachMedia, error: MediaError) -> Failure {
    let file = args.file_id;
    match error {
        MediaError::NotFound { .. } => {
            Failure::Dead(Problem::not_found("upload", file).at("fileId"))
        }
        MediaError::TooLarge { limit_bytes, .. } => Failure::Dead(
            Problem::new(
                Code::ContentRejected,
                format!("the file is larger than {limit_bytes} bytes"),
            )
            .at("fileId"),
        ),
        error @ MediaError::UnknownType { .. } => {
            Failure::Dead(Problem::new(Code::ContentRejected, error.to_string()).at("fileId"))
        }
        error => {
            tracing::warn!(%error, cause = ?std::error::Error::source(&error), "cannot read an upload");
            Failure::Retry(Problem::new(Code::Unavailable, "the media store does not answer"))
        }
    }
}
