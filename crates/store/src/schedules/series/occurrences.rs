//! What people see of a series: its occurrences, in the order in which it planned them.
//!
//! **Invariant:** occurrences that have no row yet are told as such, and by the rule alone.

use chrono::{DateTime, FixedOffset, NaiveDateTime, Utc};
use serde::Serialize;
use std::collections::HashSet;
use uuid::Uuid;

use crate::{Conn, Result};
use jobs::ScheduleId;
use jobs::recurrence::{Occurrence as Planned, Shift, shift};
use jobs::series::FARTHEST;

/// An occurrence of a recurring schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Occurrence {
    /// The schedule that goes out; null while none is made, which is some time ahead.
    pub schedule_id: Option<Uuid>,
    /// The status of that schedule; `planned` while none is made.
    pub status: String,
    /// What a person must know about the status.
    pub status_reason: Option<String>,
    /// Which of the series' occurrences it is, from 0.
    pub occurrence_number: i64,
    /// The local time that the series plans.
    #[schema(value_type = String, example = "2026-12-24T18:00:00")]
    pub planned_at_local: NaiveDateTime,
    /// Which pass of a local time that exists twice: 0 for the first, and for all others.
    pub fold: i16,
    /// What a change of the clocks does to that local time: nothing (`none`); it does not exist that day, and the
    /// moment is the first one after the gap (`moved`); it exists twice (`repeated`).
    pub shift: Shift,
    /// The moment that the series plans.
    pub occurrence_at: DateTime<Utc>,
    /// When it goes out: another moment where a person moved it.
    pub scheduled_at: DateTime<Utc>,
    /// The same on the clocks of its zone, with their offset then.
    #[schema(value_type = String, format = DateTime, example = "2026-03-29T03:00:00+02:00")]
    pub at: DateTime<FixedOffset>,
    /// What goes out.
    pub content_version_id: Uuid,
    /// Whether a person gave it another time.
    pub is_moved: bool,
    /// Whether a person gave it other content.
    pub is_edited: bool,
    /// Where people see the post.
    pub published_post_url: Option<String>,
}

/// At most `limit` occurrences of a series behind a place in their order, whose beginning is `after`: those with
/// rows, and of the next [`FARTHEST`] that the rule plans those without. `None` where the schedule does not
/// recur.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn occurrences(
    conn: &mut Conn,
    id: ScheduleId,
    after: (DateTime<Utc>, Uuid),
    limit: i64,
) -> Result<Option<Vec<Occurrence>>> {
    let Some(parent) = sqlx::query!(
        "select q.rule, q.most, q.starts_at, q.expanded_to, q.made, q.content_version_ids, s.timezone,
                s.recurrence_end_date, s.status
         from schedule_series q join schedules s on s.id = q.schedule_id where q.schedule_id = $1",
        id.0
    )
    .fetch_optional(&mut *conn)
    .await?
    else {
        return Ok(None);
    };
    let zone = super::zone(&parent.timezone)?;
    let rows = sqlx::query!(
        r#"select id, status, status_reason, occurrence_number as "occurrence_number!",
                  planned_at_local as "planned_at_local!", fold as "fold!", occurrence_at as "occurrence_at!",
                  scheduled_at, timezone, content_version_id, is_moved, is_edited, published_post_url
           from schedules
           where parent_schedule_id = $1 and (occurrence_at, id) > ($2, $3)
           order by occurrence_at, id limit $4"#,
        id.0,
        after.0,
        after.1,
        limit
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        // One that a person moved may have a zone of its own.
        let own = super::zone(&row.timezone)?;
        found.push(Occurrence {
            schedule_id: Some(row.id),
            status: row.status,
            status_reason: row.status_reason,
            occurrence_number: row.occurrence_number,
            planned_at_local: row.planned_at_local,
            fold: row.fold,
            shift: shift(row.planned_at_local, zone),
            occurrence_at: row.occurrence_at,
            scheduled_at: row.scheduled_at,
            at: row.scheduled_at.with_timezone(&own).fixed_offset(),
            content_version_id: row.content_version_id,
            is_moved: row.is_moved,
            is_edited: row.is_edited,
            published_post_url: row.published_post_url,
        });
    }
    let most = usize::try_from(limit).unwrap_or_default();
    let is_full = found.len() >= most;
    let all_are_made = found.last().is_some_and(|last| last.occurrence_at <= parent.expanded_to);
    if is_full && all_are_made || parent.status != "active" {
        return Ok(Some(found));
    }
    let ends = parent.recurrence_end_date;
    let series = super::read(parent.rule, &parent.timezone, parent.starts_at, ends, parent.most)?;
    let versions = parent.content_version_ids;
    let left = parent.most.map_or(usize::MAX, |most| {
        usize::try_from(i64::from(most) - parent.made).unwrap_or_default()
    });
    let planned = |(number, planned): (i64, Planned)| Occurrence {
        schedule_id: None,
        status: "planned".to_owned(),
        status_reason: None,
        occurrence_number: number,
        planned_at_local: planned.planned,
        fold: i16::from(planned.fold),
        shift: planned.shift,
        occurrence_at: planned.at.to_utc(),
        scheduled_at: planned.at.to_utc(),
        at: planned.at,
        content_version_id: versions[usize::try_from(number).unwrap_or_default() % versions.len()],
        is_moved: false,
        is_edited: false,
        published_post_url: None,
    };
    let ahead = (parent.made..).zip(series.after(parent.expanded_to).take(left.min(FARTHEST)));
    let known: HashSet<_> = found.iter().map(|row| (row.planned_at_local, row.fold)).collect();
    let ahead = ahead
        .map(planned)
        .filter(|it| (it.occurrence_at, Uuid::nil()) > after)
        // What a person touched has its row already.
        .filter(|it| !known.contains(&(it.planned_at_local, it.fold)));
    found.extend(ahead.take(most));
    found.sort_by_key(|it| (it.occurrence_at, it.schedule_id));
    found.truncate(most);
    Ok(Some(found))
}
