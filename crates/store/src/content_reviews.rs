//! Reviews: every decision on a content request, and every approval that a change ended.
//!
//! Written by `content.approve`, `content.reject` and whatever changes what was approved.
//!
//! **Invariant:** rows are only added.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use crate::{Conn, Page, Result};
use jobs::kinds::SeenVersion;
use jobs::{ContentRequestId, OrganizationId, ReviewId};

/// A review as people see it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Review {
    /// The review.
    pub id: ReviewId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// The request it is about.
    pub content_request_id: ContentRequestId,
    /// `approved`, `rejected` or `voided`: a change ended the approval of a version.
    pub decision: String,
    /// Why it was rejected, or what ended the approval.
    pub reason: Option<String>,
    /// Who decided, or made the change.
    pub decided_by: String,
    /// When.
    pub decided_at: DateTime<Utc>,
    /// The versions it is about, as they were approved or rejected: `contentVersionId`, `contentHash`.
    #[schema(value_type = Vec<SeenVersion>)]
    pub versions: Value,
}

/// A review to be recorded.
#[derive(Clone, Copy, Debug)]
pub struct NewReview<'a> {
    /// Derived from the job that makes it.
    pub id: ReviewId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// The request it is about.
    pub content_request: ContentRequestId,
    /// `approved`, `rejected` or `voided`.
    pub decision: &'a str,
    /// Why; needed for all but an approval.
    pub reason: Option<&'a str>,
    /// Who decides.
    pub decided_by: &'a str,
    /// The versions it is about.
    pub versions: &'a [SeenVersion],
}

/// Records a review.
///
/// # Errors
/// [`crate::Error::Rule`] when the reason is missing.
pub async fn insert(conn: &mut Conn, new: NewReview<'_>) -> Result<()> {
    sqlx::query!(
        "insert into content_reviews (id, organization_id, content_request_id, decision, reason,
                decided_by, versions)
         values ($1, $2, $3, $4, $5, $6, $7) on conflict (id) do nothing",
        new.id.0,
        new.organization.0,
        new.content_request.0,
        new.decision,
        new.reason,
        new.decided_by,
        serde_json::json!(new.versions)
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The reviews of a request, newest first.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn of_request(
    conn: &mut Conn,
    request: ContentRequestId,
    page: Page,
) -> Result<Vec<Review>> {
    Ok(sqlx::query_as!(
        Review,
        "select id, organization_id, content_request_id, decision, reason, decided_by, decided_at,
                versions
         from content_reviews
         where content_request_id = $1 and ($2::uuid is null or (decided_at, id) <
               (select p.decided_at, p.id from content_reviews p where p.id = $2))
         order by decided_at desc, id desc limit $3",
        request.0,
        page.before,
        page.limit
    )
    .fetch_all(conn)
    .await?)
}
