//! `media.attach`: an uploaded file is looked at and shown with a content version.
//!
//! **Invariant:** a file counts once, when it is first attached; an approval of the version ends with
//! the attachment.

use super::review::{changed, lock_version, own_version, platform};
use super::seen::{Seen, fits, look};
use crate::fleet::Fleet;
use crate::run::{Answer, Run, failed};
use jobs::kinds::{AttachMedia, AttachedMedia};
use jobs::{AttachmentId, Code, Failure, FileId, OrganizationId, Problem};
use media::Key;
use store::attachments::{self, NewAttachment};
use store::files::{self, NewFile};
use store::usage::{self, Metric};

/// Attaches an upload.
pub(crate) async fn attach_media(run: Run<AttachMedia>) -> Answer<AttachMedia> {
    let args = &run.args;
    let organization = run.organization()?;
    let mut tx = run.begin().await?;
    let version = own_version(&run, &mut tx, args.content_version_id).await?;
    let platform = platform(&version)?;
    let file = files::get(&mut tx, args.file_id).await.map_err(failed)?;
    if file.is_some_and(|file| file.organization_id != organization) {
        return Err(no_upload(args.file_id));
    }
    tx.commit().await.map_err(failed)?;

    let key = Key::upload(organization.0, args.file_id.0);
    let seen = see(&run.fleet, &key, args.file_id).await?;

    let (mut tx, held, version) = lock_version(&run, version.id).await?;
    held.not_on_its_way(&mut tx, &[version.id], "changed", "contentVersionId").await?;
    let shown = attachments::of_version(&mut tx, version.id).await.map_err(failed)?;
    let id = AttachmentId(run.job.id.derive("attachment"));
    fits(platform, &shown, seen.facts()).map_err(|problem| Failure::Dead(problem.at("fileId")))?;
    let storage_type = match run.fleet.media {
        media::Store::Local(_) => "local",
        media::Store::S3(_) => "s3",
    };
    count(&mut tx, organization, args.file_id).await?;
    insert(&run, &mut tx, organization, id, &key, &seen, storage_type).await?;
    if version.is_selected {
        let what = format!("A file was attached by {}.", run.job.actor);
        changed(&run, &mut tx, &held, &[version.id], &what).await?;
    }
    run.end(tx, &AttachedMedia { media_attachment_id: id, file_id: args.file_id }).await
}

fn no_upload(id: FileId) -> Failure {
    Failure::Dead(Problem::not_found("upload", id).at("fileId"))
}

/// Counts a file that is attached for the first time.
async fn count(
    tx: &mut store::Claimed,
    organization: OrganizationId,
    file: FileId,
) -> Result<(), Failure> {
    if files::get(tx, file).await.map_err(failed)?.is_some() {
        return Ok(());
    }
    let reserved = usage::reserve(tx, organization, Metric::FilesUploaded, file.0, None)
        .await
        .map_err(failed)?;
    // The lock on the count has made us wait for whoever attached it meanwhile.
    let counted = files::get(tx, file).await.map_err(failed)?.is_some();
    match reserved.refusal(Metric::FilesUploaded) {
        Some(_) if counted => Ok(()),
        Some(problem) => Err(Failure::Dead(problem)),
        None => {
            let how = if counted { usage::Ended::Released } else { usage::Ended::Used };
            usage::end(tx, file.0, how).await.map(drop).map_err(failed)
        }
    }
}

async fn insert(
    run: &Run<AttachMedia>,
    tx: &mut store::Claimed,
    organization: OrganizationId,
    id: AttachmentId,
    key: &Key,
    seen: &Seen,
    storage_type: &str,
) -> Result<(), Failure> {
    let args = &run.args;
    let (width, height) = seen.pixels_in_rows();
    let file = NewFile {
        id: args.file_id,
        organization,
        filename: &args.filename,
        mime_type: seen.inspected.mime,
        size_bytes: seen.size_in_rows(),
        sha256: seen.sha256,
        storage_type,
        storage_path: key.as_str(),
        processing_status: "completed",
        uploaded_by: &run.job.actor,
    };
    files::insert(tx, file).await.map_err(failed)?;
    let attachment = NewAttachment {
        id,
        organization,
        content_version: args.content_version_id,
        file: Some(args.file_id),
        filename: &args.filename,
        file_type: seen.inspected.mime,
        storage_path: key.as_str(),
        storage_type,
        size_bytes: seen.size_in_rows(),
        width,
        height,
        alt_text: args.alt_text.as_deref(),
        metadata: serde_json::json!({}),
        uploaded_by: &run.job.actor,
    };
    attachments::insert(tx, attachment).await.map_err(failed)
}

/// Reads an upload and looks at its bytes.
async fn see(fleet: &Fleet, key: &Key, file: FileId) -> Result<Seen, Failure> {
    let limit = u64::try_from(fleet.max_upload_bytes).unwrap_or(u64::MAX);
    let bytes = fleet.media.get(key, limit).await.map_err(|error| match error {
        media::Error::NotFound { .. } => no_upload(file),
        media::Error::TooLarge { limit_bytes } => {
            let message = format!("The file is larger than {limit_bytes} bytes.");
            Failure::Dead(Problem::new(Code::ContentRejected, message).at("fileId"))
        }
        error => {
            tracing::warn!(file.id = %file, %error, "an upload cannot be read");
            Failure::Retry(Problem::new(Code::Unavailable, "The media store does not answer."))
        }
    })?;
    look(bytes).await.map_err(|failure| match failure {
        Failure::Dead(problem) => Failure::Dead(problem.at("fileId")),
        other => other,
    })
}
