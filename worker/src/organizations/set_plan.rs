//! `plan.set`: another plan, whose limits hold from now on.
//!
//! It holds until the organization's subscription has another price. A payment that is late has the grace
//! of the new plan; what is on hold for another reason stays so.
//!
//! **Invariant:** what was used and reserved before stays counted.

use crate::billing::follow;
use crate::run::{Answer, Run, failed};
use jobs::kinds::{PlanSet, SetPlan};
use jobs::{Code, Failure, Problem};
use store::billing::{self, Standing};
use store::organizations;

/// Puts an organization on another plan.
pub(crate) async fn set_plan(run: Run<SetPlan>) -> Answer<SetPlan> {
    let SetPlan { organization_id, plan } = run.args.clone();
    let mut tx = run.begin().await?;
    let standing = billing::lock(&mut tx, organization_id).await.map_err(failed)?;
    match organizations::set_plan(&mut tx, organization_id, &plan).await {
        Err(error) if error.breaks("organizations_plan_fkey") => {
            let message = format!("There is no plan {plan:?}.");
            return Err(Failure::Dead(Problem::argument("plan", message)));
        }
        Ok(false) => {
            let problem =
                Problem::new(Code::NotFound, format!("no organization {organization_id}"));
            return Err(Failure::Dead(problem.at("organizationId")));
        }
        changed => changed.map_err(failed)?,
    };
    if let Some(standing) = standing {
        let standing = Standing { plan: plan.clone(), ..standing };
        follow(&run, &mut tx, organization_id, &standing).await?;
    }
    run.end(tx, &PlanSet { organization_id, plan }).await
}
