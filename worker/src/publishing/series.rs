//! What the handlers of recurring schedules share: the locks.
//!
//! **Invariant:** a series is changed only while nobody expands it, and its occurrences while nobody plans them.

use serde_json::json;

use super::settle;
use crate::run::{Run, failed};
use jobs::{Code, Failure, JobKind, Problem, ScheduleId};
use store::schedules::series::{self, LockedSeries};
use store::schedules::{self, Ahead, Locked, Status};
use store::{Claimed, events, ledger};

/// How often a series is locked anew because the clock planned its occurrences in between.
const RACES: usize = 5;

/// A series that is locked, with what is ahead of it.
pub(super) struct Held {
    /// Its row among the schedules.
    pub(super) schedule: Locked,
    /// What makes it recur.
    pub(super) series: LockedSeries,
    /// Its occurrences that wait to go out and that nobody is publishing; none of their jobs is left.
    pub(super) waiting: Vec<Ahead>,
}

/// Locks a series that has not ended, and cancels the jobs of its occurrences that wait. `done` says what was to
/// be done to it.
pub(super) async fn lock<K: JobKind>(
    run: &Run<K>,
    id: ScheduleId,
    done: &str,
) -> Result<(Claimed, Held), Failure> {
    let organization = run.organization()?;
    let mut unattended = Vec::new();
    for _ in 0..RACES {
        let mut tx = run.begin().await?;
        let jobs = schedules::series_jobs(&mut tx, id).await.map_err(failed)?;
        let schedule = settle::lock(&mut tx, organization, id).await?;
        let Some(series) = series::lock(&mut tx, id).await.map_err(failed)? else {
            let message = format!("The schedule does not recur and cannot be {done}.");
            return Err(Failure::Dead(Problem::new(Code::Conflict, message).at("scheduleId")));
        };
        if schedule.status == Status::Ended {
            let message = format!("The series has ended and cannot be {done}.");
            return Err(Failure::Dead(Problem::new(Code::Conflict, message).at("scheduleId")));
        }
        let mut waiting = schedules::lock_ahead(&mut tx, id).await.map_err(failed)?;
        let publishes =
            |one: &Ahead| jobs.iter().any(|job| job.publishes && job.schedule_id == one.id);
        let loose: Vec<ScheduleId> = waiting
            .iter()
            .filter(|one| one.status == Status::Scheduled && one.is_planned && !publishes(one))
            .map(|one| one.id)
            .collect();
        if loose.iter().any(|one| !unattended.contains(one)) {
            // Planned after their jobs were looked for, or their jobs are gone: the next look tells.
            unattended = loose;
            continue;
        }
        // What a worker is at goes its way.
        waiting.retain(|one| {
            !jobs.iter().any(|job| job.publishes && job.running && job.schedule_id == one.id)
        });
        for job in jobs.iter().filter(|job| waiting.iter().any(|one| one.id == job.schedule_id)) {
            let reason = format!("the series was {done}");
            ledger::cancel(&mut tx, Some(organization), job.id, &reason).await.map_err(failed)?;
        }
        return Ok((tx, Held { schedule, series, waiting }));
    }
    Err(Failure::Retry(Problem::new(Code::Conflict, "the series is being planned right now")))
}

/// Tells the people of the organization what became of a series.
pub(super) async fn tell(
    tx: &mut Claimed,
    schedule: &Locked,
    event: &str,
    message: &str,
) -> Result<(), Failure> {
    let data = json!({ "scheduleId": schedule.id });
    let (organization, id) = (schedule.organization_id, schedule.id.0);
    events::record(tx, organization, event, "schedule", id, message, data).await.map_err(failed)
}

/// What was done, by whom and why.
pub(super) fn said<K: JobKind>(run: &Run<K>, what: &str, reason: Option<&str>) -> String {
    let by = match run.job.actor.as_str() {
        "" => format!("{what} on request."),
        actor => format!("{what} by {actor}."),
    };
    match reason.map(str::trim).filter(|reason| !reason.is_empty()) {
        Some(reason) => format!("{by} {reason}"),
        None => by,
    }
}
