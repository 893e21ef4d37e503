//! `occurrence.skip`, `occurrence.move`, `occurrence.edit`: one occurrence of a series, and not the series.
//!
//! One that is not made yet is made under the lock of its series, in the transaction that touches it.
//!
//! **Invariant:** an occurrence keeps the local time that its series planned, so that it is not made again.

use chrono::{DateTime, NaiveDateTime, Utc};

use super::series::said;
use super::settle::{self, tell};
use super::update_schedule::{Change, change, lock_idle};
use super::update_series::recurs;
use crate::run::{Answer, Run, failed};
use jobs::kinds::{
    EditOccurrence, EditedOccurrence, MoveOccurrence, MovedOccurrence, SkipOccurrence,
    SkippedOccurrence,
};
use jobs::{Code, Failure, JobKind, Planned, Problem, ScheduleId};
use store::Claimed;
use store::schedules::{self, Entry, Locked, Move, Named, Status};
use store::usage::{self, Ended};

/// Leaves an occurrence out.
pub(crate) async fn skip_occurrence(run: Run<SkipOccurrence>) -> Answer<SkipOccurrence> {
    let args = &run.args;
    let named = (args.schedule_id, args.planned_at_local, args.fold);
    let (mut tx, schedule) = lock(&run, named, "skipped").await?;
    let id = schedule.id;
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
    let named = (args.schedule_id, args.planned_at_local, args.fold);
    let (mut tx, schedule) = lock(&run, named, "moved").await?;
    let wanted =
        Change { at: Some(args.at), timezone: args.timezone.as_deref(), ..Change::default() };
    let what = format!("Moved from {}", in_utc(schedule.scheduled_at));
    let scheduled_at = note_and(&run, &mut tx, &schedule, wanted, "moved", &what).await?;
    run.end(tx, &MovedOccurrence { schedule_id: schedule.id, scheduled_at }).await
}

/// Gives an occurrence other content.
pub(crate) async fn edit_occurrence(run: Run<EditOccurrence>) -> Answer<EditOccurrence> {
    let args = &run.args;
    let named = (args.schedule_id, args.planned_at_local, args.fold);
    let (mut tx, schedule) = lock(&run, named, "edited").await?;
    let wanted = Change { content_version_id: Some(args.content_version_id), ..Change::default() };
    note_and(&run, &mut tx, &schedule, wanted, "edited", "Given other content").await?;
    run.end(tx, &EditedOccurrence { schedule_id: schedule.id }).await
}

/// How often an occurrence is looked for anew because its series was changed in between.
const RACES: usize = 5;

/// Locks the occurrence that has this id, or that the series with this id plans at a local time.
async fn lock<K: JobKind>(
    run: &Run<K>,
    (id, at_local, fold): (ScheduleId, Option<NaiveDateTime>, Option<u8>),
    done: &str,
) -> Result<(Claimed, Locked), Failure> {
    let organization = run.organization()?;
    let Some(planned) = Planned::read(at_local, fold).map_err(Failure::Dead)? else {
        if recurs(run, id).await? {
            return Err(Failure::Dead(schedules::which_occurrence()));
        }
        let (tx, schedule) = lock_idle(run, organization, id, done).await?;
        if schedule.parent_schedule_id.is_none() {
            let message = format!(
                "The schedule is no occurrence of a series and cannot be {done} as one: use schedule.update \
                 or schedule.cancel."
            );
            return Err(Failure::Dead(Problem::new(Code::Conflict, message).at("scheduleId")));
        }
        return Ok((tx, schedule));
    };
    for _ in 0..RACES {
        let mut tx = run.begin().await?;
        settle::lock(&mut tx, organization, id).await?;
        match schedules::name_occurrence(&mut tx, id, planned).await.map_err(failed)? {
            Named::No(problem) => return Err(Failure::Dead(problem)),
            Named::Early(occurrence, number) => {
                let early = ScheduleId(run.job.id.derive("occurrence"));
                let made = schedules::make_early(&mut tx, id, early, &occurrence, number);
                made.await.map_err(failed)?;
                let schedule = settle::lock(&mut tx, organization, early).await?;
                return Ok((tx, schedule));
            }
            Named::Row(row) => {
                // Its jobs are locked before it.
                drop(tx);
                match lock_idle(run, organization, row, done).await {
                    // A change of the series has deleted it, to be made anew.
                    Err(Failure::Dead(problem)) if problem.code == Code::NotFound => {}
                    locked => return locked,
                }
            }
        }
    }
    Err(Failure::Retry(Problem::new(Code::Conflict, "the series is being changed right now")))
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
