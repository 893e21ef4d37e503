//! `schedule.update`: what, where or when of a schedule that has not gone out.
//!
//! Its jobs that wait are cancelled, and the clock turns it into new ones; while one of them
//! publishes, nothing can be changed. One that waits for an approval or a payment
//! waits on.
//!
//! **Invariant:** jobs are locked before the schedule, as publishing does.

use super::create_schedule::{ahead, may_publish};
use crate::run::{Answer, Run, failed};
use jobs::kinds::{UpdateSchedule, UpdatedSchedule};
use jobs::{Code, Failure, JobKind, OrganizationId, Problem, ScheduleId, wall_time};
use store::schedules::{self, Locked, NewSchedule, Status};
use store::{Claimed, billing, content_requests, ledger};

/// Changes a schedule.
pub(crate) async fn update_schedule(run: Run<UpdateSchedule>) -> Answer<UpdateSchedule> {
    let args = &run.args;
    let organization = run.organization()?;
    let (mut tx, schedule) = lock_idle(&run, organization, args.schedule_id, "changed").await?;
    let asked = args.at.is_some() || args.timezone.is_some();
    let wall_time = args.at.unwrap_or(schedule.wall_time);
    let timezone = args.timezone.as_deref().unwrap_or(&schedule.timezone);
    let zone = wall_time::zone(timezone).map_err(Failure::Dead)?;
    let scheduled_at = wall_time::moment(wall_time, zone);
    if asked || schedule.status != Status::Scheduled {
        ahead(scheduled_at, schedule.now).map_err(Failure::Dead)?;
    }
    let content_version_id = args.content_version_id.unwrap_or(schedule.content_version_id);
    let platform_connection_id =
        args.platform_connection_id.unwrap_or(schedule.platform_connection_id);
    content_requests::share(&mut tx, content_version_id).await.map_err(failed)?;
    let checked = schedules::check_publishable(
        &mut tx,
        organization,
        content_version_id,
        platform_connection_id,
    );
    let waits = schedule.awaits_approval || schedule.awaits_payment;
    let still_held = match checked.await.map_err(failed)? {
        Ok(_) => None,
        // What waits for an approval or a payment may be moved while it waits.
        Err(problem)
            if problem.code == Code::NotApproved
                && waits
                && content_version_id == schedule.content_version_id =>
        {
            let reason = schedule.status_reason.filter(|_| schedule.awaits_approval);
            Some((problem.code, reason.unwrap_or(problem.message)))
        }
        Err(problem) if problem.code == Code::PaymentRequired && waits => {
            Some((problem.code, problem.message))
        }
        Err(problem) => return Err(Failure::Dead(problem)),
    };
    if args.content_version_id.is_some() || args.platform_connection_id.is_some() {
        may_publish(&mut tx, organization, content_version_id, platform_connection_id).await?;
    }
    let max_retries = args
        .max_retries
        .map_or(schedule.max_retries, |retries| i32::try_from(retries).unwrap_or(i32::MAX));
    let new = NewSchedule {
        id: schedule.id,
        organization_id: organization,
        content_version_id,
        platform_connection_id,
        scheduled_at,
        wall_time,
        timezone,
        max_retries,
        created_by: &run.job.actor,
    };
    schedules::reschedule(&mut tx, &new).await.map_err(failed)?;
    match still_held {
        None => {}
        Some((Code::NotApproved, reason)) => {
            schedules::await_approval(&mut tx, schedule.id, &reason, None).await.map_err(failed)?;
        }
        Some((_, reason)) => wait_for_payment(&mut tx, organization, schedule.id, &reason).await?,
    }
    run.end(tx, &UpdatedSchedule { schedule_id: schedule.id, scheduled_at }).await
}

/// Makes a schedule wait on for a payment; paid just now, it goes out at its new time.
async fn wait_for_payment(
    tx: &mut Claimed,
    organization: OrganizationId,
    id: ScheduleId,
    reason: &str,
) -> Result<(), Failure> {
    if billing::share_hold(tx, organization).await.map_err(failed)?.is_none() {
        return Ok(());
    }
    schedules::await_payment(tx, id, reason, None).await.map_err(failed)
}

/// How often a schedule is locked anew because the clock planned its jobs in between.
const RACES: usize = 5;

/// Locks a schedule that nobody is publishing and that has not gone out, and cancels its jobs that
/// wait. `done` says what was to be done to it.
pub(super) async fn lock_idle<K: JobKind>(
    run: &Run<K>,
    organization: OrganizationId,
    id: ScheduleId,
    done: &str,
) -> Result<(Claimed, Locked), Failure> {
    let mut unattended = None;
    for _ in 0..RACES {
        let mut tx = run.begin().await?;
        let jobs = schedules::live_jobs(&mut tx, id).await.map_err(failed)?;
        let schedule = super::settle::lock(&mut tx, organization, id).await?;
        changeable(schedule.status, done).map_err(Failure::Dead)?;
        if jobs.iter().any(|job| job.publishes && job.running) {
            return Err(Failure::Dead(being_published(done)));
        }
        let planned = schedule.publish_planned_at.filter(|_| schedule.status == Status::Scheduled);
        if planned != unattended && !jobs.iter().any(|job| job.publishes) {
            // Planned after its jobs were looked for, or its job is gone: the next look tells.
            unattended = planned;
            continue;
        }
        for job in jobs {
            let reason = format!("the schedule was {done}");
            ledger::cancel(&mut tx, Some(organization), job.id, &reason).await.map_err(failed)?;
        }
        return Ok((tx, schedule));
    }
    Err(Failure::Retry(Problem::new(Code::Conflict, "the schedule is being planned right now")))
}

fn being_published(done: &str) -> Problem {
    Problem::new(
        Code::Conflict,
        format!("The schedule is being published right now and cannot be {done}."),
    )
    .at("scheduleId")
}

fn changeable(status: Status, done: &str) -> Result<(), Problem> {
    let no = |why: &str| {
        let message = format!("The schedule {why} and cannot be {done}.");
        Err(Problem::new(Code::Conflict, message).at("scheduleId"))
    };
    match status {
        Status::Scheduled | Status::OnHold | Status::Failed | Status::Missed | Status::Skipped => {
            Ok(())
        }
        Status::Publishing | Status::AwaitingPlatform => Err(being_published(done)),
        Status::Published => no("is published"),
        Status::Unconfirmed => no("may be published"),
        Status::Cancelled => no("was cancelled"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_or_may_be_is_not_changed() {
        for status in Status::ALL {
            let out = matches!(
                status,
                Status::Publishing
                    | Status::AwaitingPlatform
                    | Status::Published
                    | Status::Unconfirmed
                    | Status::Cancelled
            );
            let answer = changeable(status, "changed");
            assert_eq!(answer.is_err(), out, "{status}");
            assert!(answer.err().is_none_or(|problem| problem.code == Code::Conflict));
        }
    }
}
