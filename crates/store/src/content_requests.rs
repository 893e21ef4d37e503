//! Content requests: what is to be said, for which networks.
//!
//! Written by `content.create`; its texts are in [`crate::content_versions`].
//!
//! **Invariant:** a request names at least one network.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{Conn, Page, Result};
use jobs::{ContentRequestId, OrganizationId};

/// A content request as people see it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContentRequest {
    /// The request.
    pub id: ContentRequestId,
    /// Whose request it is.
    pub organization_id: OrganizationId,
    /// What it is about, in a line.
    pub title: String,
    /// What to generate; empty when a person wrote the text.
    pub brief: String,
    /// The networks it is for.
    pub platforms: Vec<String>,
    /// `pending`, `generating`, `in_review`, `approved`, `rejected` or `failed`.
    pub status: String,
    /// Who asked.
    pub created_by: String,
    /// Who approved it.
    pub approved_by: Option<String>,
    /// When it was approved.
    pub approved_at: Option<DateTime<Utc>>,
    /// Who rejected it.
    pub rejected_by: Option<String>,
    /// When it was rejected.
    pub rejected_at: Option<DateTime<Utc>>,
    /// Why it was rejected.
    pub rejection_reason: Option<String>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A content request to be created.
#[derive(Clone, Copy, Debug)]
pub struct NewContentRequest<'a> {
    /// Derived from the job that creates it.
    pub id: ContentRequestId,
    /// Whose request it is.
    pub organization: OrganizationId,
    /// What it is about, in a line.
    pub title: &'a str,
    /// What to generate; empty when a person wrote the text.
    pub brief: &'a str,
    /// The networks it is for.
    pub platforms: &'a [String],
    /// `pending`, `generating`, `in_review`, `approved`, `rejected` or `failed`.
    pub status: &'a str,
    /// Who asks.
    pub created_by: &'a str,
}

/// Which requests to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only of this status.
    pub status: Option<String>,
}

/// Creates a request; does nothing when its id is there already.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn insert(conn: &mut Conn, new: NewContentRequest<'_>) -> Result<()> {
    sqlx::query!(
        "insert into content_requests (id, organization_id, title, brief, platforms, status, created_by)
         values ($1, $2, $3, $4, $5, $6, $7) on conflict (id) do nothing",
        new.id.0,
        new.organization.0,
        new.title,
        new.brief,
        new.platforms,
        new.status,
        new.created_by
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// One request.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn get(conn: &mut Conn, id: ContentRequestId) -> Result<Option<ContentRequest>> {
    Ok(sqlx::query_as!(
        ContentRequest,
        "select id, organization_id, title, brief, platforms, status, created_by, approved_by,
                approved_at, rejected_by, rejected_at, rejection_reason, created_at, updated_at
         from content_requests where id = $1",
        id.0
    )
    .fetch_optional(conn)
    .await?)
}

/// Requests, newest first.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn list(conn: &mut Conn, filter: &Filter, page: Page) -> Result<Vec<ContentRequest>> {
    Ok(sqlx::query_as!(
        ContentRequest,
        "select id, organization_id, title, brief, platforms, status, created_by, approved_by,
                approved_at, rejected_by, rejected_at, rejection_reason, created_at, updated_at
         from content_requests
         where id < $1 and ($3::text is null or status = $3)
         order by id desc limit $2",
        page.below(),
        page.limit,
        filter.status
    )
    .fetch_all(conn)
    .await?)
}
