//! Media attachments: the files that are shown with a content version, in their order.
//!
//! Written by `media.attach`, read by the checks before a post goes out and by the posting itself.
//!
//! **Invariant:** the positions of one version's attachments are 0, 1, 2, … without a gap.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{Conn, Page, Result};
use jobs::{AttachmentId, ContentVersionId, FileId, OrganizationId};
use platforms::MediaFacts;

/// An attachment as people see it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// The attachment.
    pub id: AttachmentId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// What it is shown with.
    pub content_version_id: ContentVersionId,
    /// The upload that it shows.
    pub file_id: Option<Uuid>,
    /// Its place among the version's attachments, from 0.
    pub position: i16,
    /// What the file is called.
    pub filename: String,
    /// MIME type, by its bytes.
    pub file_type: String,
    /// Its key in the media store.
    pub storage_path: String,
    /// `convex`, `s3`, `external`, `generated` or `local`.
    pub storage_type: String,
    /// Its size.
    pub size_bytes: i64,
    /// Pixels across, where known.
    pub width: Option<i32>,
    /// Pixels down, where known.
    pub height: Option<i32>,
    /// Description for people who do not see the image.
    pub alt_text: Option<String>,
    /// What else is known of it.
    pub metadata: Value,
    /// Who uploaded it.
    pub uploaded_by: String,
    /// When it was attached.
    pub created_at: DateTime<Utc>,
}

impl Attachment {
    /// What the rules of a network look at.
    pub fn facts(&self) -> MediaFacts {
        let pixels = |side: Option<i32>| side.and_then(|side| u32::try_from(side).ok());
        MediaFacts {
            mime: self.file_type.clone(),
            size_bytes: u64::try_from(self.size_bytes).unwrap_or_default(),
            width: pixels(self.width),
            height: pixels(self.height),
        }
    }
}

/// A file to be attached.
#[derive(Clone, Debug)]
pub struct NewAttachment<'a> {
    /// Derived from the job that attaches it.
    pub id: AttachmentId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// What it is shown with.
    pub content_version: ContentVersionId,
    /// The upload that it shows.
    pub file: Option<FileId>,
    /// What the file is called.
    pub filename: &'a str,
    /// MIME type, by its bytes.
    pub file_type: &'a str,
    /// Its key in the media store.
    pub storage_path: &'a str,
    /// `s3`, `local` or `generated`.
    pub storage_type: &'a str,
    /// Its size.
    pub size_bytes: i64,
    /// Pixels across, where known.
    pub width: Option<i32>,
    /// Pixels down, where known.
    pub height: Option<i32>,
    /// Description for people who do not see the image.
    pub alt_text: Option<&'a str>,
    /// What else is known of it.
    pub metadata: Value,
    /// Who uploaded it.
    pub uploaded_by: &'a str,
}

/// Which attachments to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    /// Only of this version.
    pub content_version: Option<Uuid>,
}

/// Attaches a file behind those that are there; does nothing when its id is there already.
///
/// # Errors
/// [`crate::Error::Rule`] `media_attachments_content_version_id_fkey` when there is no such version.
pub async fn insert(conn: &mut Conn, new: NewAttachment<'_>) -> Result<()> {
    // Two at once would take the same place.
    sqlx::query!(
        "select id from content_versions where id = $1 for no key update",
        new.content_version.0
    )
    .fetch_optional(&mut *conn)
    .await?;
    sqlx::query!(
        "insert into media_attachments (id, organization_id, content_version_id, file_id, position,
                filename, file_type, storage_path, storage_type, size_bytes, width, height, alt_text,
                metadata, uploaded_by)
         select $1, $2, $3, $4,
                (select coalesce(max(position) + 1, 0) from media_attachments where content_version_id = $3),
                $5, $6, $7, $8, $9, $10, $11, $12, $13, $14
         on conflict (id) do nothing",
        new.id.0,
        new.organization.0,
        new.content_version.0,
        new.file.map(|file| file.0),
        new.filename,
        new.file_type,
        new.storage_path,
        new.storage_type,
        new.size_bytes,
        new.width,
        new.height,
        new.alt_text,
        new.metadata,
        new.uploaded_by
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// One attachment.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn get(conn: &mut Conn, id: AttachmentId) -> Result<Option<Attachment>> {
    Ok(sqlx::query_as!(
        Attachment,
        "select id, organization_id, content_version_id, file_id, position, filename, file_type,
                storage_path, storage_type, size_bytes, width, height, alt_text, metadata,
                uploaded_by, created_at
         from media_attachments where id = $1",
        id.0
    )
    .fetch_optional(conn)
    .await?)
}

/// The attachments of a version, in the order in which they are shown.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn of_version(conn: &mut Conn, version: ContentVersionId) -> Result<Vec<Attachment>> {
    Ok(sqlx::query_as!(
        Attachment,
        "select id, organization_id, content_version_id, file_id, position, filename, file_type,
                storage_path, storage_type, size_bytes, width, height, alt_text, metadata,
                uploaded_by, created_at
         from media_attachments where content_version_id = $1 order by position",
        version.0
    )
    .fetch_all(conn)
    .await?)
}

/// Attachments, newest first.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn list(conn: &mut Conn, filter: &Filter, page: Page) -> Result<Vec<Attachment>> {
    Ok(sqlx::query_as!(
        Attachment,
        "select id, organization_id, content_version_id, file_id, position, filename, file_type,
                storage_path, storage_type, size_bytes, width, height, alt_text, metadata,
                uploaded_by, created_at
         from media_attachments
         where id < $1 and ($3::uuid is null or content_version_id = $3)
         order by id desc limit $2",
        page.below(),
        page.limit,
        filter.content_version
    )
    .fetch_all(conn)
    .await?)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::testing::Scratch;
    use crate::{content_requests, content_versions, organizations};
    use jobs::ContentRequestId;

    #[tokio::test]
    async fn files_that_are_attached_at_once_take_places_one_behind_the_other() {
        let scratch = Scratch::new().await;
        let organization = OrganizationId::new();
        let (request, version) = (ContentRequestId::new(), ContentVersionId::new());
        let mut tx = scratch.store.begin().await.unwrap();
        let acme = organizations::NewOrganization {
            id: organization,
            name: "Acme",
            slug: "acme",
            plan: "starter",
            timezone: "UTC",
        };
        organizations::insert(&mut tx, acme).await.unwrap();
        let asked = content_requests::NewContentRequest {
            id: request,
            organization,
            title: "t",
            brief: "",
            platforms: &["TWITTER".to_owned()],
            status: "in_review",
            created_by: "ann",
        };
        content_requests::insert(&mut tx, asked).await.unwrap();
        let text = content_versions::NewContentVersion {
            id: version,
            organization,
            content_request: request,
            platform: "TWITTER",
            text: "hello",
            suggested_hashtags: &[],
            suggested_image_prompt: None,
            is_selected: true,
            created_by: "ann",
        };
        content_versions::insert(&mut tx, text).await.unwrap();
        tx.commit().await.unwrap();

        let new = |id| NewAttachment {
            id,
            organization,
            content_version: version,
            file: None,
            filename: "f.png",
            file_type: "image/png",
            storage_path: "org/x",
            storage_type: "local",
            size_bytes: 3,
            width: Some(1),
            height: None,
            alt_text: None,
            metadata: serde_json::json!({}),
            uploaded_by: "ann",
        };
        let attach = async |id| {
            let mut tx = scratch.store.begin().await.unwrap();
            insert(&mut tx, new(id)).await.unwrap();
            tx.commit().await.unwrap();
        };
        let ids = [AttachmentId::new(), AttachmentId::new(), AttachmentId::new()];
        tokio::join!(attach(ids[0]), attach(ids[1]), attach(ids[2]));
        attach(ids[0]).await;
        let mut tx = scratch.store.begin().await.unwrap();
        let shown = of_version(&mut tx, version).await.unwrap();
        assert_eq!(shown.iter().map(|shown| shown.position).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(shown[0].facts().width, Some(1));
        drop(tx);
        scratch.drop().await;
    }
}
