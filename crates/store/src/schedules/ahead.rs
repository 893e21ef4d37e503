//! Checks ahead of time: which schedules are due for one, and who asks their networks.
//!
//! **Invariant:** a schedule's next check is written in the transaction that enqueues the job of this
//! one; of an account's token the network is asked by one job at a time.

#[cfg(test)]
mod tests;
mod warnings;

use chrono::{DateTime, Utc};
use std::time::Duration;

use crate::{Conn, Result};
use jobs::{ConnectionId, ContentRequestId, OrganizationId, ScheduleId};

pub use warnings::{Finding, Warning, forget_causes, look, rights, warn};

/// What goes out sooner is not checked any more: its publishing job is about to look itself.
const TOO_LATE: Duration = Duration::from_secs(5 * 60);

/// How long a question to a network may be open before somebody else may ask.
const ASKING: Duration = Duration::from_secs(60);

/// A schedule whose check is to be enqueued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueCheck {
    /// The schedule.
    pub schedule_id: ScheduleId,
    /// Whose it is.
    pub organization_id: OrganizationId,
}

/// The key that makes a schedule's checking job the only live one.
pub fn check_key(schedule: ScheduleId) -> String {
    format!("check:{schedule}")
}

/// Plans the next check of at most `limit` schedules that are due for one, and answers how many they were
/// and which of them are to be checked now.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn due_to_check(conn: &mut Conn, limit: i64) -> Result<(usize, Vec<DueCheck>)> {
    let rows = sqlx::query!(
        r#"with due as (
             select s.id, s.scheduled_at from schedules s
             where s.status in ('scheduled', 'on_hold') and not s.is_recurring and s.check_at <= now()
               -- One that runs may have looked before whatever this one is due for.
               and not exists (select from jobs j where j.unique_key = 'check:' || s.id)
             order by s.check_at limit $1 for update of s skip locked
         )
         update schedules s set check_at = (
             select min(due.scheduled_at - a.ahead) from check_ahead a where due.scheduled_at - a.ahead > now())
         from due where s.id = due.id
         returning s.id, s.organization_id,
                   s.scheduled_at > now() + make_interval(secs => $2) as "wanted!""#,
        limit,
        TOO_LATE.as_secs_f64()
    )
    .fetch_all(conn)
    .await?;
    let found = rows.len();
    let wanted = rows.into_iter().filter(|row| row.wanted).map(|row| DueCheck {
        schedule_id: ScheduleId(row.id),
        organization_id: OrganizationId(row.organization_id),
    });
    Ok((found, wanted.collect()))
}

/// At most `limit` schedules that carry a warning and are not being checked, those first that were looked
/// at longest ago.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn warned(conn: &mut Conn, limit: i64) -> Result<Vec<DueCheck>> {
    let rows = sqlx::query!(
        "select s.id, s.organization_id from schedules s
         where s.status in ('scheduled', 'on_hold') and s.warnings <> '[]'
           and not exists (select from jobs j where j.unique_key = 'check:' || s.id)
         order by s.checked_at nulls first limit $1",
        limit
    )
    .fetch_all(conn)
    .await?;
    let warned = rows.into_iter().map(|row| DueCheck {
        schedule_id: ScheduleId(row.id),
        organization_id: OrganizationId(row.organization_id),
    });
    Ok(warned.collect())
}

/// At most `limit` schedules of an account that carry a warning, by their ids.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn warned_of_account(
    conn: &mut Conn,
    organization: OrganizationId,
    connection: ConnectionId,
    limit: i64,
) -> Result<Vec<ScheduleId>> {
    let ids = sqlx::query_scalar!(
        "select id from schedules
         where organization_id = $1 and platform_connection_id = $2
           and status in ('scheduled', 'on_hold') and warnings <> '[]'
         order by id limit $3",
        organization.0,
        connection.0,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(ScheduleId).collect())
}

/// Has the schedules of a content request that are ahead, all of which are locked, checked again.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn check_again(conn: &mut Conn, request: ContentRequestId) -> Result<()> {
    sqlx::query!(
        "update schedules s set check_at = now() from content_versions v
         where v.content_request_id = $1 and s.content_version_id = v.id
           and s.status in ('scheduled', 'on_hold') and not s.is_recurring",
        request.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether the network is to be asked if it still takes an account's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// By the caller, and nobody else meanwhile: it ends with [`end_asking`].
    Ours,
    /// Somebody else asks right now.
    Busy {
        /// At the latest until then.
        until: DateTime<Utc>,
    },
    /// It was asked since.
    Known,
}

/// Takes the right to ask the network about an account, unless it was asked at or after `since`.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn begin_asking(
    conn: &mut Conn,
    organization: OrganizationId,
    connection: ConnectionId,
    since: DateTime<Utc>,
) -> Result<Asking> {
    lock_account(&mut *conn, organization, connection).await?;
    let row = sqlx::query!(
        r#"select coalesce(asked_at >= $2, false) as "known!",
                  case when asking_until > clock_timestamp() then asking_until end as busy
           from account_checks where platform_connection_id = $1"#,
        connection.0,
        since
    )
    .fetch_one(&mut *conn)
    .await?;
    match (row.known, row.busy) {
        (true, _) => Ok(Asking::Known),
        (false, Some(until)) => Ok(Asking::Busy { until }),
        (false, None) => {
            sqlx::query!(
                "update account_checks set asking_since = clock_timestamp(),
                     asking_until = clock_timestamp() + make_interval(secs => $2)
                 where platform_connection_id = $1",
                connection.0,
                ASKING.as_secs_f64()
            )
            .execute(conn)
            .await?;
            Ok(Asking::Ours)
        }
    }
}

/// Ends what [`begin_asking`] began; `answered` says that nobody needs to ask for the same reason again.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn end_asking(conn: &mut Conn, connection: ConnectionId, answered: bool) -> Result<()> {
    sqlx::query!(
        "update account_checks set asking_since = null, asking_until = null,
             asked_at = case when $2 then coalesce(asking_since, asked_at) else asked_at end
         where platform_connection_id = $1",
        connection.0,
        answered
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Locks an account's row of `account_checks`, which is made if there is none.
async fn lock_account(
    conn: &mut Conn,
    organization: OrganizationId,
    connection: ConnectionId,
) -> Result<()> {
    sqlx::query!(
        "insert into account_checks as a (platform_connection_id, organization_id) values ($1, $2)
         on conflict (platform_connection_id) do update set organization_id = a.organization_id",
        connection.0,
        organization.0
    )
    .execute(conn)
    .await?;
    Ok(())
}
