//! Newer time-zone data: what people gave a time keeps its wall time, and its moment moves.
//!
//! These are single schedules, and occurrences that a person moved; all other occurrences follow their series
//! (`zones.rs`).
//!
//! **Invariant:** what has passed, and what the clock has turned into jobs, stays as it is; who goes out at
//! another moment finds out why.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Conn, Result};
use jobs::wall_time;

/// How far the schedules of older time-zone data were looked through; the beginning by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WalkedTo {
    tzdb: String,
    id: Uuid,
}

/// What one piece of the walk did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// How many schedules were looked at.
    pub looked_at: usize,
    /// How many of them go out at another moment.
    pub moved: usize,
    /// Where the next piece begins.
    pub to: WalkedTo,
}

/// The schedules that move, one value of each for every one of them.
#[derive(Default)]
struct Moves {
    ids: Vec<Uuid>,
    moments: Vec<DateTime<Utc>>,
    messages: Vec<String>,
    data: Vec<Value>,
}

/// Looks at no more than `limit` schedules behind a place whose moments were found by older time-zone data than
/// `tzdb`, which is that of this build, and moves those that mean another one now.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn follow_wall_times(
    conn: &mut Conn,
    tzdb: &str,
    behind: &WalkedTo,
    limit: i64,
) -> Result<Followed> {
    let rows = sqlx::query!(
        r#"select id, tzdb, scheduled_at, wall_time, timezone, scheduled_at > now() as "is_ahead!"
           from schedules
           where status in ('scheduled', 'on_hold') and not is_recurring and publish_planned_at is null
             and (parent_schedule_id is null or is_moved)
             and tzdb < $1 and (tzdb, id) > ($2, $3)
           order by tzdb, id limit $4 for update skip locked"#,
        tzdb,
        behind.tzdb,
        behind.id,
        limit
    )
    .fetch_all(&mut *conn)
    .await?;
    let Some(last) = rows.last() else { return Ok(Followed::default()) };
    let to = WalkedTo { tzdb: last.tzdb.clone(), id: last.id };
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let mut moves = Moves::default();
    for row in rows.into_iter().filter(|row| row.is_ahead) {
        // A zone that this build does not know is another build's to follow.
        let Ok(zone) = wall_time::zone(&row.timezone) else { continue };
        let at = wall_time::moment(row.wall_time, zone);
        if at != row.scheduled_at {
            moves.add(row.id, tzdb, &row.timezone, row.wall_time, row.scheduled_at, at);
        }
    }
    let moved = moves.write(&mut *conn).await?;
    sqlx::query!("update schedules set tzdb = $2 where id = any ($1)", &ids, tzdb)
        .execute(conn)
        .await?;
    Ok(Followed { looked_at: ids.len(), moved, to })
}

impl Moves {
    fn add(
        &mut self,
        id: Uuid,
        tzdb: &str,
        timezone: &str,
        wall: NaiveDateTime,
        was: DateTime<Utc>,
        at: DateTime<Utc>,
    ) {
        self.ids.push(id);
        self.moments.push(at);
        self.messages.push(format!(
            "By newer time-zone data ({tzdb}) {} in {timezone} is at {}, and not at {}: it goes out then.",
            wall.format("%FT%T"),
            at.format("%FT%TZ"),
            was.format("%FT%TZ")
        ));
        self.data.push(json!({
            "from": was, "to": at, "wallTime": wall, "timezone": timezone, "timeZoneData": tzdb,
        }));
    }

    /// Moves them, and says so in their logs and to their people; answers how many.
    async fn write(&self, conn: &mut Conn) -> Result<usize> {
        if self.ids.is_empty() {
            return Ok(0);
        }
        let moved = sqlx::query_scalar!(
            r#"select move_with_wall_time($1, $2) as "id!""#,
            &self.ids,
            &self.moments
        )
        .fetch_all(&mut *conn)
        .await?;
        sqlx::query!(
            "with noted as (
                 update schedules s
                 set attempt_log = attempt_log || jsonb_build_array(jsonb_build_object(
                         'at', now(), 'outcome', 'moved', 'message', n.message))
                 from unnest($1::uuid[], $2::text[], $3::jsonb[]) as n (id, message, data)
                 where s.id = n.id and s.id = any ($4)
                 returning s.id, s.organization_id, s.content_version_id, s.platform_connection_id,
                           s.parent_schedule_id, n.message, n.data
             )
             insert into events (organization_id, type, subject_type, subject_id, message, data)
             select organization_id, 'post.moved', 'schedule', id, message,
                    data || jsonb_build_object(
                        'scheduleId', id, 'contentVersionId', content_version_id,
                        'platformConnectionId', platform_connection_id, 'parentScheduleId', parent_schedule_id)
             from noted order by id",
            &self.ids,
            &self.messages,
            &self.data,
            &moved
        )
        .execute(conn)
        .await?;
        Ok(moved.len())
    }
}
