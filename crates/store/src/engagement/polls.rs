//! When which account is asked how its posts stand.
//!
//! **Invariant:** an account is asked no later than the first of its posts is due
//! (`engagement_polls.next_at`), and at most one job asks for it.

use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;

use crate::connections::platform;
use crate::{Conn, Result};
use jobs::engagement::Cadence;
use jobs::{ConnectionId, OrganizationId, PostId};
use platforms::Platform;

/// How often posts of a network are asked for, by age.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn cadence(conn: &mut Conn, platform: Platform) -> Result<Vec<Cadence>> {
    let rows = sqlx::query!(
        r#"select extract(epoch from younger_than)::float8 as "younger_than!",
                  extract(epoch from every)::float8 as "every!", slowest
           from poll_cadence where platform = $1 order by younger_than"#,
        platform.as_str()
    )
    .fetch_all(conn)
    .await?;
    let seconds = |seconds: f64| TimeDelta::seconds(seconds.round() as i64);
    let steps = rows.into_iter().map(|row| Cadence {
        younger_than: seconds(row.younger_than),
        every: seconds(row.every),
        slowest: row.slowest,
    });
    Ok(steps.collect())
}

/// The key under which at most one job asks for an account.
pub fn poll_key(connection: ConnectionId) -> String {
    format!("engagement.poll:{connection}")
}

/// An account that is to be asked.
#[derive(Clone, Debug)]
pub struct DuePoll {
    /// The account.
    pub connection_id: ConnectionId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// The network.
    pub platform: Platform,
    /// The network's own id of the account.
    pub account_id: String,
}

/// Takes at most `limit` accounts that are due, and answers those that can be used. Each is due again after
/// `again` at the latest, should nobody ask.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn due_polls(conn: &mut Conn, again: Duration, limit: i64) -> Result<Vec<DuePoll>> {
    let rows = sqlx::query!(
        "with due as (
             select platform_connection_id from engagement_polls where next_at <= now()
             order by next_at limit $2 for update skip locked
         )
         update engagement_polls e set next_at = now() + make_interval(secs => $1)
         from due, platform_connections c
         where e.platform_connection_id = due.platform_connection_id and c.id = e.platform_connection_id
         returning e.platform_connection_id, e.organization_id, c.platform, c.account_id, c.is_active",
        again.as_secs_f64(),
        limit
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .filter(|row| row.is_active)
        .map(|row| {
            Ok(DuePoll {
                connection_id: ConnectionId(row.platform_connection_id),
                organization_id: OrganizationId(row.organization_id),
                platform: platform(&row.platform)?,
                account_id: row.account_id,
            })
        })
        .collect()
}

/// A post that is to be asked for.
#[derive(Clone, Debug)]
pub struct Due {
    /// The post.
    pub post: PostId,
    /// The network's own id of it.
    pub platform_post_id: String,
}

/// The posts of an account that are due, and those that may come along because they nearly are: the more of
/// them in one call, the fewer calls.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn due(conn: &mut Conn, connection: ConnectionId, limit: i64) -> Result<Vec<Due>> {
    let rows = sqlx::query!(
        "select e.published_post_id, p.platform_post_id
         from post_engagement e join published_posts p on p.id = e.published_post_id
         where e.platform_connection_id = $1 and e.next_poll_at is not null
           and (e.next_poll_at <= now() or now() >= e.next_poll_at - (e.next_poll_at - e.polled_at) / 4)
         order by e.next_poll_at limit $2",
        connection.0,
        limit
    )
    .fetch_all(conn)
    .await?;
    let due = rows.into_iter().map(|row| Due {
        post: PostId(row.published_post_id),
        platform_post_id: row.platform_post_id,
    });
    Ok(due.collect())
}

/// Whether a post goes out from the account within this time, or is going out.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn is_about_to_publish(
    conn: &mut Conn,
    connection: ConnectionId,
    within: Duration,
) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"select exists (
               select from schedules
               where platform_connection_id = $1 and status in ('scheduled', 'publishing') and not is_recurring
                 and scheduled_at between now() - interval '1 hour' and now() + make_interval(secs => $2)
           ) as "soon!""#,
        connection.0,
        within.as_secs_f64()
    )
    .fetch_one(conn)
    .await?)
}

/// Plans when an account is asked next: when the first of its posts is due, or never.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn plan(conn: &mut Conn, connection: ConnectionId) -> Result<()> {
    // Locked first: a post that goes out meanwhile is either seen here or moves the time afterwards.
    sqlx::query!(
        "select from engagement_polls where platform_connection_id = $1 for update",
        connection.0
    )
    .fetch_optional(&mut *conn)
    .await?;
    sqlx::query!(
        "update engagement_polls set next_at = coalesce((
             select next_poll_at from post_engagement
             where platform_connection_id = $1 and next_poll_at is not null
             order by next_poll_at limit 1), 'infinity')
         where platform_connection_id = $1",
        connection.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Begins to watch a post that went out.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn begin(conn: &mut Conn, post: PostId) -> Result<()> {
    sqlx::query!(
        "insert into post_engagement (published_post_id, organization_id, platform_connection_id, platform,
             published_at, next_poll_at)
         select p.id, p.organization_id, p.platform_connection_id, c.platform, p.published_at,
                p.published_at + (select every from poll_cadence where platform = c.platform
                                  order by younger_than limit 1)
         from published_posts p join platform_connections c on c.id = p.platform_connection_id
         where p.id = $1",
        post.0
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "insert into engagement_polls as e (platform_connection_id, organization_id, next_at)
         select platform_connection_id, organization_id, next_poll_at from post_engagement
         where published_post_id = $1 and next_poll_at is not null
         on conflict (platform_connection_id)
             do update set next_at = least(e.next_at, excluded.next_at)",
        post.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Has accounts asked no later than these moments.
pub(super) async fn hurry(
    conn: &mut Conn,
    accounts: &[(ConnectionId, DateTime<Utc>)],
) -> Result<()> {
    if accounts.is_empty() {
        return Ok(());
    }
    let (connections, times): (Vec<uuid::Uuid>, Vec<DateTime<Utc>>) =
        accounts.iter().map(|(id, next)| (id.0, *next)).unzip();
    sqlx::query!(
        "update engagement_polls e set next_at = least(e.next_at, d.next_at)
         from (select id, min(next_at) as next_at from unnest($1::uuid[], $2::timestamptz[]) as d (id, next_at)
               group by id order by id) d
         where e.platform_connection_id = d.id",
        &connections,
        &times
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A post that is gone is not asked for any more.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn stop(conn: &mut Conn, post: PostId) -> Result<()> {
    sqlx::query!(
        "update post_engagement set next_poll_at = null, updated_at = now()
         where published_post_id = $1 and next_poll_at is not null",
        post.0
    )
    .execute(conn)
    .await?;
    Ok(())
}
