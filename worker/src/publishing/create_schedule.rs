//! `schedule.create`: one content version to one account at one moment.
//!
//! It counts from now on: cancelling it gives it back, and what fails may be tried again.
//!
//! **Invariant:** the moment lies ahead by the database's clock when the schedule is made, and the
//! content is approved where that is required.

use chrono::{DateTime, Utc};

use crate::run::{Answer, Run, failed};
use jobs::kinds::{CreateSchedule, CreatedSchedule};
use jobs::{
    Code, ConnectionId, ContentVersionId, Failure, OrganizationId, Problem, ScheduleId, wall_time,
};
use store::schedules::{self, NewSchedule};
use store::usage::{self, Metric};
use store::{Claimed, content_requests};

/// Makes a schedule.
pub(crate) async fn create_schedule(run: Run<CreateSchedule>) -> Answer<CreateSchedule> {
    let args = &run.args;
    let organization = run.organization()?;
    let zone = wall_time::zone(&args.timezone).map_err(Failure::Dead)?;
    let scheduled_at = wall_time::moment(args.at, zone);
    let mut tx = run.begin().await?;
    ahead(scheduled_at, store::now(&mut tx).await.map_err(failed)?).map_err(Failure::Dead)?;
    content_requests::share(&mut tx, args.content_version_id).await.map_err(failed)?;
    schedules::check_publishable(
        &mut tx,
        organization,
        args.content_version_id,
        args.platform_connection_id,
    )
    .await
    .map_err(failed)?
    .map_err(Failure::Dead)?;
    may_publish(&mut tx, organization, args.content_version_id, args.platform_connection_id)
        .await?;
    let id = ScheduleId(run.job.id.derive("schedule"));
    let new = NewSchedule {
        id,
        organization_id: organization,
        content_version_id: args.content_version_id,
        platform_connection_id: args.platform_connection_id,
        scheduled_at,
        wall_time: args.at,
        timezone: &args.timezone,
        max_retries: i32::try_from(args.max_retries).unwrap_or(i32::MAX),
        created_by: &run.job.actor,
    };
    schedules::insert(&mut tx, &new).await.map_err(failed)?;
    // Last, because others of the organization wait for its lock.
    let reserved = usage::reserve(&mut tx, organization, Metric::ScheduledPosts, id.0, None).await;
    if let Some(problem) = reserved.map_err(failed)?.refusal(Metric::ScheduledPosts) {
        return Err(Failure::Dead(problem));
    }
    run.end(tx, &CreatedSchedule { schedule_id: id, scheduled_at }).await
}

/// Refuses an account that was connected without the rights that the post needs.
///
/// # Errors
/// Dead, naming them.
pub(super) async fn may_publish(
    tx: &mut Claimed,
    organization: OrganizationId,
    version: ContentVersionId,
    connection: ConnectionId,
) -> Result<(), Failure> {
    let rights = schedules::rights(tx, organization, version, connection).await.map_err(failed)?;
    rights.map_err(|message| {
        let problem = Problem::new(Code::AccountDisconnected, message);
        Failure::Dead(problem.at("platformConnectionId"))
    })
}

/// Whether a moment lies ahead.
pub(super) fn ahead(moment: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), Problem> {
    if moment > now {
        return Ok(());
    }
    Err(Problem::argument(
        "at",
        format!(
            "{} has passed: expected a moment in the future",
            moment.format("%Y-%m-%dT%H:%M:%SZ")
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_that_has_passed_is_refused_by_name() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("a valid time");
        assert_eq!(ahead(now + chrono::TimeDelta::seconds(1), now), Ok(()));
        let problem = ahead(now, now).expect_err("now is not ahead");
        assert_eq!(problem.field.as_deref(), Some("args.at"));
        assert!(problem.message.starts_with("2027-01-15T08:00:00Z has passed"), "{problem}");
    }
}
