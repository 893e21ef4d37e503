//! `media.attach`: an uploaded file is looked at and shown with a content version.
//!
//! **Invariant:** type, size and hash of a file come from its bytes, never from what a client said; an
//! approval of the version ends with the attachment.

use sha2::{Digest, Sha256};

use super::review::{changed, lock_version};
use crate::fleet::Fleet;
use crate::run::{Answer, Run, failed};
use jobs::kinds::{AttachMedia, AttachedMedia};
use jobs::{AttachmentId, Code, Failure, FileId, OrganizationId, Problem};
use media::{Inspected, Key};
use platforms::{Content, MediaFacts, Platform};
use store::attachments::{self, Attachment, NewAttachment};
use store::content_versions;
use store::files::{self, NewFile};

/// A file, by its bytes.
struct Seen {
    inspected: Inspected,
    size_bytes: u64,
    sha256: [u8; 32],
}

/// Attaches an upload.
pub(crate) async fn attach_media(run: Run<AttachMedia>) -> Answer<AttachMedia> {
    let args = &run.args;
    let organization = run.organization()?;
    let mut tx = run.begin().await?;
    let version = content_versions::get(&mut tx, args.content_version_id)
        .await
        .map_err(failed)?
        .filter(|version| version.organization_id == organization)
        .ok_or_else(|| {
            let problem = Problem::not_found("content version", args.content_version_id);
            Failure::Dead(problem.at("contentVersionId"))
        })?;
    let file = files::get(&mut tx, args.file_id).await.map_err(failed)?;
    if file.is_some_and(|file| file.organization_id != organization) {
        return Err(no_upload(args.file_id));
    }
    tx.commit().await.map_err(failed)?;

    let key = Key::upload(organization.0, args.file_id.0);
    let seen = see(&run.fleet, &key, args.file_id).await?;
    let platform: Platform = version.platform.parse().map_err(|_| {
        Failure::Dead(Problem::new(Code::Internal, "The version's network is unknown."))
    })?;

    let (mut tx, held, version) = lock_version(&run, version.id).await?;
    held.not_on_its_way(&mut tx, &[version.id], "changed", "contentVersionId").await?;
    let shown = attachments::of_version(&mut tx, version.id).await.map_err(failed)?;
    let id = AttachmentId(run.job.id.derive("attachment"));
    fits(platform, &shown, &seen).map_err(Failure::Dead)?;
    let storage_type = match run.fleet.media {
        media::Store::Local(_) => "local",
        media::Store::S3(_) => "s3",
    };
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
    let size_bytes = i64::try_from(seen.size_bytes).unwrap_or(i64::MAX);
    let pixels = |n: Option<u32>| n.and_then(|n| i32::try_from(n).ok());
    let file = NewFile {
        id: args.file_id,
        organization,
        filename: &args.filename,
        mime_type: seen.inspected.mime,
        size_bytes,
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
        size_bytes,
        width: pixels(seen.inspected.width),
        height: pixels(seen.inspected.height),
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
    let looked = tokio::task::spawn_blocking(move || {
        let inspected = media::inspect(&bytes)?;
        let sha256 = Sha256::digest(&bytes).into();
        Ok(Seen { inspected, size_bytes: bytes.len() as u64, sha256 })
    });
    match looked.await {
        Ok(Ok(seen)) => Ok(seen),
        Ok(Err(error)) => {
            let error: media::Error = error;
            let message = format!("The file cannot be used: {error}.");
            Err(Failure::Dead(Problem::new(Code::ContentRejected, message).at("fileId")))
        }
        Err(_) => {
            Err(Failure::Retry(Problem::new(Code::Internal, "The file could not be looked at.")))
        }
    }
}

/// Whether the network takes the file beside those that the version shows already. Its text is
/// looked at when it is scheduled.
fn fits(platform: Platform, shown: &[Attachment], seen: &Seen) -> Result<(), Problem> {
    let pixels = |n: Option<i32>| n.and_then(|n| u32::try_from(n).ok());
    let mut media: Vec<MediaFacts> = shown
        .iter()
        .map(|attachment| MediaFacts {
            mime: attachment.file_type.clone(),
            size_bytes: u64::try_from(attachment.size_bytes).unwrap_or_default(),
            width: pixels(attachment.width),
            height: pixels(attachment.height),
        })
        .collect();
    media.push(MediaFacts {
        mime: seen.inspected.mime.to_owned(),
        size_bytes: seen.size_bytes,
        width: seen.inspected.width,
        height: seen.inspected.height,
    });
    let this = format!("media[{}]", shown.len());
    let violations = platform.check(&Content { text: "text", media: &media });
    let messages: Vec<String> = violations
        .into_iter()
        .filter(|violation| violation.field == this)
        .map(|violation| violation.message)
        .collect();
    if messages.is_empty() {
        return Ok(());
    }
    Err(Problem::new(Code::ContentRejected, messages.join(" ")).at("fileId"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(mime: &'static str, size_bytes: u64) -> Seen {
        let inspected = Inspected { mime, width: Some(10), height: Some(10) };
        Seen { inspected, size_bytes, sha256: [0; 32] }
    }

    #[test]
    fn a_file_that_the_network_does_not_take_is_refused_by_name() {
        assert_eq!(fits(Platform::Twitter, &[], &seen("image/png", 100)), Ok(()));
        let problem = fits(Platform::Twitter, &[], &seen("image/png", 6 * 1024 * 1024))
            .expect_err("larger than X takes");
        assert_eq!(problem.code, Code::ContentRejected);
        assert_eq!(problem.field.as_deref(), Some("args.fileId"));
    }
}
