//! Schedules: in the future, for an account that can be used, with content that its network takes.
//!
//! **Invariant:** only the database's clock says what is past.

use chrono::NaiveDateTime;

use super::{Subject, said};
use crate::problem::Result;
use jobs::kinds::{CreateSchedule, EditOccurrence, MoveOccurrence, SkipOccurrence, UpdateSchedule};
use jobs::{
    Code, ConnectionId, ContentVersionId, Metric, Planned, Problem as JobProblem, Recurrence,
    ScheduleId, wall_time,
};
use store::schedules::{self, Named, Schedule, check_publishable};

/// A new schedule.
pub(super) async fn check_new(mut its: Subject<'_, '_>, args: &CreateSchedule) -> Result<()> {
    if let Some(at) = args.at {
        its.not_past(at, &args.timezone).await?;
    }
    let Some(recurrence) = &args.recurrence else {
        its.allowance(Metric::ScheduledPosts).await?;
        let checked = its.publishable(args.content_version_id, args.platform_connection_id).await?;
        checked.map_err(said)?;
        return its.rights(args.content_version_id, args.platform_connection_id).await;
    };
    // Its occurrences count, each in its own period: a plan that is used up now says nothing of them.
    its.begins(recurrence, args.at, &args.timezone).await?;
    let versions = recurrence.content_version_ids.clone();
    let versions = versions.unwrap_or_else(|| vec![args.content_version_id]);
    its.all_publishable(&versions, args.platform_connection_id).await?;
    its.rights(versions[0], args.platform_connection_id).await
}

/// A change of one: with what stays as it is, it is what a new one must be.
pub(super) async fn check_change(mut its: Subject<'_, '_>, args: &UpdateSchedule) -> Result<()> {
    let present = its.schedule(args.schedule_id).await?;
    let timezone = args.timezone.as_deref().unwrap_or(&present.timezone);
    let connection = args.platform_connection_id.unwrap_or(present.platform_connection_id);
    if present.is_recurring {
        if let Some(at) = args.at {
            its.not_past(at, timezone).await?;
        }
        let Some(recurrence) = &args.recurrence else { return Ok(()) };
        its.begins(recurrence, args.at, timezone).await?;
        let versions = recurrence.content_version_ids.clone();
        let only = args.content_version_id.unwrap_or(present.content_version_id);
        return its.all_publishable(&versions.unwrap_or_else(|| vec![only]), connection).await;
    }
    if args.recurrence.is_some() {
        let message = "only a schedule that recurs already can recur otherwise: create another one";
        return Err(said(JobProblem::argument("recurrence", message)));
    }
    if args.at.is_some() || args.timezone.is_some() {
        its.not_past(args.at.unwrap_or(present.wall_time), timezone).await?;
    }
    let waits = present.awaits_approval || present.awaits_payment;
    if args.content_version_id.is_some() || args.platform_connection_id.is_some() {
        let version = args.content_version_id.unwrap_or(present.content_version_id);
        // What waits for a payment may be changed while it waits.
        if let Err(problem) = its.publishable(version, connection).await?
            && !(waits && problem.code == Code::PaymentRequired)
        {
            return Err(said(problem));
        }
        its.rights(version, connection).await?;
    }
    Ok(())
}

/// A schedule that recurs.
pub(super) async fn check_series(mut its: Subject<'_, '_>, id: ScheduleId) -> Result<()> {
    if its.schedule(id).await?.is_recurring {
        return Ok(());
    }
    let problem = JobProblem::new(Code::Conflict, "the schedule does not recur");
    Err(said(problem.at("scheduleId")))
}

/// An occurrence of one, named by its own id or by its series and a local time; answers the occurrence, or the
/// series where it has no row yet.
async fn check_occurrence(
    its: &mut Subject<'_, '_>,
    (id, at_local, fold): (ScheduleId, Option<NaiveDateTime>, Option<u8>),
) -> Result<Schedule> {
    let schedule = its.schedule(id).await?;
    if let Some(planned) = Planned::read(at_local, fold).map_err(said)? {
        let conn = its.rows.conn().await?;
        return match schedules::name_occurrence(conn, id, planned).await? {
            Named::No(problem) => Err(said(problem)),
            Named::Row(row) => its.schedule(row).await,
            Named::Early(..) => Ok(schedule),
        };
    }
    if schedule.parent_schedule_id.is_some() {
        return Ok(schedule);
    }
    if schedule.is_recurring {
        return Err(said(schedules::which_occurrence()));
    }
    let message = "the schedule is no occurrence of a recurring one";
    Err(said(JobProblem::new(Code::Conflict, message).at("scheduleId")))
}

/// An occurrence that is left out.
pub(super) async fn check_skip(mut its: Subject<'_, '_>, args: &SkipOccurrence) -> Result<()> {
    let named = (args.schedule_id, args.planned_at_local, args.fold);
    check_occurrence(&mut its, named).await.map(drop)
}

/// Another time for an occurrence.
pub(super) async fn check_move(mut its: Subject<'_, '_>, args: &MoveOccurrence) -> Result<()> {
    let named = (args.schedule_id, args.planned_at_local, args.fold);
    let present = check_occurrence(&mut its, named).await?;
    its.not_past(args.at, args.timezone.as_deref().unwrap_or(&present.timezone)).await
}

/// Other content for an occurrence.
pub(super) async fn check_edit(mut its: Subject<'_, '_>, args: &EditOccurrence) -> Result<()> {
    let named = (args.schedule_id, args.planned_at_local, args.fold);
    let present = check_occurrence(&mut its, named).await?;
    its.all_publishable(&[args.content_version_id], present.platform_connection_id).await
}

impl Subject<'_, '_> {
    async fn not_past(&mut self, at: NaiveDateTime, timezone: &str) -> Result<()> {
        let moment = wall_time::moment(at, wall_time::zone(timezone).map_err(said)?);
        let now = store::now(self.rows.conn().await?).await?;
        if moment < now {
            let detail = format!(
                "expected a moment in the future: {} in {timezone} was at {}, now it is {}",
                at.format("%FT%T"),
                moment.format("%FT%TZ"),
                now.format("%FT%TZ")
            );
            return Err(said(JobProblem::argument("at", detail)));
        }
        Ok(())
    }

    /// Whether a recurrence that begins at a wall time, or now, has a first occurrence.
    async fn begins(
        &mut self,
        recurrence: &Recurrence,
        at: Option<NaiveDateTime>,
        timezone: &str,
    ) -> Result<()> {
        let zone = wall_time::zone(timezone).map_err(said)?;
        let starts_at = match at {
            Some(at) => wall_time::moment(at, zone),
            None => store::now(self.rows.conn().await?).await?,
        };
        recurrence.begin(zone, starts_at).map(drop).map_err(said)
    }

    /// Whether all of these versions, which take turns, may go out on the account.
    async fn all_publishable(
        &mut self,
        versions: &[ContentVersionId],
        connection: ConnectionId,
    ) -> Result<()> {
        for (nth, version) in versions.iter().enumerate() {
            let of_version = |problem: &JobProblem| {
                problem.field.as_deref() == Some("args.contentVersionId") && nth > 0
            };
            match self.publishable(*version, connection).await? {
                Err(problem) if of_version(&problem) => {
                    return Err(said(problem.at(&format!("recurrence.contentVersionIds[{nth}]"))));
                }
                checked => checked.map_err(said)?,
            }
        }
        Ok(())
    }

    /// Refuses an account that was connected without the rights that the post needs.
    async fn rights(&mut self, version: ContentVersionId, connection: ConnectionId) -> Result<()> {
        let Some(organization) = self.organization else {
            return Err(crate::problem::Problem::broken());
        };
        let conn = self.rows.conn().await?;
        schedules::rights(conn, organization, version, connection).await?.map_err(|message| {
            let problem = JobProblem::new(Code::AccountDisconnected, message);
            said(problem.at("platformConnectionId"))
        })
    }

    async fn publishable(
        &mut self,
        version: ContentVersionId,
        connection: ConnectionId,
    ) -> Result<std::result::Result<(), JobProblem>> {
        let Some(organization) = self.organization else {
            return Err(crate::problem::Problem::broken());
        };
        let conn = self.rows.conn().await?;
        Ok(check_publishable(conn, organization, version, connection).await?.map(drop))
    }
}
