//! How posts stand.
//!
//! **Invariant:** a post's totals are those of `post_engagement`, current as of `as_of`.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::totals;
use crate::{Conn, Result};
use jobs::{ConnectionId, OrganizationId, PostId};
use platforms::Totals;

/// How a post stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostRow {
    /// The post.
    pub id: PostId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// Where it went out.
    pub platform_connection_id: ConnectionId,
    /// On which network.
    pub platform: String,
    /// Where people see it.
    pub platform_post_url: String,
    /// When it went out.
    pub published_at: DateTime<Utc>,
    /// When it was deleted at the network, where that is known.
    pub deleted_at: Option<DateTime<Utc>>,
    /// Its totals so far.
    pub totals: Totals,
    /// The moment of which the network last told them.
    pub as_of: Option<DateTime<Utc>>,
    /// When the network is asked again.
    pub next_poll_at: Option<DateTime<Utc>>,
}

/// One post.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn post(conn: &mut Conn, id: PostId) -> Result<Option<PostRow>> {
    let row = sqlx::query!(
        r#"select p.organization_id, p.platform_connection_id, c.platform, p.platform_post_url,
                  p.published_at, p.deleted_at, e.likes as "likes?", e.comments as "comments?",
                  e.impressions as "impressions?", e.clicks as "clicks?", e.shares as "shares?",
                  e.saves as "saves?", e.polled_at as "polled_at?", e.next_poll_at as "next_poll_at?"
           from published_posts p
           join platform_connections c on c.id = p.platform_connection_id
           left join post_engagement e on e.published_post_id = p.id
           where p.id = $1"#,
        id.0
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| PostRow {
        id,
        organization_id: row.organization_id.into(),
        platform_connection_id: row.platform_connection_id.into(),
        platform: row.platform,
        platform_post_url: row.platform_post_url,
        published_at: row.published_at,
        deleted_at: row.deleted_at,
        totals: totals!(row),
        as_of: row.polled_at,
        next_poll_at: row.next_poll_at,
    }))
}

/// Which posts: those that went out in a range.
#[derive(Clone, Copy, Debug)]
pub struct Posts<'a> {
    /// Whose.
    pub organization: OrganizationId,
    /// On these accounts; `None` for all.
    pub accounts: Option<&'a [Uuid]>,
    /// Since this moment.
    pub from: DateTime<Utc>,
    /// Before this moment.
    pub to: DateTime<Utc>,
    /// At most so many.
    pub limit: i64,
}

macro_rules! post_rows {
    ($rows:expr) => {
        $rows
            .into_iter()
            .map(|row| PostRow {
                id: row.published_post_id.into(),
                organization_id: row.organization_id.into(),
                platform_connection_id: row.platform_connection_id.into(),
                platform: row.platform,
                platform_post_url: row.platform_post_url,
                published_at: row.published_at,
                deleted_at: row.deleted_at,
                totals: totals!(row),
                as_of: row.polled_at,
                next_poll_at: row.next_poll_at,
            })
            .collect()
    };
}

/// Those with the most engagement so far, the first of them first.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn top(conn: &mut Conn, which: &Posts<'_>) -> Result<Vec<PostRow>> {
    let rows = sqlx::query!(
        r#"select e.published_post_id, e.organization_id, e.platform_connection_id, e.platform,
                  p.platform_post_url, e.published_at, p.deleted_at,
                  e.likes, e.comments, e.impressions, e.clicks, e.shares, e.saves, e.polled_at, e.next_poll_at
           from (
               select *, coalesce(likes, 0) + coalesce(comments, 0) + coalesce(shares, 0)
                         + coalesce(saves, 0) + coalesce(clicks, 0) as engagement
               from post_engagement
               where organization_id = $1 and published_at >= $2 and published_at < $3
                 and ($4::uuid[] is null or platform_connection_id = any ($4))
                 and coalesce(likes, comments, shares, saves, clicks) is not null
               order by engagement desc, published_at desc, published_post_id desc limit $5
           ) e
           join published_posts p on p.id = e.published_post_id
           order by e.engagement desc, e.published_at desc, e.published_post_id desc"#,
        which.organization.0,
        which.from,
        which.to,
        which.accounts,
        which.limit
    )
    .fetch_all(conn)
    .await?;
    Ok(post_rows!(rows))
}

/// All of them, the newest first; behind the post `after`, where one is given.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn posts(
    conn: &mut Conn,
    which: &Posts<'_>,
    after: Option<Uuid>,
) -> Result<Vec<PostRow>> {
    let rows = sqlx::query!(
        r#"select e.published_post_id, e.organization_id, e.platform_connection_id, e.platform,
                  p.platform_post_url, e.published_at, p.deleted_at,
                  e.likes, e.comments, e.impressions, e.clicks, e.shares, e.saves, e.polled_at, e.next_poll_at
           from (
               select * from post_engagement
               where organization_id = $1 and published_at >= $2 and published_at < $3
                 and ($4::uuid[] is null or platform_connection_id = any ($4))
                 and ($6::uuid is null or (published_at, published_post_id)
                      < (select a.published_at, a.published_post_id from post_engagement a
                         where a.published_post_id = $6))
               order by published_at desc, published_post_id desc limit $5
           ) e
           join published_posts p on p.id = e.published_post_id
           order by e.published_at desc, e.published_post_id desc"#,
        which.organization.0,
        which.from,
        which.to,
        which.accounts,
        which.limit,
        after
    )
    .fetch_all(conn)
    .await?;
    Ok(post_rows!(rows))
}
