//! `schedule.update` of a recurring schedule: what is ahead is planned anew.
//!
//! Occurrences that nothing ever happened to are made again. One that a person skipped, moved or edited stays as
//! it was left where the changed series has it, too; where it has not, it is cancelled.
//!
//! **Invariant:** what has passed, and what a worker is publishing, stays as it is.

use chrono::TimeDelta;

use super::create_schedule::{ahead, publishable};
use super::series::{Held, lock, said, tell};
use crate::run::{Answer, Run, failed};
use jobs::kinds::{UpdateSchedule, UpdatedSchedule};
use jobs::series::{Reached, Series};
use jobs::{Begun, Failure, JobKind, Problem, Recurrence, ScheduleId, wall_time};
use store::schedules::series::{self, NewSeries};
use store::schedules::{self, Ahead, Entry, Move, NewSchedule, Place, Status};
use store::{Claimed, usage};

/// Whether a schedule recurs, which never changes.
pub(super) async fn recurs<K: JobKind>(run: &Run<K>, id: ScheduleId) -> Result<bool, Failure> {
    let mut tx = run.begin().await?;
    let schedule = schedules::get(&mut tx, id).await.map_err(failed)?;
    Ok(schedule.is_some_and(|schedule| schedule.is_recurring))
}

/// Changes a series.
pub(super) async fn update_series(run: Run<UpdateSchedule>) -> Answer<UpdateSchedule> {
    let args = &run.args;
    let (mut tx, held) = lock(&run, args.schedule_id, "changed").await?;
    // What is ahead of this moment is deleted: it is made again from there on, and not from a later one.
    let (old, now) = (&held.schedule, held.series.now);
    let timezone = args.timezone.as_deref().unwrap_or(&old.timezone);
    let zone = wall_time::zone(timezone).map_err(Failure::Dead)?;
    let asked = args.at.map(|at| wall_time::moment(at, zone));
    if let Some(asked) = asked {
        ahead(asked, now).map_err(Failure::Dead)?;
    }
    let starts_at = asked.unwrap_or(held.series.starts_at.max(now));
    let made = held.series.made - held.series.made_ahead;
    let recurrence = wanted(args, &held);
    let Begun { series, first, ends_at } =
        recurrence.begin(zone, starts_at).map_err(Failure::Dead)?;
    if recurrence.count.is_some_and(|count| i64::from(count) <= made) {
        let message = format!("{made} occurrences have passed already: expected more");
        return Err(Failure::Dead(Problem::argument("recurrence.count", message)));
    }
    let versions = match &recurrence.content_version_ids {
        Some(versions) => versions.clone(),
        None => vec![args.content_version_id.unwrap_or(old.content_version_id)],
    };
    let connection = args.platform_connection_id.unwrap_or(old.platform_connection_id);
    let (catch_up, catch_up_secs) = match args.catch_up {
        Some(policy) => (policy, policy.secs(args.catch_up_window_secs)),
        None => (old.catch_up, old.catch_up_secs),
    };
    let retries = |retries| i32::try_from(retries).unwrap_or(i32::MAX);
    let new = NewSchedule {
        id: old.id,
        organization_id: old.organization_id,
        content_version_id: versions[0],
        platform_connection_id: connection,
        scheduled_at: first.at.to_utc(),
        wall_time: first.planned,
        timezone,
        max_retries: args.max_retries.map_or(old.max_retries, retries),
        catch_up,
        catch_up_secs,
        created_by: &run.job.actor,
    };
    let begins = Reached {
        expanded_to: now.max(starts_at - TimeDelta::microseconds(1)),
        made: u64::try_from(made).unwrap_or_default(),
    };
    let gone = settle_ahead(&run, &mut tx, &held, (&series, begins), timezone).await?;
    publishable(&mut tx, old.organization_id, &versions, connection).await?;
    let changed = NewSeries {
        rule: &recurrence.rule,
        ends_at,
        most: recurrence.count,
        versions: &versions,
        starts_at,
    };
    series::change(&mut tx, &new, &changed, made).await.map_err(failed)?;
    tell(&mut tx, old, "schedule.changed", &said(&run, "Changed", None)).await?;
    let (again, cancelled) = gone;
    schedules::delete(&mut tx, &again).await.map_err(failed)?;
    let cancelled: Vec<_> = cancelled.iter().map(|id| id.0).collect();
    usage::release(&mut tx, &cancelled).await.map_err(failed)?;
    run.end(tx, &UpdatedSchedule { schedule_id: old.id, scheduled_at: first.at.to_utc() }).await
}

/// How the series recurs from now on.
fn wanted(args: &UpdateSchedule, held: &Held) -> Recurrence {
    match &args.recurrence {
        Some(recurrence) => recurrence.clone(),
        None => Recurrence {
            rule: held.series.rule.clone(),
            end_date: held.series.end_date,
            count: held.series.most,
            content_version_ids: match args.content_version_id {
                Some(_) => None,
                None => Some(held.series.versions.clone()),
            },
        },
    }
}

/// Settles what lies ahead of a series that is this one from there on; answers the occurrences that are to be
/// made anew, and those that were cancelled.
async fn settle_ahead<K: JobKind>(
    run: &Run<K>,
    tx: &mut Claimed,
    held: &Held,
    (series, begins): (&Series, Reached),
    timezone: &str,
) -> Result<(Vec<ScheduleId>, Vec<ScheduleId>), Failure> {
    let (mut again, mut cancelled) = (Vec::new(), Vec::new());
    for one in held.waiting.iter().filter(|one| one.is_ahead) {
        if is_untouched(one) {
            again.push(one.id);
        } else if let Some(found) = series.has(begins, one.planned, one.fold) {
            let place = Place { at: found.at.to_utc(), timezone };
            schedules::place(tx, one.id, place).await.map_err(failed)?;
        } else if one.status != Status::Skipped {
            let reason =
                said(run, "Cancelled, because its series was changed and has it no more,", None);
            let at = held.schedule.now;
            let entry = Entry { at, outcome: "cancelled", message: &reason, attempt: None };
            let change =
                Move { reason: Some(&reason), entry: Some(entry), ..Move::to(Status::Cancelled) };
            schedules::move_to(tx, one.id, &change).await.map_err(failed)?;
            cancelled.push(one.id);
        }
    }
    Ok((again, cancelled))
}

/// Whether nothing ever happened to an occurrence but that it was made, and held.
fn is_untouched(one: &Ahead) -> bool {
    one.status != Status::Skipped && !one.is_moved && !one.is_edited && !one.has_log
}
