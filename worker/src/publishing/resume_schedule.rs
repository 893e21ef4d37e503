//! `schedule.resume`: what is ahead of a paused series goes out again.
//!
//! **Invariant:** what fell into the pause never goes out, and does not count among the occurrences that there
//! are in all.

use super::series::{lock, said, tell};
use crate::run::{Answer, Run, failed};
use jobs::kinds::{ResumeSchedule, ResumedSchedule};
use jobs::{Code, Failure, Problem};
use store::schedules::{self, Entry, Move, Status, Waiting, series};
use store::usage;

/// Why an occurrence is left out.
const PAUSED: &str = "Its series was paused at its time.";

/// Resumes a series.
pub(crate) async fn resume_schedule(run: Run<ResumeSchedule>) -> Answer<ResumeSchedule> {
    let id = run.args.schedule_id;
    let (mut tx, held) = lock(&run, id, "resumed").await?;
    if held.schedule.status != Status::Paused {
        let problem = Problem::new(Code::Conflict, "The series is not paused.");
        return Err(Failure::Dead(problem.at("scheduleId")));
    }
    let waited = held.waiting.iter().filter(|one| one.waits_for_series);
    let (past, ahead): (Vec<_>, Vec<_>) = waited.partition(|one| one.is_past);
    let made = past.iter().filter(|one| one.is_made).map(|one| one.id).collect::<Vec<_>>();
    let past: Vec<_> = past.into_iter().map(|one| one.id).collect();
    let ahead: Vec<_> = ahead.into_iter().map(|one| one.id).collect();
    for occurrence in &past {
        let at = held.schedule.now;
        let entry = Entry { at, outcome: "skipped", message: PAUSED, attempt: None };
        let change = Move { reason: Some(PAUSED), entry: Some(entry), ..Move::to(Status::Skipped) };
        schedules::move_to(&mut tx, *occurrence, &change).await.map_err(failed)?;
    }
    schedules::wait_for_series(&mut tx, &ahead, Waiting::Ends, "").await.map_err(failed)?;
    let count = |ids: &[_]| i64::try_from(ids.len()).unwrap_or(i64::MAX);
    let (resumed, skipped) = (count(&ahead), count(&past));
    series::go_on(&mut tx, id, count(&made)).await.map_err(failed)?;
    let message = said(&run, "Resumed", None);
    tell(&mut tx, &held.schedule, "schedule.resumed", &message).await?;
    let past: Vec<_> = past.iter().map(|one| one.0).collect();
    usage::release(&mut tx, &past).await.map_err(failed)?;
    run.end(tx, &ResumedSchedule { schedule_id: id, resumed, skipped }).await
}
