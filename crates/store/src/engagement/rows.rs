//! The rows of both tables, read and written many at once.

use chrono::{DateTime, Utc};
use std::collections::HashMap;
use uuid::Uuid;

use super::Happened;
use crate::connections::platform;
use crate::{Conn, Result};
use jobs::engagement::{Change, Standing};
use jobs::{ConnectionId, PostId};
use platforms::{EngagementType, Platform, Totals};

/// A post whose row is locked.
#[derive(Clone, Debug)]
pub(super) struct Post {
    pub(super) id: PostId,
    pub(super) connection: ConnectionId,
    pub(super) platform: Platform,
    pub(super) published_at: DateTime<Utc>,
    pub(super) standing: Standing,
    pub(super) unchanged: i32,
    pub(super) next_poll_at: Option<DateTime<Utc>>,
}

/// Locks the rows of posts, all in one order.
pub(super) async fn lock(
    conn: &mut Conn,
    ids: impl IntoIterator<Item = PostId>,
) -> Result<HashMap<PostId, Post>> {
    let ids: Vec<Uuid> = ids.into_iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        "select published_post_id, platform_connection_id, platform, published_at, likes, comments,
                impressions, clicks, shares, saves, polled_at, unchanged, next_poll_at
         from post_engagement where published_post_id = any ($1)
         order by published_post_id for update",
        &ids
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let mut totals = Totals::default();
            totals[EngagementType::Like] = row.likes;
            totals[EngagementType::Comment] = row.comments;
            totals[EngagementType::Impression] = row.impressions;
            totals[EngagementType::Click] = row.clicks;
            totals[EngagementType::Share] = row.shares;
            totals[EngagementType::Save] = row.saves;
            let post = Post {
                id: PostId(row.published_post_id),
                connection: ConnectionId(row.platform_connection_id),
                platform: platform(&row.platform)?,
                published_at: row.published_at,
                standing: Standing { totals, polled_at: row.polled_at },
                unchanged: row.unchanged,
                next_poll_at: row.next_poll_at,
            };
            Ok((post.id, post))
        })
        .collect()
}

/// Writes how locked posts stand.
pub(super) async fn store(conn: &mut Conn, posts: &HashMap<PostId, Post>) -> Result<()> {
    if posts.is_empty() {
        return Ok(());
    }
    macro_rules! column {
        ($post:ident => $value:expr) => {
            posts.values().map(|$post| $value).collect::<Vec<_>>()
        };
    }
    let totals = |of| column!(post => post.standing.totals[of]);
    sqlx::query!(
        "update post_engagement p
         set likes = u.likes, comments = u.comments, impressions = u.impressions, clicks = u.clicks,
             shares = u.shares, saves = u.saves, polled_at = u.polled_at, unchanged = u.unchanged,
             next_poll_at = u.next_poll_at, updated_at = now()
         from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
                     $7::bigint[], $8::timestamptz[], $9::int[], $10::timestamptz[])
              as u (id, likes, comments, impressions, clicks, shares, saves, polled_at, unchanged, next_poll_at)
         where p.published_post_id = u.id",
        &column!(post => post.id.0),
        &totals(EngagementType::Like) as &[Option<i64>],
        &totals(EngagementType::Comment) as &[Option<i64>],
        &totals(EngagementType::Impression) as &[Option<i64>],
        &totals(EngagementType::Click) as &[Option<i64>],
        &totals(EngagementType::Share) as &[Option<i64>],
        &totals(EngagementType::Save) as &[Option<i64>],
        &column!(post => post.standing.polled_at) as &[Option<DateTime<Utc>>],
        &column!(post => post.unchanged),
        &column!(post => post.next_poll_at) as &[Option<DateTime<Utc>>]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Inserts what was told by webhook, with its deltas; answers what was not known.
pub(super) async fn insert_heard(
    conn: &mut Conn,
    happened: &[Happened],
) -> Result<Vec<(PostId, EngagementType, DateTime<Utc>)>> {
    macro_rules! column {
        ($one:ident => $value:expr) => {
            happened.iter().map(|$one| $value).collect::<Vec<_>>()
        };
    }
    let rows = sqlx::query!(
        r#"with new as (
               insert into engagement_events (organization_id, published_post_id, event_type, count,
                   occurred_at, source, platform_event_id)
               select p.organization_id, h.post, h.event_type, 1, h.at, 'webhook', h.id
               from unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[]) as h (post, event_type, id, at)
               join post_engagement p on p.published_post_id = h.post
               on conflict (published_post_id, platform_event_id, occurred_at) do nothing
               returning organization_id, published_post_id, event_type, count, occurred_at
           ),
           added as (
               insert into engagement_deltas (organization_id, published_post_id, platform_connection_id,
                   event_type, count, occurred_at)
               select n.organization_id, n.published_post_id, p.platform_connection_id, n.event_type,
                      n.count, n.occurred_at
               from new n join post_engagement p on p.published_post_id = n.published_post_id
           )
           select published_post_id as "post!", event_type as "event_type!", occurred_at as "at!" from new"#,
        &column!(one => one.post.0),
        &column!(one => one.of.as_str()) as &[&str],
        &column!(one => one.id.as_str()) as &[&str],
        &column!(one => one.at)
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| Ok((PostId(row.post), event_type(&row.event_type)?, row.at)))
        .collect()
}

/// Inserts what looks found to have changed, with its deltas. The posts are locked.
pub(super) async fn record(
    conn: &mut Conn,
    posts: &HashMap<PostId, Post>,
    changes: &[(PostId, Change)],
) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    macro_rules! column {
        (($id:ident, $change:ident) => $value:expr) => {
            changes.iter().map(|($id, $change)| $value).collect::<Vec<_>>()
        };
    }
    debug_assert!(changes.iter().all(|(id, _)| posts.contains_key(id)), "changes of locked posts");
    sqlx::query!(
        "with new as (
             insert into engagement_events (organization_id, published_post_id, event_type, count,
                 occurred_at, source)
             select p.organization_id, c.post, c.event_type, c.count, c.at, 'poll'
             from unnest($1::uuid[], $2::text[], $3::bigint[], $4::timestamptz[]) as c (post, event_type, count, at)
             join post_engagement p on p.published_post_id = c.post
             returning organization_id, published_post_id, event_type, count, occurred_at
         )
         insert into engagement_deltas (organization_id, published_post_id, platform_connection_id,
             event_type, count, occurred_at)
         select n.organization_id, n.published_post_id, p.platform_connection_id, n.event_type, n.count,
                n.occurred_at
         from new n join post_engagement p on p.published_post_id = n.published_post_id",
        &column!((id, _change) => id.0),
        &column!((_id, change) => change.of.as_str()) as &[&str],
        &column!((_id, change) => change.count),
        &column!((_id, change) => change.at)
    )
    .execute(conn)
    .await?;
    Ok(())
}

fn event_type(word: &str) -> Result<EngagementType> {
    word.parse().map_err(|error: platforms::UnknownEngagementType| {
        crate::Error::Broken(sqlx::Error::Decode(Box::new(error)))
    })
}
