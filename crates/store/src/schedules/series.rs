//! `schedule_series`: what makes a schedule recur, and how far it is expanded.
//!
//! | file | what |
//! | --- | --- |
//! | `expand.rs`, `early.rs` | the clock turns series into occurrences, and people some of them before their turn |
//! | `reserve.rs` | occurrences begin to count against the plan |
//! | `zones.rs` | newer time-zone data moves what is ahead |
//! | `change.rs` | what people change of a series |
//! | `occurrences.rs` | what they see of it |
//!
//! **Invariant:** whoever changes a series has locked its row in `schedules` first, so that nobody expands it
//! meanwhile.

mod change;
mod early;
mod expand;
mod occurrences;
mod reserve;
mod zones;

use chrono::{DateTime, NaiveDateTime, Utc};
use chrono_tz::Tz;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::{NewSchedule, Status};
use crate::{Conn, Result};
use jobs::recurrence::Pattern;
use jobs::series::{Reached, Series, TZDB};
use jobs::{ContentVersionId, ScheduleId, wall_time};

pub use change::{
    Ahead, Place, SeriesJob, Waiting, awaits_its_series, delete, lock_ahead, note, place,
    series_jobs, wait_for_series,
};
pub use early::{Named, make_early, name_occurrence, which_occurrence};
pub use expand::{Expanded, expand};
pub use occurrences::{Occurrence, occurrences};
pub use reserve::{Counted, count_again, reserve_due};
pub use zones::follow_zones;

/// What makes a schedule recur.
#[derive(Clone, Debug)]
pub struct NewSeries<'a> {
    /// The pattern.
    pub rule: &'a Pattern,
    /// No occurrence is after it.
    pub ends_at: Option<DateTime<Utc>>,
    /// How many occurrences there are in all.
    pub most: Option<u32>,
    /// The versions that take turns.
    pub versions: &'a [ContentVersionId],
    /// No occurrence is before it.
    pub starts_at: DateTime<Utc>,
}

/// Makes a recurring schedule; making it again changes nothing. Its moment is that of its first occurrence.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn insert(conn: &mut Conn, new: &NewSchedule<'_>, series: &NewSeries<'_>) -> Result<()> {
    sqlx::query!(
        "with parent as (
             insert into schedules (id, organization_id, content_version_id, platform_connection_id, scheduled_at,
                 wall_time, timezone, max_retries, created_by, catch_up, catch_up_secs,
                 status, is_recurring, recurrence_pattern, recurrence_end_date)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'active', true, $12, $13)
             on conflict (id) do nothing
             returning id, organization_id
         )
         insert into schedule_series (schedule_id, organization_id, rule, most, content_version_ids, starts_at, tzdb,
                                      expanded_to, expand_at)
         select id, organization_id, $14, $15, $16, $17, $18, $17::timestamptz - interval '1 microsecond', now()
         from parent",
        new.id.0,
        new.organization_id.0,
        new.content_version_id.0,
        new.platform_connection_id.0,
        new.scheduled_at,
        new.wall_time,
        new.timezone,
        new.max_retries,
        new.created_by,
        new.catch_up.as_str(),
        new.catch_up_secs,
        series.rule.as_str(),
        series.ends_at,
        serde_json::json!(series.rule),
        most(series.most),
        &ids(series.versions),
        series.starts_at,
        TZDB
    )
    .execute(conn)
    .await?;
    Ok(())
}

fn most(most: Option<u32>) -> Option<i32> {
    most.map(|most| i32::try_from(most).unwrap_or(i32::MAX))
}

fn ids(versions: &[ContentVersionId]) -> Vec<Uuid> {
    versions.iter().map(|version| version.0).collect()
}

/// A series whose row is locked.
#[derive(Clone, Debug)]
pub struct LockedSeries {
    /// The pattern.
    pub rule: Pattern,
    /// No occurrence is before it.
    pub starts_at: DateTime<Utc>,
    /// No occurrence is after it.
    pub ends_at: Option<DateTime<Utc>>,
    /// The wall time of the end, in the series' zone.
    pub end_date: Option<NaiveDateTime>,
    /// How many occurrences there are in all.
    pub most: Option<u32>,
    /// The versions that take turns.
    pub versions: Vec<ContentVersionId>,
    /// How many occurrences are made.
    pub made: i64,
    /// How many of those lie ahead.
    pub made_ahead: i64,
    /// The moment that divides what has passed from what is ahead, wherever in this transaction that is asked.
    pub now: DateTime<Utc>,
}

/// Locks the series of a schedule whose row is locked; `None` where it does not recur.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn lock(conn: &mut Conn, id: ScheduleId) -> Result<Option<LockedSeries>> {
    let row = sqlx::query!(
        r#"select q.rule, q.starts_at, q.most, q.content_version_ids, q.made, q.expanded_to, s.recurrence_end_date,
                  s.timezone, s.recurrence_end_date at time zone s.timezone as end_date, now() as "now!"
           from schedule_series q join schedules s on s.id = q.schedule_id
           where q.schedule_id = $1 for update of q"#,
        id.0
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        let (starts, ends) = (row.starts_at, row.recurrence_end_date);
        let series = read(row.rule.clone(), &row.timezone, starts, ends, row.most)?;
        let made = u64::try_from(row.made).unwrap_or_default();
        let ahead = series.made_ahead(Reached { expanded_to: row.expanded_to, made }, row.now);
        Ok(LockedSeries {
            made_ahead: i64::try_from(ahead).unwrap_or(i64::MAX),
            rule: pattern(row.rule)?,
            starts_at: row.starts_at,
            ends_at: row.recurrence_end_date,
            end_date: row.end_date,
            most: row.most.and_then(|most| u32::try_from(most).ok()),
            versions: row.content_version_ids.into_iter().map(ContentVersionId).collect(),
            made: row.made,
            now: row.now,
        })
    })
    .transpose()
}

/// Gives a series whose rows are locked what a person wants from now on. What is ahead of it has been settled:
/// its occurrences are made from now on.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn change(
    conn: &mut Conn,
    new: &NewSchedule<'_>,
    series: &NewSeries<'_>,
    made: i64,
) -> Result<()> {
    sqlx::query!(
        "with parent as (
             update schedules set content_version_id = $2, platform_connection_id = $3, scheduled_at = $4,
                 wall_time = $5, timezone = $6, max_retries = $7, catch_up = $8, catch_up_secs = $9,
                 recurrence_pattern = $10, recurrence_end_date = $11, updated_at = now()
             where id = $1 returning id, status
         )
         update schedule_series q
         set rule = $12, most = $13, content_version_ids = $14, starts_at = $15, made = $16, tzdb = $17,
             expanded_to = greatest(now(), $15::timestamptz - interval '1 microsecond'),
             expand_at = case when parent.status = 'active' then now() end
         from parent where q.schedule_id = parent.id",
        new.id.0,
        new.content_version_id.0,
        new.platform_connection_id.0,
        new.scheduled_at,
        new.wall_time,
        new.timezone,
        new.max_retries,
        new.catch_up.as_str(),
        new.catch_up_secs,
        series.rule.as_str(),
        series.ends_at,
        serde_json::json!(series.rule),
        most(series.most),
        &ids(series.versions),
        series.starts_at,
        made,
        TZDB
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Stops a locked series, for a while or for good.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn stop(conn: &mut Conn, id: ScheduleId, to: Status, reason: &str) -> Result<()> {
    sqlx::query!(
        "with parent as (
             update schedules set status = $2, status_reason = $3, updated_at = now() where id = $1 returning id
         )
         update schedule_series q set expand_at = null from parent where q.schedule_id = parent.id",
        id.0,
        to.as_str(),
        reason
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Lets a locked series go on. What fell into the pause has no rows and gets none, unless a person gave it one
/// and another time, which counts; `skipped` occurrences that were made do not count among those that there
/// are in all.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn go_on(conn: &mut Conn, id: ScheduleId, skipped: i64) -> Result<()> {
    sqlx::query!(
        "with parent as (
             update schedules set status = 'active', status_reason = null, updated_at = now()
             where id = $1 returning id
         )
         update schedule_series q
         set expanded_to = greatest(q.expanded_to, now()), expand_at = now(),
             made = greatest(q.made - $2, 0) + (
                 select count(*) from schedules o
                 where o.parent_schedule_id = $1 and o.occurrence_at > q.expanded_to and o.occurrence_at <= now()
                   and o.status not in ('skipped', 'missed', 'cancelled'))
         from parent where q.schedule_id = parent.id",
        id.0,
        skipped
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A series as people see it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeriesView {
    /// The pattern.
    #[schema(value_type = Pattern)]
    pub rule: Value,
    /// How many occurrences there are in all.
    pub count: Option<i32>,
    /// How many have a row: those that have passed, and some ahead.
    pub made: i64,
    /// The versions that take turns.
    pub content_version_ids: Vec<Uuid>,
    /// No occurrence is before it.
    pub starts_at: DateTime<Utc>,
    /// The time-zone data by which the occurrences ahead have their moments.
    pub time_zone_data: String,
    /// Every occurrence up to this moment has a row.
    pub expanded_to: DateTime<Utc>,
    /// When the next occurrence goes out that nothing holds.
    pub next_occurrence_at: Option<DateTime<Utc>>,
}

/// The series of a schedule; `None` where it does not recur.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn get(conn: &mut Conn, id: ScheduleId) -> Result<Option<SeriesView>> {
    Ok(sqlx::query_as!(
        SeriesView,
        r#"select rule, most as count, made, content_version_ids, starts_at, tzdb as time_zone_data, expanded_to,
                  (select min(s.scheduled_at) from schedules s
                   where s.parent_schedule_id = schedule_id and s.occurrence_at > now() - interval '1 day'
                     and s.status = 'scheduled') as next_occurrence_at
           from schedule_series where schedule_id = $1"#,
        id.0
    )
    .fetch_optional(conn)
    .await?)
}

pub(super) fn pattern(rule: Value) -> Result<Pattern> {
    serde_json::from_value(rule).map_err(|error| broken(error.into()))
}

/// The series that rows describe.
pub(super) fn read(
    rule: Value,
    timezone: &str,
    starts_at: DateTime<Utc>,
    ends_at: Option<DateTime<Utc>>,
    most: Option<i32>,
) -> Result<Series> {
    let zone = zone(timezone)?;
    let most = most.and_then(|most| u64::try_from(most).ok());
    Series::new(&pattern(rule)?, zone, starts_at, ends_at, most)
        .map_err(|invalid| broken(Box::new(invalid)))
}

/// The zone that a row names.
fn zone(name: &str) -> Result<Tz> {
    wall_time::zone(name).map_err(|problem| broken(problem.message.into()))
}

fn broken(error: Box<dyn std::error::Error + Send + Sync>) -> crate::Error {
    crate::Error::Broken(sqlx::Error::Decode(error))
}
