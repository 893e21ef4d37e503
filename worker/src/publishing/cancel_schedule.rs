//! `schedule.cancel`: a schedule that has not gone out never will.
//!
//! **Invariant:** what may be out is not cancelled but resolved; what is cancelled no longer counts.

use super::update_schedule::lock_idle;
use crate::run::{Answer, Run, failed};
use jobs::kinds::{CancelSchedule, CancelledSchedule};
use store::schedules::{self, Entry, Move, Status};
use store::usage::{self, Ended};

/// Cancels a schedule.
pub(crate) async fn cancel_schedule(run: Run<CancelSchedule>) -> Answer<CancelSchedule> {
    let organization = run.organization()?;
    let id = run.args.schedule_id;
    let (mut tx, schedule) = lock_idle(&run, organization, id, "cancelled").await?;
    let reason = match run.args.reason.as_deref().map(str::trim) {
        Some(reason) if !reason.is_empty() => reason.to_owned(),
        _ if run.job.actor.is_empty() => "Cancelled on request.".to_owned(),
        _ => format!("Cancelled by {}.", run.job.actor),
    };
    let entry = Entry { at: schedule.now, outcome: "cancelled", message: &reason, attempt: None };
    let change = Move { reason: Some(&reason), entry: Some(entry), ..Move::to(Status::Cancelled) };
    schedules::move_to(&mut tx, id, &change).await.map_err(failed)?;
    usage::end(&mut tx, id.0, Ended::Released).await.map_err(failed)?;
    run.end(tx, &CancelledSchedule { schedule_id: id }).await
}
