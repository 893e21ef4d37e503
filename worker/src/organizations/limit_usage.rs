//! `usage.limit`: what one organization may instead of its plan.
//!
//! **Invariant:** an exception holds until it is ended, whatever the plan becomes.

use crate::run::{Answer, Run, failed};
use jobs::kinds::{LimitUsage, UsageLimited};
use jobs::{Code, Failure, Problem};
use store::usage;

/// Makes an exception from a plan, or ends one.
pub(crate) async fn limit_usage(run: Run<LimitUsage>) -> Answer<LimitUsage> {
    let LimitUsage { organization_id, metric, most, unlimited } = run.args.clone();
    let most = most.map(|most| i32::try_from(most).unwrap_or(i32::MAX));
    let mut tx = run.begin().await?;
    let done = if most.is_none() && !unlimited {
        usage::end_exception(&mut tx, organization_id, metric).await
    } else {
        usage::make_exception(&mut tx, organization_id, metric, most, &run.job.actor).await
    };
    match done {
        Err(error) if error.breaks("organization_limits_organization_id_fkey") => {
            return Err(no_organization(organization_id));
        }
        done => done.map_err(failed)?,
    }
    let present = usage::present(&mut tx, organization_id).await.map_err(failed)?;
    let Some(present) = present.into_iter().find(|usage| usage.metric == metric) else {
        return Err(no_organization(organization_id));
    };
    run.end(tx, &UsageLimited { metric, limit: present.limit }).await
}

fn no_organization(id: jobs::OrganizationId) -> Failure {
    let problem = Problem::new(Code::NotFound, format!("no organization {id}"));
    Failure::Dead(problem.at("organizationId"))
}
