//! `schedule.cancel`: a schedule that has not gone out never will; a recurring one ends, and nothing more of it
//! goes out.
//!
//! **Invariant:** what may be out is not cancelled but resolved; what is cancelled no longer counts.

use super::series;
use super::update_schedule::lock_idle;
use super::update_series::recurs;
use crate::run::{Answer, Run, failed};
use jobs::kinds::{CancelSchedule, CancelledSchedule};
use store::schedules::{self, Entry, Move, Status};
use store::usage::{self, Ended};

/// Cancels a schedule.
pub(crate) async fn cancel_schedule(run: Run<CancelSchedule>) -> Answer<CancelSchedule> {
    let organization = run.organization()?;
    let id = run.args.schedule_id;
    let reason = match run.args.reason.as_deref().map(str::trim) {
        Some(reason) if !reason.is_empty() => reason.to_owned(),
        _ if run.job.actor.is_empty() => "Cancelled on request.".to_owned(),
        _ => format!("Cancelled by {}.", run.job.actor),
    };
    if recurs(&run, id).await? {
        return end_series(run, &reason).await;
    }
    let (mut tx, schedule) = lock_idle(&run, organization, id, "cancelled").await?;
    let entry = Entry { at: schedule.now, outcome: "cancelled", message: &reason, attempt: None };
    let change = Move { reason: Some(&reason), entry: Some(entry), ..Move::to(Status::Cancelled) };
    schedules::move_to(&mut tx, id, &change).await.map_err(failed)?;
    usage::end(&mut tx, id.0, Ended::Released).await.map_err(failed)?;
    run.end(tx, &CancelledSchedule { schedule_id: id }).await
}

async fn end_series(run: Run<CancelSchedule>, reason: &str) -> Answer<CancelSchedule> {
    let id = run.args.schedule_id;
    let (mut tx, held) = series::lock(&run, id, "cancelled").await?;
    let waiting = held.waiting.iter().filter(|one| one.status != Status::Skipped);
    let waiting: Vec<_> = waiting.map(|one| one.id).collect();
    for occurrence in &waiting {
        let at = held.schedule.now;
        let entry = Entry { at, outcome: "cancelled", message: reason, attempt: None };
        let change =
            Move { reason: Some(reason), entry: Some(entry), ..Move::to(Status::Cancelled) };
        schedules::move_to(&mut tx, *occurrence, &change).await.map_err(failed)?;
    }
    schedules::series::stop(&mut tx, id, Status::Ended, reason).await.map_err(failed)?;
    series::tell(&mut tx, &held.schedule, "schedule.ended", reason).await?;
    let waiting: Vec<_> = waiting.iter().map(|id| id.0).collect();
    usage::release(&mut tx, &waiting).await.map_err(failed)?;
    run.end(tx, &CancelledSchedule { schedule_id: id }).await
}
