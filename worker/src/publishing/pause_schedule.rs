//! `schedule.pause`: the occurrences of a series wait until it is resumed.
//!
//! **Invariant:** what a worker is publishing goes its way; nothing else goes out of a paused series.

use super::series::{lock, said, tell};
use crate::run::{Answer, Run, failed};
use jobs::kinds::{PauseSchedule, PausedSchedule};
use jobs::{Code, Failure, Problem};
use store::schedules::{self, Status, Waiting, series};

/// Pauses a series.
pub(crate) async fn pause_schedule(run: Run<PauseSchedule>) -> Answer<PauseSchedule> {
    let id = run.args.schedule_id;
    let (mut tx, held) = lock(&run, id, "paused").await?;
    if held.schedule.status == Status::Paused {
        let problem = Problem::new(Code::Conflict, "The series is paused already.");
        return Err(Failure::Dead(problem.at("scheduleId")));
    }
    let reason = said(&run, "Paused", run.args.reason.as_deref());
    let waiting: Vec<_> = held
        .waiting
        .iter()
        .filter(|one| one.status == Status::Scheduled || one.waits)
        .map(|one| one.id)
        .collect();
    let why = format!("Its series waits. {reason}");
    schedules::wait_for_series(&mut tx, &waiting, Waiting::Begins, &why).await.map_err(failed)?;
    series::stop(&mut tx, id, Status::Paused, &reason).await.map_err(failed)?;
    tell(&mut tx, &held.schedule, "schedule.paused", &reason).await?;
    let waiting = i64::try_from(waiting.len()).unwrap_or(i64::MAX);
    run.end(tx, &PausedSchedule { schedule_id: id, waiting }).await
}
