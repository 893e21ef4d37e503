//! What people change of a series: its occurrences ahead wait, are made anew, or stay as people left them.
//!
//! Locks: the jobs of its occurrences, the series, its occurrences by their ids.
//!
//! **Invariant:** only an occurrence that nothing ever happened to is deleted, to be made anew.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use crate::schedules::{Entry, Status};
use crate::{Conn, Result};
use jobs::{JobId, ScheduleId};

/// A live job that prepares or publishes an occurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesJob {
    /// The job.
    pub id: JobId,
    /// The occurrence.
    pub schedule_id: ScheduleId,
    /// Whether it publishes; else it prepares.
    pub publishes: bool,
    /// Whether a worker has it.
    pub running: bool,
}

/// The live jobs of the occurrences of a series that have not gone out, locked. To be called before the series
/// is.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn series_jobs(conn: &mut Conn, series: ScheduleId) -> Result<Vec<SeriesJob>> {
    let rows = sqlx::query!(
        r#"select j.id, s.id as schedule_id, j.unique_key = 'publish:' || s.id as "publishes!",
                  j.state = 'running' as "running!"
           from schedules s join jobs j on j.unique_key in ('publish:' || s.id, 'prepare:' || s.id)
           where s.parent_schedule_id = $1 and s.status in ('scheduled', 'publishing', 'on_hold')
           order by j.id for update of j"#,
        series.0
    )
    .fetch_all(conn)
    .await?;
    let job = |id, schedule, publishes, running| SeriesJob {
        id: JobId(id),
        schedule_id: ScheduleId(schedule),
        publishes,
        running,
    };
    Ok(rows
        .into_iter()
        .map(|row| job(row.id, row.schedule_id, row.publishes, row.running))
        .collect())
}

/// An occurrence that has not gone out and whose row is locked.
#[derive(Clone, Debug)]
pub struct Ahead {
    /// The occurrence.
    pub id: ScheduleId,
    /// Where it stands.
    pub status: Status,
    /// The local time that the series planned.
    pub planned: NaiveDateTime,
    /// Its fold.
    pub fold: u8,
    /// Whether the moment that the series planned lies ahead.
    pub is_ahead: bool,
    /// Whether the moment at which it goes out has passed.
    pub is_past: bool,
    /// Whether a person gave it another time.
    pub is_moved: bool,
    /// Whether a person gave it other content.
    pub is_edited: bool,
    /// Whether anything was tried already, or done by a person.
    pub has_log: bool,
    /// Whether the clock has turned it into a publishing job.
    pub is_planned: bool,
    /// Whether it waits for something after which it goes on by itself.
    pub waits: bool,
    /// Whether that is the series.
    pub waits_for_series: bool,
    /// Whether its turn has come; else a person touched it before that.
    pub is_made: bool,
}

/// Locks the occurrences of a locked series that wait to go out, and those ahead that are skipped.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn lock_ahead(conn: &mut Conn, series: ScheduleId) -> Result<Vec<Ahead>> {
    let rows = sqlx::query!(
        r#"select id, status, planned_at_local as "planned!", fold as "fold!", occurrence_at > now() as "is_ahead!",
                  scheduled_at <= now() as "is_past!", is_moved, is_edited,
                  exists (select from jsonb_array_elements(attempt_log) e
                          where e ->> 'outcome' not in ('on_hold', 'resumed')) as "has_log!", publish_planned_at is not null as "is_planned!",
                  awaits_approval or awaits_payment or waits_for is not null as "waits!",
                  coalesce(waits_for = 'series', false) as "waits_for_series!",
                  occurrence_at <= (select expanded_to from schedule_series where schedule_id = $1) as "is_made!"
           from schedules
           where parent_schedule_id = $1
             and (status in ('scheduled', 'on_hold') or status = 'skipped' and occurrence_at > now())
           order by id for update"#,
        series.0
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Ahead {
                id: ScheduleId(row.id),
                status: Status::read(&row.status)?,
                planned: row.planned,
                fold: u8::from(row.fold == 1),
                is_ahead: row.is_ahead,
                is_past: row.is_past,
                is_moved: row.is_moved,
                is_edited: row.is_edited,
                has_log: row.has_log,
                is_planned: row.is_planned,
                waits: row.waits,
                waits_for_series: row.waits_for_series,
                is_made: row.is_made,
            })
        })
        .collect()
}

fn uuids(ids: &[ScheduleId]) -> Vec<Uuid> {
    ids.iter().map(|id| id.0).collect()
}

/// Deletes locked occurrences that nothing ever happened to, and counts them no more.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn delete(conn: &mut Conn, ids: &[ScheduleId]) -> Result<()> {
    let gone = sqlx::query_scalar!(r#"select delete_untouched($1) as "id!""#, &uuids(ids))
        .fetch_all(&mut *conn)
        .await?;
    crate::usage::release(conn, &gone).await
}

/// What a locked occurrence waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// That its series is resumed.
    Begins,
    /// Nothing any more: the clock will turn it into jobs again.
    Ends,
}

/// Lets locked occurrences wait for their series, or no longer.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn wait_for_series(
    conn: &mut Conn,
    ids: &[ScheduleId],
    waiting: Waiting,
    reason: &str,
) -> Result<()> {
    let begins = waiting == Waiting::Begins;
    sqlx::query!(
        "update schedules set status = case when $2 then 'on_hold' else 'scheduled' end,
             waits_for = case when $2 then 'series' end, status_reason = case when $2 then $3 end,
             awaits_approval = false, awaits_payment = false, prepare_planned_at = null, publish_planned_at = null,
             updated_at = now()
         where id = any ($1)",
        &uuids(ids),
        begins,
        reason
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether the series of an occurrence is paused.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn awaits_its_series(conn: &mut Conn, series: ScheduleId) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"select status = 'paused' as "paused!" from schedules where id = $1"#,
        series.0
    )
    .fetch_one(conn)
    .await?)
}

/// Where an occurrence lies in its changed series.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The moment that the series plans.
    pub at: DateTime<Utc>,
    /// The series' zone.
    pub timezone: &'a str,
}

/// Writes where a locked occurrence, as a person left it, lies in its changed series.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn place(conn: &mut Conn, id: ScheduleId, place: Place<'_>) -> Result<()> {
    sqlx::query!(
        "update schedules set occurrence_at = $2,
             scheduled_at = case when is_moved then scheduled_at else $2 end,
             timezone = case when is_moved then timezone else $3 end,
             prepare_planned_at = null, publish_planned_at = null, updated_at = now()
         where id = $1",
        id.0,
        place.at,
        place.timezone
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes down what a person did to a locked schedule.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn note(conn: &mut Conn, id: ScheduleId, entry: &Entry<'_>) -> Result<()> {
    sqlx::query!(
        "update schedules set attempt_log = attempt_log || $2 where id = $1",
        id.0,
        json!([entry])
    )
    .execute(conn)
    .await?;
    Ok(())
}
