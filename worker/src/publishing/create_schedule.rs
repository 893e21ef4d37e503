//! `schedule.create`: one content version to one account at one moment, or again and again.
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
use std::collections::BTreeSet;
use store::schedules::series::{self, NewSeries};
use store::schedules::{self, NewSchedule};
use store::usage::{self, Metric};
use store::{Claimed, content_requests};

/// Makes a schedule.
pub(crate) async fn create_schedule(run: Run<CreateSchedule>) -> Answer<CreateSchedule> {
    let args = &run.args;
    let organization = run.organization()?;
    let zone = wall_time::zone(&args.timezone).map_err(Failure::Dead)?;
    let mut tx = run.begin().await?;
    let now = store::now(&mut tx).await.map_err(failed)?;
    let asked = args.at.map(|at| wall_time::moment(at, zone));
    if let Some(asked) = asked {
        ahead(asked, now).map_err(Failure::Dead)?;
    }
    let begun = match &args.recurrence {
        None => None,
        Some(it) => Some((it, it.begin(zone, asked.unwrap_or(now)).map_err(Failure::Dead)?)),
    };
    let versions = match args.recurrence.as_ref().and_then(|it| it.content_version_ids.clone()) {
        Some(versions) => versions,
        None => vec![args.content_version_id],
    };
    publishable(&mut tx, organization, &versions, args.platform_connection_id).await?;
    for version in versions.iter().collect::<BTreeSet<_>>() {
        may_publish(&mut tx, organization, *version, args.platform_connection_id).await?;
    }
    let id = ScheduleId(run.job.id.derive("schedule"));
    let first = begun.as_ref().map(|(_, begun)| begun.first);
    let (Some(scheduled_at), Some(wall_time)) = (
        first.map(|first| first.at.to_utc()).or(asked),
        first.map(|first| first.planned).or(args.at),
    ) else {
        let message = "expected a wall time, or a recurrence";
        return Err(Failure::Dead(Problem::argument("at", message)));
    };
    let new = NewSchedule {
        id,
        organization_id: organization,
        content_version_id: args.content_version_id,
        platform_connection_id: args.platform_connection_id,
        scheduled_at,
        wall_time,
        timezone: &args.timezone,
        max_retries: i32::try_from(args.max_retries).unwrap_or(i32::MAX),
        catch_up: args.catch_up,
        catch_up_secs: args.catch_up.secs(args.catch_up_window_secs),
        created_by: &run.job.actor,
    };
    if let Some((recurrence, begun)) = begun {
        let series = NewSeries {
            rule: &recurrence.rule,
            ends_at: begun.ends_at,
            most: recurrence.count,
            versions: &versions,
            starts_at: asked.unwrap_or(now),
        };
        // Its occurrences count, each in its own period.
        series::insert(&mut tx, &new, &series).await.map_err(failed)?;
        return run.end(tx, &CreatedSchedule { schedule_id: id, scheduled_at }).await;
    }
    schedules::insert(&mut tx, &new).await.map_err(failed)?;
    // Last, because others of the organization wait for its lock.
    let reserved = usage::reserve(&mut tx, organization, Metric::ScheduledPosts, id.0, None).await;
    if let Some(problem) = reserved.map_err(failed)?.refusal(Metric::ScheduledPosts) {
        return Err(Failure::Dead(problem));
    }
    run.end(tx, &CreatedSchedule { schedule_id: id, scheduled_at }).await
}

/// Checks that each of these versions may go out on the account, and keeps them as they are.
pub(super) async fn publishable(
    tx: &mut Claimed,
    organization: OrganizationId,
    versions: &[ContentVersionId],
    connection: ConnectionId,
) -> Result<(), Failure> {
    // Locks are taken in one order.
    for version in versions.iter().collect::<BTreeSet<_>>() {
        content_requests::share(tx, *version).await.map_err(failed)?;
    }
    for (nth, version) in versions.iter().enumerate() {
        let checked = schedules::check_publishable(tx, organization, *version, connection);
        checked.await.map_err(failed)?.map_err(|problem| Failure::Dead(in_turn(problem, nth)))?;
    }
    Ok(())
}

/// A problem with the version that is the nth of those that take turns.
fn in_turn(problem: Problem, nth: usize) -> Problem {
    match problem.field.as_deref() {
        Some("args.contentVersionId") if nth > 0 => {
            problem.at(&format!("recurrence.contentVersionIds[{nth}]"))
        }
        _ => problem,
    }
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
