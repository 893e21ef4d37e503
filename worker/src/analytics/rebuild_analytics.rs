//! `analytics.rebuild`: an organization's sums, made anew from its events.
//!
//! **Invariant:** old sums are replaced by new ones in the transaction that ends the job, or not at all.

use crate::run::{Answer, Run, failed};
use jobs::kinds::{RebuildAnalytics, RebuiltAnalytics};
use jobs::{Code, Failure, NewJob, OrganizationId, Origin, Problem};
use store::analytics;

/// Makes an organization's sums anew.
pub(crate) async fn rebuild_analytics(run: Run<RebuildAnalytics>) -> Answer<RebuildAnalytics> {
    let organization = run.organization()?;
    let mut tx = run.begin().await?;
    analytics::place(&mut tx, organization).await.map_err(failed)?;
    tx.commit().await.map_err(failed)?;
    let mut tx = run.begin().await?;
    let rebuilt = analytics::rebuild(&mut tx, organization).await.map_err(failed)?;
    let Some(rebuilt) = rebuilt else {
        let message = format!("no organization {organization}");
        return Err(Failure::Dead(Problem::new(Code::NotFound, message)));
    };
    let analytics::Rebuilt { events, timezone } = rebuilt;
    tracing::info!(events, timezone, "analytics.rebuilt");
    run.end(tx, &RebuiltAnalytics { events, timezone }).await
}

/// The job that does so because the organization has moved to this zone.
pub(crate) fn rebuilding(organization: OrganizationId, timezone: &str) -> NewJob {
    let mut job = NewJob::new(Origin::Worker, Some(organization), &RebuildAnalytics {});
    job.unique_key = Some(analytics::rebuild_key(organization, timezone));
    job
}
