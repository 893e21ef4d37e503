//! Uploaded files: what was put into the media store, and what its bytes are.
//!
//! A row is written when an upload is first attached; the object itself lies in the media store.
//!
//! **Invariant:** a row's hash and type were found by looking at the bytes.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{Conn, Page, Result};
use jobs::{FileId, OrganizationId};

/// A file as people see it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct File {
    /// The file: the id that `POST /v1/uploads` gave.
    pub id: FileId,
    /// Whose file it is.
    pub organization_id: OrganizationId,
    /// What it is called.
    pub filename: String,
    /// MIME type, by its bytes.
    pub mime_type: String,
    /// Its size.
    pub size_bytes: i64,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// `convex`, `s3`, `external` or `local`.
    pub storage_type: String,
    /// Its key in the media store.
    pub storage_path: String,
    /// `pending`, `processing`, `completed` or `failed`.
    pub processing_status: String,
    /// Why processing failed.
    pub error_message: Option<String>,
    /// Who uploaded it.
    pub uploaded_by: String,
    /// When the row was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A file to be recorded.
#[derive(Clone, Copy, Debug)]
pub struct NewFile<'a> {
    /// The id that the upload was given.
    pub id: FileId,
    /// Whose file it is.
    pub organization: OrganizationId,
    /// What it is called.
    pub filename: &'a str,
    /// MIME type, by its bytes.
    pub mime_type: &'a str,
    /// Its size.
    pub size_bytes: i64,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// `s3` or `local`.
    pub storage_type: &'a str,
    /// Its key in the media store.
    pub storage_path: &'a str,
    /// `pending`, `processing`, `completed` or `failed`.
    pub processing_status: &'a str,
    /// Who uploaded it.
    pub uploaded_by: &'a str,
}

/// Which files to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only of this processing status.
    pub processing_status: Option<String>,
}

/// Records a file; does nothing when its id is there already (read it then: it may be another
/// organization's).
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn insert(conn: &mut Conn, new: NewFile<'_>) -> Result<()> {
    sqlx::query!(
        "insert into files (id, organization_id, filename, mime_type, size_bytes, sha256,
                            storage_type, storage_path, processing_status, uploaded_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (id) do nothing",
        new.id.0,
        new.organization.0,
        new.filename,
        new.mime_type,
        new.size_bytes,
        &new.sha256,
        new.storage_type,
        new.storage_path,
        new.processing_status,
        new.uploaded_by
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// One file.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn get(conn: &mut Conn, id: FileId) -> Result<Option<File>> {
    Ok(sqlx::query_as!(
        File,
        r#"select id, organization_id, filename, mime_type, size_bytes,
                  encode(sha256, 'hex') as "sha256!", storage_type, storage_path, processing_status,
                  error_message, uploaded_by, created_at, updated_at
           from files where id = $1"#,
        id.0
    )
    .fetch_optional(conn)
    .await?)
}

/// Files, newest first.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn list(conn: &mut Conn, filter: &Filter, page: Page) -> Result<Vec<File>> {
    Ok(sqlx::query_as!(
        File,
        r#"select id, organization_id, filename, mime_type, size_bytes,
                  encode(sha256, 'hex') as "sha256!", storage_type, storage_path, processing_status,
                  error_message, uploaded_by, created_at, updated_at
           from files
           where id < $1 and ($3::text is null or processing_status = $3)
           order by id desc limit $2"#,
        page.below(),
        page.limit,
        filter.processing_status
    )
    .fetch_all(conn)
    .await?)
}
