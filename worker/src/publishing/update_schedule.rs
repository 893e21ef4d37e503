//! `schedule.update`: what, where or when of a schedule that has not gone out, or of what is ahead of a recurring
//! one (`update_series.rs`).
//!
//! Its jobs that wait are cancelled, and the clock turns it into new ones; while one of them
//! publishes, nothing can be changed. One that waits for an approval, a payment or its series
//! waits on.
//!
//! **Invariant:** jobs are locked before the schedule, as publishing does.

use chrono::{DateTime, NaiveDateTime, Utc};

use super::create_schedule::{ahead, may_publish};
use super::update_series::{recurs, update_series};
use crate::run::{Answer, Run, failed};
use jobs::kinds::{UpdateSchedule, UpdatedSchedule};
use jobs::{
    CatchUp, Code, ConnectionId, ContentVersionId, Failure, JobKind, OrganizationId, Problem,
    ScheduleId, wall_time,
};
use store::schedules::{self, Locked, NewSchedule, Status, Waiting};
use store::usage::{self, Metric};
use store::{Claimed, billing, content_requests, ledger};

/// Changes a schedule.
pub(crate) async fn update_schedule(run: Run<UpdateSchedule>) -> Answer<UpdateSchedule> {
    let args = &run.args;
    let organization = run.organization()?;
    if recurs(&run, args.schedule_id).await? {
        return update_series(run).await;
    }
    if args.recurrence.is_some() {
        let message = "only a schedule that recurs already can recur otherwise: create another one";
        return Err(Failure::Dead(Problem::argument("recurrence", message)));
    }
    let (mut tx, schedule) = lock_idle(&run, organization, args.schedule_id, "changed").await?;
    let wanted = Change {
        content_version_id: args.content_version_id,
        platform_connection_id: args.platform_connection_id,
        at: args.at,
        timezone: args.timezone.as_deref(),
        catch_up: args.catch_up.map(|policy| (policy, policy.secs(args.catch_up_window_secs))),
        max_retries: args.max_retries,
    };
    let scheduled_at = change(&run, &mut tx, &schedule, wanted).await?;
    run.end(tx, &UpdatedSchedule { schedule_id: schedule.id, scheduled_at }).await
}

/// What is to become of a schedule; what is absent stays as it is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Change<'a> {
    pub(super) content_version_id: Option<ContentVersionId>,
    pub(super) platform_connection_id: Option<ConnectionId>,
    pub(super) at: Option<NaiveDateTime>,
    pub(super) timezone: Option<&'a str>,
    pub(super) catch_up: Option<(CatchUp, i32)>,
    pub(super) max_retries: Option<u32>,
}

/// Changes a schedule that is locked and idle, and gives it a fresh start; answers its moment.
pub(super) async fn change<K: JobKind>(
    run: &Run<K>,
    tx: &mut Claimed,
    schedule: &Locked,
    wanted: Change<'_>,
) -> Result<DateTime<Utc>, Failure> {
    let organization = schedule.organization_id;
    let asked = wanted.at.is_some() || wanted.timezone.is_some();
    let wall_time = wanted.at.unwrap_or(schedule.wall_time);
    let timezone = wanted.timezone.unwrap_or(&schedule.timezone);
    let zone = wall_time::zone(timezone).map_err(Failure::Dead)?;
    // An occurrence in the second pass of a repeated time is where its series planned it.
    let scheduled_at =
        if asked { wall_time::moment(wall_time, zone) } else { schedule.scheduled_at };
    if asked || schedule.status != Status::Scheduled {
        ahead(scheduled_at, schedule.now).map_err(Failure::Dead)?;
    }
    let content_version_id = wanted.content_version_id.unwrap_or(schedule.content_version_id);
    let platform_connection_id =
        wanted.platform_connection_id.unwrap_or(schedule.platform_connection_id);
    let still_held =
        check(tx, schedule, organization, content_version_id, platform_connection_id).await?;
    if wanted.content_version_id.is_some() || wanted.platform_connection_id.is_some() {
        may_publish(tx, organization, content_version_id, platform_connection_id).await?;
    }
    let max_retries = wanted
        .max_retries
        .map_or(schedule.max_retries, |retries| i32::try_from(retries).unwrap_or(i32::MAX));
    let (catch_up, catch_up_secs) =
        wanted.catch_up.unwrap_or((schedule.catch_up, schedule.catch_up_secs));
    let new = NewSchedule {
        id: schedule.id,
        organization_id: organization,
        content_version_id,
        platform_connection_id,
        scheduled_at,
        wall_time,
        timezone,
        max_retries,
        catch_up,
        catch_up_secs,
        created_by: &run.job.actor,
    };
    schedules::reschedule(tx, &new, asked).await.map_err(failed)?;
    if let Some((code, reason)) = still_held {
        let id = schedule.id;
        if code == Code::NotApproved {
            schedules::await_approval(tx, id, &reason, None).await.map_err(failed)?;
        } else if billing::share_hold(tx, organization).await.map_err(failed)?.is_some() {
            // Paid just now, it would go out at its new time.
            schedules::await_payment(tx, id, &reason, None).await.map_err(failed)?;
        }
    }
    if let Some(series) = schedule.parent_schedule_id {
        if schedules::awaits_its_series(tx, series).await.map_err(failed)? {
            let (ids, reason) = ([schedule.id], "The series is paused.");
            let waits = schedules::wait_for_series(tx, &ids, Waiting::Begins, reason);
            waits.await.map_err(failed)?;
        }
        schedules::count_again(tx, schedule.id, scheduled_at).await.map_err(failed)?;
    } else if matches!(schedule.status, Status::Missed | Status::Skipped) {
        // It was given back. Last, because others of the organization wait for its lock.
        let metric = Metric::ScheduledPosts;
        let reserved = usage::reserve(tx, organization, metric, schedule.id.0, None).await;
        if let Some(problem) = reserved.map_err(failed)?.refusal(metric) {
            return Err(Failure::Dead(problem));
        }
    }
    Ok(scheduled_at)
}

/// Checks that a changed schedule may go out; answers why it waits on, where it does.
async fn check(
    tx: &mut Claimed,
    schedule: &Locked,
    organization: OrganizationId,
    version: ContentVersionId,
    connection: ConnectionId,
) -> Result<Option<(Code, String)>, Failure> {
    content_requests::share(tx, version).await.map_err(failed)?;
    let checked = schedules::check_publishable(tx, organization, version, connection);
    let waits = schedule.awaits_approval || schedule.awaits_payment;
    match checked.await.map_err(failed)? {
        Ok(_) => Ok(None),
        // What waits for an approval or a payment may be moved while it waits.
        Err(problem)
            if problem.code == Code::NotApproved
                && waits
                && version == schedule.content_version_id =>
        {
            let reason = schedule.status_reason.clone().filter(|_| schedule.awaits_approval);
            Ok(Some((problem.code, reason.unwrap_or(problem.message))))
        }
        Err(problem) if problem.code == Code::PaymentRequired && waits => {
            Ok(Some((problem.code, problem.message)))
        }
        Err(problem) => Err(Failure::Dead(problem)),
    }
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
        Status::Active | Status::Paused => no("recurs: its occurrences go out. It"),
        Status::Ended => no("has ended"),
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
                    | Status::Active
                    | Status::Paused
                    | Status::Ended
            );
            let answer = changeable(status, "changed");
            assert_eq!(answer.is_err(), out, "{status}");
            assert!(answer.err().is_none_or(|problem| problem.code == Code::Conflict));
        }
    }
}
