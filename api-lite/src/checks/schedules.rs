//! Schedules: in the future, for an account that can be used, with content that its network takes.
//!
//! **Invariant:** only the database's clock says what is past.

use chrono::NaiveDateTime;

use super::{Subject, said};
use crate::problem::Result;
use jobs::kinds::{CreateSchedule, UpdateSchedule};
use jobs::{Code, ConnectionId, ContentVersionId, Metric, Problem as JobProblem, wall_time};
use store::schedules::{self, check_publishable};

/// A new schedule.
pub(super) async fn check_new(mut its: Subject<'_, '_>, args: &CreateSchedule) -> Result<()> {
    its.not_past(args.at, &args.timezone).await?;
    its.allowance(Metric::ScheduledPosts).await?;
    let checked = its.publishable(args.content_version_id, args.platform_connection_id).await?;
    checked.map_err(said)?;
    its.rights(args.content_version_id, args.platform_connection_id).await
}

/// A change of one: with what stays as it is, it is what a new one must be.
pub(super) async fn check_change(mut its: Subject<'_, '_>, args: &UpdateSchedule) -> Result<()> {
    let present = its.schedule(args.schedule_id).await?;
    if args.at.is_some() || args.timezone.is_some() {
        let at = args.at.unwrap_or(present.wall_time);
        its.not_past(at, args.timezone.as_deref().unwrap_or(&present.timezone)).await?;
    }
    let waits = present.awaits_approval || present.awaits_payment;
    if args.content_version_id.is_some() || args.platform_connection_id.is_some() {
        let version = args.content_version_id.unwrap_or(present.content_version_id);
        let connection = args.platform_connection_id.unwrap_or(present.platform_connection_id);
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
