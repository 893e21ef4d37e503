//! `occurrence.skip`, `occurrence.move`, `occurrence.edit`: one occurrence of a series, and not the series.
//!
//! **Invariant:** an occurrence keeps the local time that its series planned, so that it is not made again.

use chrono::{DateTime, Utc};

use super::series::said;
use super::settle::tell;
use super::update_schedule::{Change, change, lock_idle};
use crate::run::{Answer, Run, failed};
use jobs::kinds::{
    EditOccurrence, EditedOccurrence, MoveOccurrence, MovedOccurrence, SkipOccurrence,
    SkippedOccurrence,
};
use jobs::{Code, Failure, JobKind, Problem, ScheduleId};
use store::Claimed;
use store::schedules::{self, Entry, Locked, Move, Status};
use store::usage::{self, Ended};

/// Leaves an occurrence out.
pub(crate) async fn skip_occurrence(run: Run<SkipOccurrence>) -> Answer<SkipOccurrence> {
    let id = run.args.schedule_id;
    let (mut tx, schedule) = lock(&run, id, "skipped").await?;
    if schedule.status == Status::Skipped {
        let problem = Problem::new(Code::Conflict, "The occurrence is skipped already.");
        return Err(Failure::Dead(problem.at("scheduleId")));
    }
    let reason = said(&run, "Skipped", run.args.reason.as_deref());
    let entry = Entry { at: schedule.now, outcome: "skipped", message: &reason, attempt: None };
    let change = Move { reason: Some(&reason), entry: Some(entry), ..Move::to(Status::Skipped) };
    schedules::move_to(&mut tx, id, &change).await.map_err(failed)?;
    tell(&mut tx, &schedule, "post.skipped", &reason).await?;
    usage::end(&mut tx, id.0, Ended::Released).await.map_err(failed)?;
    run.end(tx, &SkippedOccurrence { schedule_id: id }).await
}

/// Gives an occurrence another time.
pub(crate) async fn move_occurrence(run: Run<MoveOccurrence>) -> Answer<MoveOccurrence> {
    let args = &run.args;
    let (mut tx, schedule) = lock(&run, args.schedule_id, "moved").await?;
    let wanted =
        Change { at: Some(args.at), timezone: args.timezone.as_deref(), ..Change::default() };
    let what = format!("Moved from {}", in_utc(schedule.scheduled_at));
    let scheduled_at = note_and(&run, &mut tx, &schedule, wanted, "moved", &what).await?;
    run.end(tx, &MovedOccurrence { schedule_id: schedule.id, scheduled_at }).await
}

/// Gives an occurrence other content.
pub(crate) async fn edit_occurrence(run: Run<EditOccurrence>) -> Answer<EditOccurrence> {
    let args = &run.args;
    let (mut tx, schedule) = lock(&run, args.schedule_id, "edited").await?;
    let wanted = Change { content_version_id: Some(args.content_version_id), ..Change::default() };
    note_and(&run, &mut tx, &schedule, wanted, "edited", "Given other content").await?;
    run.end(tx, &EditedOccurrence { schedule_id: schedule.id }).await
}

async fn lock<K: JobKind>(
    run: &Run<K>,
    id: ScheduleId,
    done: &str,
) -> Result<(Claimed, Locked), Failure> {
    let (tx, schedule) = lock_idle(run, run.organization()?, id, done).await?;
    if schedule.parent_schedule_id.is_none() {
        let message = format!(
            "The schedule is no occurrence of a series and cannot be {done} as one: use schedule.update \
             or schedule.cancel."
        );
        return Err(Failure::Dead(Problem::new(Code::Conflict, message).at("scheduleId")));
    }
    Ok((tx, schedule))
}

async fn note_and<K: JobKind>(
    run: &Run<K>,
    tx: &mut Claimed,
    schedule: &Locked,
    wanted: Change<'_>,
    outcome: &str,
    what: &str,
) -> Result<DateTime<Utc>, Failure> {
    let message = said(run, what, None);
    let entry = Entry { at: schedule.now, outcome, message: &message, attempt: None };
    schedules::note(tx, schedule.id, &entry).await.map_err(failed)?;
    tell(tx, schedule, &format!("post.{outcome}"), &message).await?;
    change(run, tx, schedule, wanted).await
}

fn in_utc(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
