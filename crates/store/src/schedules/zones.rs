//! Newer time-zone data: the occurrences ahead keep their local times, and their moments move.
//!
//! **Invariant:** what has passed, and what the clock has turned into jobs, stays as it is; so does the time that
//! a person gave an occurrence.

use chrono::{DateTime, Utc};
use std::collections::HashMap;
use uuid::Uuid;

use super::series;
use crate::{Conn, Result};
use jobs::series::Series;
use jobs::wall_time;

/// Why an occurrence is left out that the newer data has no moment for.
const GONE: &str =
    "By newer time-zone data its local time no longer exists beside another occurrence.";

/// Moves what is ahead of at most `limit` series that were expanded by older time-zone data than `tzdb`; answers
/// how many series that were.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn follow_zones(conn: &mut Conn, tzdb: &str, limit: i64) -> Result<usize> {
    let rows = sqlx::query!(
        "select q.schedule_id, q.rule, q.most, q.starts_at, s.timezone, s.recurrence_end_date
         from schedule_series q join schedules s on s.id = q.schedule_id
         where q.tzdb < $1 and q.expand_at is not null
         order by q.tzdb limit $2 for update of q, s skip locked",
        tzdb,
        limit
    )
    .fetch_all(&mut *conn)
    .await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.schedule_id).collect();
    let mut by_id: HashMap<Uuid, Series> = HashMap::new();
    for row in rows {
        let (starts, ends) = (row.starts_at, row.recurrence_end_date);
        // One that this build cannot read is another build's to follow with.
        if let Ok(series) = series::read(row.rule, &row.timezone, starts, ends, None) {
            by_id.insert(row.schedule_id, series);
        }
    }
    let ahead = sqlx::query!(
        r#"select id, parent_schedule_id as "parent!", planned_at_local as "planned!", fold as "fold!",
                  occurrence_at as "occurrence_at!"
           from schedules
           where parent_schedule_id = any ($1) and occurrence_at > now() and publish_planned_at is null
             and status in ('scheduled', 'on_hold', 'skipped')
           order by id for update"#,
        &ids
    )
    .fetch_all(&mut *conn)
    .await?;
    let (mut moved, mut moments, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    for row in ahead {
        let Some(series) = by_id.get(&row.parent) else { continue };
        match series.find(row.planned, u8::from(row.fold == 1)) {
            Some(found) if found.at == row.occurrence_at => {}
            Some(found) => {
                moved.push(row.id);
                moments.push(found.at.to_utc());
            }
            None => gone.push(row.id),
        }
    }
    write(conn, &moved, &moments, &gone).await?;
    reach(conn, &ids, tzdb).await?;
    Ok(ids.len())
}

async fn write(
    conn: &mut Conn,
    moved: &[Uuid],
    moments: &[DateTime<Utc>],
    gone: &[Uuid],
) -> Result<()> {
    sqlx::query!("select move_with_zone($1, $2)", moved, moments).execute(&mut *conn).await?;
    sqlx::query!(
        "update schedules set status = 'skipped', status_reason = $2, waits_for = null, awaits_approval = false,
             awaits_payment = false, reserve_at = null, updated_at = now()
         where id = any ($1) and status <> 'skipped' and not is_moved",
        gone,
        GONE
    )
    .execute(&mut *conn)
    .await?;
    crate::usage::release(conn, gone).await
}

/// Each series is expanded up to the new moment of its last occurrence that has a row.
async fn reach(conn: &mut Conn, ids: &[Uuid], tzdb: &str) -> Result<()> {
    let last = sqlx::query!(
        r#"select q.schedule_id, q.expanded_to, s.timezone, l.planned_at_local as "planned!", l.occurrence_at as "at!"
           from schedule_series q join schedules s on s.id = q.schedule_id
           cross join lateral (
               select planned_at_local, occurrence_at from schedules o
               where o.parent_schedule_id = q.schedule_id
               order by o.occurrence_at desc, o.id desc limit 1
           ) l
           where q.schedule_id = any ($1)"#,
        ids
    )
    .fetch_all(&mut *conn)
    .await?;
    let (mut reached, mut expanded_to) = (Vec::new(), Vec::new());
    for row in last {
        let zone = wall_time::zone(&row.timezone).ok();
        reached.push(row.schedule_id);
        expanded_to
            .push(zone.map_or(row.at, |zone| row.at.max(wall_time::moment(row.planned, zone))));
    }
    sqlx::query!(
        "update schedule_series q
         set tzdb = $2, expand_at = now(), expanded_to = coalesce(n.expanded_to, q.expanded_to)
         from unnest($1::uuid[]) as every (id)
         left join unnest($3::uuid[], $4::timestamptz[]) as n (id, expanded_to) on n.id = every.id
         where q.schedule_id = every.id",
        ids,
        tzdb,
        &reached,
        &expanded_to
    )
    .execute(conn)
    .await?;
    Ok(())
}
