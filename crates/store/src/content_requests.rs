//! Content requests: what is to be said, for which networks.
//!
//! Written by `content.create` and `content.generate`, reviewed by `content.approve` and
//! `content.reject`; its texts are in [`crate::content_versions`].
//!
//! **Invariant:** a request names at least one network; whoever changes what it shows or where it
//! stands has locked its row ([`lock`]), and whoever sends it out has shared it ([`share`]).

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::{Conn, Page, Result};
use jobs::review::RequestStatus;
use jobs::{ContentRequestId, ContentVersionId, JobId, OrganizationId};

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
    /// Who rejected it last, until it is approved.
    pub rejected_by: Option<String>,
    /// When it was rejected last, until it is approved.
    pub rejected_at: Option<DateTime<Utc>>,
    /// Why it was rejected last, until it is approved.
    pub rejection_reason: Option<String>,
    /// Why nothing was generated.
    pub failure_reason: Option<String>,
    /// The job that generates it.
    pub job_id: Option<Uuid>,
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

/// Creates a request whose versions a job generates; does nothing when its id is there already.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn insert_generating(
    conn: &mut Conn,
    new: NewContentRequest<'_>,
    job: JobId,
) -> Result<()> {
    insert(conn, NewContentRequest { status: "generating", ..new }).await?;
    sqlx::query!("update content_requests set job_id = $2 where id = $1", new.id.0, job.0)
        .execute(conn)
        .await?;
    Ok(())
}

/// Its versions are there, and wait for review; `false` when it was not being generated.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn generated(conn: &mut Conn, id: ContentRequestId) -> Result<bool> {
    let done = sqlx::query!(
        "update content_requests set status = 'in_review', updated_at = now()
         where id = $1 and status = 'generating'",
        id.0
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Nothing was generated, for this reason; the request of the job, where it was being generated.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn not_generated(conn: &mut Conn, id: ContentRequestId, reason: &str) -> Result<bool> {
    let done = sqlx::query!(
        "update content_requests set status = 'failed', failure_reason = $2, updated_at = now()
         where id = $1 and status = 'generating'",
        id.0,
        reason
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A request whose job ended without a word: quarantined, timed out for good, cancelled.
#[derive(Clone, Debug)]
pub struct Adrift {
    /// The request.
    pub id: ContentRequestId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// The job.
    pub job: JobId,
    /// Why nothing was generated.
    pub reason: String,
}

/// Fails at most `limit` requests whose job is no longer live.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn fail_adrift(conn: &mut Conn, limit: i64) -> Result<Vec<Adrift>> {
    let rows = sqlx::query!(
        r#"with adrift as materialized (
             select r.id, r.job_id from content_requests r
             where r.status = 'generating' and r.job_id is not null
               and not exists (select from jobs j where j.id = r.job_id)
             order by r.created_at limit $1 for update skip locked
         )
         update content_requests r set status = 'failed', failure_reason = ended.reason, updated_at = now()
         from adrift a cross join lateral (
             select 'Nothing was generated: ' || coalesce((
                 select h.errors -> -1 ->> 'message' from job_history h
                 where h.id = a.job_id order by h.finished_at desc limit 1
             ), 'its job ended without saying why') as reason
         ) ended
         where r.id = a.id
         returning r.id, r.organization_id, a.job_id as "job_id!", ended.reason as "reason!""#,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Adrift {
            id: ContentRequestId(row.id),
            organization: OrganizationId(row.organization_id),
            job: JobId(row.job_id),
            reason: row.reason,
        })
        .collect())
}

/// One request.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn get(conn: &mut Conn, id: ContentRequestId) -> Result<Option<ContentRequest>> {
    Ok(sqlx::query_as!(
        ContentRequest,
        "select id, organization_id, title, brief, platforms, status, created_by, approved_by,
                approved_at, rejected_by, rejected_at, rejection_reason, failure_reason,
                job_id, created_at, updated_at
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
                approved_at, rejected_by, rejected_at, rejection_reason, failure_reason,
                job_id, created_at, updated_at
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

/// A request whose row is locked.
#[derive(Clone, Copy, Debug)]
pub struct Locked {
    /// The request.
    pub id: ContentRequestId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// Where it stands.
    pub status: RequestStatus,
    /// Whether its organization lets only approved content go out.
    pub approval_required: bool,
}

/// Locks a request: nobody else reviews or changes its versions, and none begins to go out. To be
/// called after the schedules are locked.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn lock(conn: &mut Conn, id: ContentRequestId) -> Result<Option<Locked>> {
    let row = sqlx::query!(
        "select r.organization_id, r.status, o.approval_required
         from content_requests r join organizations o on o.id = r.organization_id
         where r.id = $1 for no key update of r",
        id.0
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let status = row
        .status
        .parse()
        .map_err(|error| crate::Error::Broken(sqlx::Error::Decode(Box::new(error))))?;
    Ok(Some(Locked {
        id,
        organization_id: row.organization_id.into(),
        status,
        approval_required: row.approval_required,
    }))
}

/// Keeps the request of a version as it is until this transaction ends: whoever wants to change or
/// reject it waits. To be called after the schedule is locked.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn share(conn: &mut Conn, version: ContentVersionId) -> Result<()> {
    sqlx::query!(
        "select from content_requests
         where id = (select content_request_id from content_versions where id = $1) for share",
        version.0
    )
    .fetch_optional(conn)
    .await?;
    Ok(())
}

/// Writes that a locked request is approved.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn approve(conn: &mut Conn, id: ContentRequestId, actor: &str) -> Result<()> {
    sqlx::query!(
        "update content_requests set status = 'approved', approved_by = $2, approved_at = now(),
             rejected_by = null, rejected_at = null, rejection_reason = null, updated_at = now()
         where id = $1",
        id.0,
        actor
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes that a locked request is rejected.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn reject(
    conn: &mut Conn,
    id: ContentRequestId,
    actor: &str,
    reason: &str,
) -> Result<()> {
    sqlx::query!(
        "update content_requests set status = 'rejected', approved_by = null, approved_at = null,
             rejected_by = $2, rejected_at = now(), rejection_reason = $3, updated_at = now()
         where id = $1",
        id.0,
        actor,
        reason
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes that a locked request is to be reviewed again. Why it was rejected last stays.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn back_in_review(conn: &mut Conn, id: ContentRequestId) -> Result<()> {
    sqlx::query!(
        "update content_requests set status = 'in_review', approved_by = null, approved_at = null,
             updated_at = now()
         where id = $1",
        id.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
