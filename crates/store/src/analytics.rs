//! Sums of what people did with posts: by post, account and organization, by hour and day of the
//! organization's zone. Made from events by [`add`] as they come, or by [`rebuild`] all anew; read by
//! `/v1/analytics` ([`read`]).
//!
//! Whoever records an event writes it to `engagement_events` and to `engagement_deltas` in one
//! transaction; adding takes it from the latter.
//!
//! **Invariant:** the sums and what waits in `engagement_deltas` are together the sum of the events,
//! at every moment; all sums of an organization are in the zone of its row in `analytics_states`.

pub mod read;
mod rebuild;
#[cfg(test)]
mod tests;

pub use rebuild::{Rebuilt, rebuild};

use uuid::Uuid;

use crate::{Conn, Result};
use jobs::OrganizationId;

/// The key of the one live job that adds up an organization's events.
pub fn aggregate_key(organization: OrganizationId) -> String {
    format!("analytics.aggregate:{organization}")
}

/// The key of the one live job that adds up all events of an organization anew because it has moved to
/// this zone. The zone is part of it: a job that runs already may have begun with another one.
pub fn rebuild_key(organization: OrganizationId, timezone: &str) -> String {
    format!("analytics.rebuild:{organization}:{timezone}")
}

/// At most so many organizations that have events to be added up, in the order of their ids. Costs a
/// look at the index for each, however many events wait.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn waiting(conn: &mut Conn, limit: i64) -> Result<Vec<OrganizationId>> {
    let ids: Vec<Uuid> = sqlx::query_scalar!(
        r#"with recursive found as (
               (select organization_id from engagement_deltas order by organization_id limit 1)
               union all
               select (select d.organization_id from engagement_deltas d
                       where d.organization_id > f.organization_id order by d.organization_id limit 1)
               from found f where f.organization_id is not null
           )
           select organization_id as "id!" from found where organization_id is not null limit $1"#,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(OrganizationId).collect())
}

/// How many events wait to be added up; at most `most` are counted.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn waiting_events(conn: &mut Conn, most: i64) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        r#"select count(*) as "count!" from (select from engagement_deltas limit $1) d"#,
        most
    )
    .fetch_one(conn)
    .await?)
}

/// The zones of an organization whose sums were locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// The zone that its sums are in.
    pub timezone: String,
    /// The zone that the organization is in. Another one until its sums have been made anew.
    pub wanted: String,
}

/// Locks an organization's sums; `None` while somebody else holds them, who makes them anew.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn try_lock(conn: &mut Conn, organization: OrganizationId) -> Result<Option<Locked>> {
    let known = sqlx::query_scalar!(
        r#"select exists (select from analytics_states where organization_id = $1) as "known!""#,
        organization.0
    )
    .fetch_one(&mut *conn)
    .await?;
    // Only then: whoever inserts waits for the end of whoever has changed the row.
    if !known {
        place(conn, organization).await?;
    }
    Ok(sqlx::query_as!(
        Locked,
        r#"select s.timezone, o.timezone as wanted
           from analytics_states s join organizations o on o.id = s.organization_id
           where s.organization_id = $1 for update of s skip locked"#,
        organization.0
    )
    .fetch_optional(conn)
    .await?)
}

/// Makes the row that is locked, in the zone of the organization, where there is none. Whoever holds it for
/// long commits this first: others would wait for a row that is not there yet, and cannot skip it.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn place(conn: &mut Conn, organization: OrganizationId) -> Result<()> {
    sqlx::query!(
        "insert into analytics_states (organization_id, timezone)
         select id, timezone from organizations where id = $1
         on conflict (organization_id) do nothing",
        organization.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What was added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// So many events.
    pub events: i64,
    /// The last one's place in the queue of those that wait.
    pub last: i64,
}

/// Adds at most `limit` events that wait behind `after` to the sums of an organization, whose lock the
/// caller holds; in its zone.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn add(
    conn: &mut Conn,
    organization: OrganizationId,
    timezone: &str,
    after: i64,
    limit: i64,
) -> Result<Added> {
    Ok(sqlx::query_file_as!(Added, "src/analytics/add.sql", organization.0, after, limit, timezone)
        .fetch_one(conn)
        .await?)
}
