//! Occurrences that are made before their turn, because a person skips, moves or edits one far ahead.
//!
//! **Invariant:** such a row is what the expansion would have made of it: its number, its version, its moment;
//! when its turn comes it is met there, and not made again.

use super::expand::Fresh;
use crate::{Conn, Result};
use jobs::recurrence::Occurrence;
use jobs::series::{FARTHEST, Located, Reached};
use jobs::{Code, Planned, Problem, ScheduleId};

/// What a local time means in a series.
#[derive(Clone, Debug, PartialEq)]
pub enum Named {
    /// An occurrence that has a row.
    Row(ScheduleId),
    /// One that has none yet, and its number.
    Early(Occurrence, i64),
    /// None that could be touched.
    No(Problem),
}

/// What is wrong with the id of a series where one of its occurrences is meant.
pub fn which_occurrence() -> Problem {
    let message = "the schedule recurs: expected the planned local time of the occurrence that is meant, such as \
                   2026-12-24T18:00:00, or the occurrence's own id as scheduleId";
    Problem::argument("plannedAtLocal", message)
}

/// What a local time means in a series that recurs. To be sure that it stays so, one locks the series first.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn name_occurrence(
    conn: &mut Conn,
    series: ScheduleId,
    planned: Planned,
) -> Result<Named> {
    let row = sqlx::query_scalar!(
        "select id from schedules where parent_schedule_id = $1 and planned_at_local = $2 and fold = $3",
        series.0,
        planned.at_local,
        i16::from(planned.fold)
    )
    .fetch_optional(&mut *conn)
    .await?;
    if let Some(id) = row {
        return Ok(Named::Row(ScheduleId(id)));
    }
    let row = sqlx::query!(
        r#"select q.rule, q.most, q.starts_at, q.expanded_to, q.made, s.timezone, s.recurrence_end_date, s.status,
                  now() as "now!"
           from schedule_series q join schedules s on s.id = q.schedule_id where q.schedule_id = $1"#,
        series.0
    )
    .fetch_optional(conn)
    .await?;
    let wrong = |message: String| Ok(Named::No(Problem::argument("plannedAtLocal", message)));
    let Some(row) = row else {
        return wrong("expected only with the id of a series: this schedule does not recur".into());
    };
    if row.status == "ended" {
        let problem = Problem::new(Code::Conflict, "The series has ended.");
        return Ok(Named::No(problem.at("scheduleId")));
    }
    let (starts, ends) = (row.starts_at, row.recurrence_end_date);
    let rule = super::read(row.rule, &row.timezone, starts, ends, row.most)?;
    let reached =
        Reached { expanded_to: row.expanded_to, made: u64::try_from(row.made).unwrap_or_default() };
    let said = format!("{} in {}", planned.at_local.format("%FT%T"), row.timezone);
    match rule.locate(reached, row.now, planned.at_local, planned.fold) {
        Located::Ahead(occurrence, number) => {
            Ok(Named::Early(occurrence, i64::try_from(number).unwrap_or(i64::MAX)))
        }
        Located::Passed(it) => {
            wrong(format!("{said} has passed: it was at {}", it.at.to_rfc3339()))
        }
        Located::Beyond => {
            let end = ends.map(|ends| format!("it ends at {}", ends.format("%FT%TZ")));
            let most = row.most.map(|most| format!("it has {most} occurrences in all"));
            let why: Vec<String> = [end, most].into_iter().flatten().collect();
            let why = why.join(", and ");
            wrong(format!("{said} comes after the last occurrence of the series: {why}"))
        }
        Located::TooFar => wrong(format!(
            "{said} is too far ahead: expected one of the next {FARTHEST} occurrences of the series"
        )),
        Located::Nowhere(near) => {
            let near: Vec<_> = near.iter().map(local).collect();
            wrong(match near.is_empty() {
                true => format!("{said} is no occurrence of the series"),
                false => format!(
                    "{said} is no occurrence of the series: expected one such as {}",
                    near.join(" or ")
                ),
            })
        }
    }
}

fn local(occurrence: &Occurrence) -> String {
    let planned = occurrence.planned.format("%FT%T");
    match occurrence.fold {
        0 => planned.to_string(),
        fold => format!("{planned} with fold {fold}"),
    }
}

/// Makes an occurrence of a locked series before its turn. The caller touches it in the same transaction.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn make_early(
    conn: &mut Conn,
    series: ScheduleId,
    id: ScheduleId,
    occurrence: &Occurrence,
    number: i64,
) -> Result<()> {
    let mut fresh = Fresh::default();
    fresh.add_one(id.0, series.0, number, occurrence);
    fresh.insert(conn).await.map(drop)
}
