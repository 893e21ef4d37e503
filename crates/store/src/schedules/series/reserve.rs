//! Occurrences begin to count against the plan: at once in the present period, else when theirs begins.
//!
//! What a plan has no room for is put on hold and asked for again every few minutes, until there is room or its
//! time has passed.
//!
//! **Invariant:** an occurrence goes out only when it counts; a series is not ended by a plan that is used up.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{Conn, Result};
use jobs::{Metric, ScheduleId};

/// How often it is asked again whether there is room.
const AGAIN_SECS: f64 = 300.0;

/// What one turn did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// How many were looked at.
    pub asked: usize,
    /// How many count from now on.
    pub reserved: i64,
    /// How many were put on hold.
    pub held: i64,
    /// How many were on hold and go on.
    pub resumed: i64,
}

/// Reserves for at most `limit` occurrences that are due for it.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn reserve_due(conn: &mut Conn, limit: i64) -> Result<Counted> {
    let due = sqlx::query!(
        "select s.id, s.organization_id from schedules s
         where s.reserve_at <= now() and (s.status = 'scheduled' or s.waits_for = 'quota')
           -- What is too late is missed, and never counts.
           and (s.waits_for = 'quota' or late_verdict(s) in ('go', 'wait'))
         order by s.reserve_at limit $1 for update skip locked",
        limit
    )
    .fetch_all(&mut *conn)
    .await?;
    if due.is_empty() {
        return Ok(Counted::default());
    }
    let ids: Vec<Uuid> = due.iter().map(|row| row.id).collect();
    let mut organizations: Vec<Uuid> = due.iter().map(|row| row.organization_id).collect();
    organizations.sort_unstable();
    organizations.dedup();
    let metric = Metric::ScheduledPosts.as_str();
    sqlx::query!(
        "insert into usage_counts (organization_id, metric, period_start, period_end)
         select o.id, $2, p.period_start, p.period_end
         from organizations o cross join lateral usage_period(o.billing_anchor, now()) p
         where o.id = any ($1) order by o.id
         on conflict (organization_id, period_start, metric) do nothing",
        &organizations,
        metric
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "select c.used from usage_counts c join organizations o on o.id = c.organization_id
         cross join lateral usage_period(o.billing_anchor, now()) p
         where o.id = any ($1) and c.metric = $2 and c.period_start = p.period_start
         order by o.id for update of c",
        &organizations,
        metric
    )
    .fetch_all(&mut *conn)
    .await?;
    // A statement of its own: it sees what others committed before the locks were ours.
    let done = sqlx::query_file!("src/schedules/series/reserve.sql", &ids, metric, AGAIN_SECS)
        .fetch_one(conn)
        .await?;
    Ok(Counted {
        asked: due.len(),
        reserved: done.reserved,
        held: done.held,
        resumed: done.resumed,
    })
}

/// Lets a locked occurrence begin to count again, when it does not: now, or when the period of its new time
/// begins.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn count_again(conn: &mut Conn, id: ScheduleId, at: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "update schedules s set reserve_at = greatest(now(), period.period_start)
         from organizations o cross join lateral usage_period(o.billing_anchor, $2) period
         where s.id = $1 and o.id = s.organization_id
           and not exists (select from usage_reservations r where r.subject_id = s.id)",
        id.0,
        at
    )
    .execute(conn)
    .await?;
    Ok(())
}
