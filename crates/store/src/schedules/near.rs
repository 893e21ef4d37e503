//! What else goes out from an account, or went out, about some times.

use chrono::{DateTime, Utc};
use std::time::Duration;

use crate::{Conn, Result};
use jobs::{ConnectionId, ContentVersionId, ScheduleId};

/// Another post of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Near {
    /// Near which of the times it is, from 0.
    pub nth: usize,
    /// The schedule.
    pub schedule_id: ScheduleId,
    /// What it is about.
    pub content_version_id: ContentVersionId,
    /// When it goes out.
    pub scheduled_at: DateTime<Utc>,
    /// Where it stands.
    pub status: String,
}

/// The schedules of an account that go out, or went out, no further than `within` from one of these times:
/// for each time at most `limit`, the earliest. Those that were cancelled, skipped, missed or failed are not.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn near(
    conn: &mut Conn,
    connection: ConnectionId,
    times: &[DateTime<Utc>],
    within: Duration,
    limit: i64,
) -> Result<Vec<Near>> {
    let rows = sqlx::query!(
        r#"select t.nth as "nth!", s.id, s.content_version_id, s.scheduled_at, s.status
           from unnest($2::timestamptz[]) with ordinality as t (at, nth)
           cross join lateral (
               select id, content_version_id, scheduled_at, status from schedules
               where platform_connection_id = $1 and not is_recurring
                 and scheduled_at between t.at - make_interval(secs => $3) and t.at + make_interval(secs => $3)
                 and status in ('scheduled', 'publishing', 'awaiting_platform', 'published', 'unconfirmed', 'on_hold')
               order by scheduled_at limit $4
           ) s
           order by t.nth, s.scheduled_at, s.id"#,
        connection.0,
        times,
        within.as_secs_f64(),
        limit
    )
    .fetch_all(conn)
    .await?;
    let near = rows.into_iter().map(|row| Near {
        nth: usize::try_from(row.nth - 1).unwrap_or_default(),
        schedule_id: ScheduleId(row.id),
        content_version_id: ContentVersionId(row.content_version_id),
        scheduled_at: row.scheduled_at,
        status: row.status,
    });
    Ok(near.collect())
}
