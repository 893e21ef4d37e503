//! Newer time-zone data: the occurrences ahead keep their local times, and their moments move.
//!
//! **Invariant:** what has passed, and what the clock has turned into jobs, stays as it is; so does the time that
//! a person gave an occurrence, which follows by itself (`wall_times.rs`).

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::json;
use std::collections::HashMap;
use uuid::Uuid;

use crate::{Conn, Result};
use jobs::series::Series;

/// Why an occurrence is left out that the newer data has no moment for.
const GONE: &str =
    "By newer time-zone data its local time no longer exists beside another occurrence.";

/// Moves what is ahead of at most `limit` series that were expanded by older time-zone data than `tzdb`; answers
/// how many series that were.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn follow_zones(conn: &mut Conn, tzdb: &str, limit: i64) -> Result<usize> {
    let ids = sqlx::query_scalar!(
        "select q.schedule_id from schedule_series q join schedules s on s.id = q.schedule_id
         where q.tzdb < $1 and q.expand_at is not null
         order by q.tzdb limit $2 for update of q, s skip locked",
        tzdb,
        limit
    )
    .fetch_all(&mut *conn)
    .await?;
    follow(conn, &ids, tzdb).await?;
    Ok(ids.len())
}

/// Moves what is ahead of series whose rows are locked to where the time-zone data of this build, `tzdb`, has it.
pub(super) async fn follow(conn: &mut Conn, ids: &[Uuid], tzdb: &str) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let by_id = read(conn, ids).await?;
    let reached = reached(conn, ids, &by_id).await?;
    let ahead = sqlx::query!(
        r#"select id, parent_schedule_id as "parent!", planned_at_local as "planned!", fold as "fold!",
                  occurrence_at as "occurrence_at!"
           from schedules
           where parent_schedule_id = any ($1) and occurrence_at > now() and publish_planned_at is null
             and status in ('scheduled', 'on_hold', 'skipped')
           order by id for update"#,
        ids
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut moves = Moves::default();
    for row in ahead {
        let Some(series) = by_id.get(&row.parent) else { continue };
        match series.find(row.planned, u8::from(row.fold == 1)) {
            Some(found) if found.at == row.occurrence_at => {}
            Some(found) => {
                moves.ids.push(row.id);
                moves.moments.push(found.at.to_utc());
                moves.series.push(row.parent);
            }
            None => {
                moves.gone.push(row.id);
                moves.series.push(row.parent);
            }
        }
    }
    moves.write(&mut *conn, tzdb).await?;
    sqlx::query!(
        "update schedule_series q
         set tzdb = $2, expand_at = now(), expanded_to = coalesce(n.expanded_to, q.expanded_to)
         from unnest($1::uuid[]) as every (id)
         left join unnest($3::uuid[], $4::timestamptz[]) as n (id, expanded_to) on n.id = every.id
         where q.schedule_id = every.id",
        ids,
        tzdb,
        &reached.keys().copied().collect::<Vec<_>>(),
        &reached.values().copied().collect::<Vec<_>>()
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn read(conn: &mut Conn, ids: &[Uuid]) -> Result<HashMap<Uuid, Series>> {
    let rows = sqlx::query!(
        "select q.schedule_id, q.rule, q.starts_at, s.timezone, s.recurrence_end_date
         from schedule_series q join schedules s on s.id = q.schedule_id where q.schedule_id = any ($1)",
        ids
    )
    .fetch_all(conn)
    .await?;
    let series = rows.into_iter().filter_map(|row| {
        let (starts, ends) = (row.starts_at, row.recurrence_end_date);
        // One that this build cannot read is another build's to follow with.
        let series = super::read(row.rule, &row.timezone, starts, ends, None).ok()?;
        Some((row.schedule_id, series))
    });
    Ok(series.collect())
}

/// Up to which moment series are expanded, where that is the moment of an occurrence: the one that the time-zone
/// data of this build has for its local time. Without it, the same local time might be planned again, or one
/// be left out.
pub(super) async fn reached(
    conn: &mut Conn,
    ids: &[Uuid],
    by_id: &HashMap<Uuid, Series>,
) -> Result<HashMap<Uuid, DateTime<Utc>>> {
    let last = sqlx::query!(
        r#"select q.schedule_id, o.planned_at_local as "planned!: NaiveDateTime", o.fold as "fold!",
                  o.occurrence_at as "at!", o.occurrence_at > now() as "is_ahead!"
           from schedule_series q
           join schedules o on o.parent_schedule_id = q.schedule_id and o.occurrence_at = q.expanded_to
           where q.schedule_id = any ($1)"#,
        ids
    )
    .fetch_all(conn)
    .await?;
    let mut reached = HashMap::new();
    for row in last {
        let series = by_id.get(&row.schedule_id);
        let found = series.and_then(|series| series.find(row.planned, u8::from(row.fold == 1)));
        if let Some(found) = found {
            let at = found.at.to_utc();
            // What has passed went out at its old moment, and nothing goes out twice.
            reached.insert(row.schedule_id, if row.is_ahead { at } else { at.max(row.at) });
        }
    }
    Ok(reached)
}

/// What becomes of the occurrences ahead.
#[derive(Default)]
struct Moves {
    ids: Vec<Uuid>,
    moments: Vec<DateTime<Utc>>,
    gone: Vec<Uuid>,
    /// The series of each that moves or is gone.
    series: Vec<Uuid>,
}

impl Moves {
    async fn write(&self, conn: &mut Conn, tzdb: &str) -> Result<()> {
        if self.series.is_empty() {
            return Ok(());
        }
        sqlx::query!("select move_with_zone($1, $2)", &self.ids, &self.moments)
            .execute(&mut *conn)
            .await?;
        sqlx::query!(
            "update schedules set status = 'skipped', status_reason = $2, waits_for = null, awaits_approval = false,
                 awaits_payment = false, reserve_at = null, updated_at = now()
             where id = any ($1) and status <> 'skipped' and not is_moved",
            &self.gone,
            GONE
        )
        .execute(&mut *conn)
        .await?;
        sqlx::query!(
            "insert into events (organization_id, type, subject_type, subject_id, message, data)
             select s.organization_id, 'schedule.moved', 'schedule', s.id,
                    format('By newer time-zone data (%s) %s of its occurrences ahead keep their local times in %s and go out at other moments.',
                           $2::text, n.moved, s.timezone),
                    jsonb_build_object('scheduleId', s.id, 'timezone', s.timezone) || $3
             from (select id, count(*) as moved from unnest($1::uuid[]) as one (id) group by id) n
             join schedules s on s.id = n.id
             order by s.id",
            &self.series,
            tzdb,
            json!({ "timeZoneData": tzdb })
        )
        .execute(&mut *conn)
        .await?;
        crate::usage::release(conn, &self.gone).await
    }
}
