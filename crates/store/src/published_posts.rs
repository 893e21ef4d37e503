//! `published_posts`: what went out, and where to see it.
//!
//! **Invariant:** a schedule has at most one post, and a post of an account at most one schedule.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use crate::{Conn, Page, Result, engagement};
use jobs::{ConnectionId, ContentRequestId, ContentVersionId, OrganizationId, PostId, ScheduleId};
use platforms::Platform;
use uuid::Uuid;

/// A post that went out.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PublishedPost {
    /// The post.
    pub id: PostId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// The schedule that published it.
    pub schedule_id: ScheduleId,
    /// What went out.
    pub content_version_id: ContentVersionId,
    /// Where it went out.
    pub platform_connection_id: ConnectionId,
    /// The network's own id of the post.
    pub platform_post_id: String,
    /// Where people see it.
    pub platform_post_url: String,
    /// When it went out.
    pub published_at: DateTime<Utc>,
    /// When it was deleted at the network, where we did that.
    pub deleted_at: Option<DateTime<Utc>>,
    /// Who had it deleted.
    pub deleted_by: Option<String>,
    /// What else is known of it.
    pub metadata: Value,
    /// When this row was written.
    pub created_at: DateTime<Utc>,
}

/// Which posts to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only of this account.
    pub platform_connection_id: Option<Uuid>,
    /// Only of this content version.
    pub content_version_id: Option<Uuid>,
    /// Only of this schedule.
    pub schedule_id: Option<Uuid>,
}

/// One post.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn get(conn: &mut Conn, id: PostId) -> Result<Option<PublishedPost>> {
    Ok(sqlx::query_as!(
        PublishedPost,
        "select id, organization_id, schedule_id, content_version_id, platform_connection_id,
                platform_post_id, platform_post_url, published_at, deleted_at, deleted_by, metadata, created_at
         from published_posts where id = $1",
        id.0
    )
    .fetch_optional(conn)
    .await?)
}

/// Posts, newest first.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn list(conn: &mut Conn, filter: &Filter, page: Page) -> Result<Vec<PublishedPost>> {
    Ok(sqlx::query_as!(
        PublishedPost,
        "select id, organization_id, schedule_id, content_version_id, platform_connection_id,
                platform_post_id, platform_post_url, published_at, deleted_at, deleted_by, metadata, created_at
         from published_posts
         where id < $1 and ($3::uuid is null or platform_connection_id = $3)
           and ($4::uuid is null or content_version_id = $4) and ($5::uuid is null or schedule_id = $5)
         order by id desc limit $2",
        page.below(),
        page.limit,
        filter.platform_connection_id,
        filter.content_version_id,
        filter.schedule_id
    )
    .fetch_all(conn)
    .await?)
}

/// A post to be recorded.
#[derive(Clone, Debug)]
pub struct NewPost<'a> {
    /// The new row's id.
    pub id: PostId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// The schedule that published it.
    pub schedule_id: ScheduleId,
    /// What went out.
    pub content_version_id: ContentVersionId,
    /// Where it went out.
    pub platform_connection_id: ConnectionId,
    /// The network's own id of the post.
    pub platform_post_id: &'a str,
    /// Where people see it.
    pub platform_post_url: &'a str,
    /// When it went out.
    pub published_at: DateTime<Utc>,
}

/// Records a post, and begins to watch what people do with it; `false` when the schedule has one, or another schedule has this one.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn insert(conn: &mut Conn, post: &NewPost<'_>) -> Result<bool> {
    let done = sqlx::query!(
        "insert into published_posts (id, organization_id, schedule_id, content_version_id,
             platform_connection_id, platform_post_id, platform_post_url, published_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing",
        post.id.0,
        post.organization_id.0,
        post.schedule_id.0,
        post.content_version_id.0,
        post.platform_connection_id.0,
        post.platform_post_id,
        post.platform_post_url,
        post.published_at
    )
    .execute(&mut *conn)
    .await?;
    let fresh = done.rows_affected() == 1;
    if fresh {
        engagement::begin(conn, post.id).await?;
    }
    Ok(fresh)
}

/// Which of these ids of the network belong to posts we know, of the account in any organization.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn known(
    conn: &mut Conn,
    platform: Platform,
    account_id: &str,
    ids: &[String],
) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar!(
        "select p.platform_post_id from platform_connections c
         join published_posts p on p.platform_connection_id = c.id
         where c.platform = $1 and c.account_id = $2 and p.platform_post_id = any ($3)",
        platform.as_str(),
        account_id,
        ids
    )
    .fetch_all(conn)
    .await?)
}

/// How many posts of a request's versions are out, deleted ones left out.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn of_content(conn: &mut Conn, request: ContentRequestId) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        r#"select count(*) as "count!" from content_versions v
           join published_posts p on p.content_version_id = v.id
           where v.content_request_id = $1 and p.deleted_at is null"#,
        request.0
    )
    .fetch_one(conn)
    .await?)
}

/// Notes that a post was deleted at the network, and ends its watch; `false` when that was noted before.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn mark_deleted(conn: &mut Conn, id: PostId, actor: &str) -> Result<bool> {
    let done = sqlx::query!(
        "update published_posts set deleted_at = now(), deleted_by = $2 where id = $1 and deleted_at is null",
        id.0,
        actor
    )
    .execute(&mut *conn)
    .await?;
    engagement::stop(conn, id).await?;
    Ok(done.rows_affected() == 1)
}
