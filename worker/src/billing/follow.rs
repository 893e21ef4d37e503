//! What is known of its subscriptions becomes an organization's plan, periods and hold.
//!
//! The plan changes when what the subscription pays for does; between that, an operator's word holds.
//!
//! **Invariant:** the same subscriptions make the same organization, whatever was known before.

use serde_json::{Value, json};

use crate::run::{Run, failed};
use jobs::billing::is_known;
use jobs::kinds::EnforceBilling;
use jobs::{Failure, JobKind, NewJob, OrganizationId, Origin};
use store::billing::{self, Standing};
use store::{Claimed, events};

/// Makes a locked organization, which stood like this, follow its subscriptions.
pub(crate) async fn follow<K: JobKind>(
    run: &Run<K>,
    tx: &mut Claimed,
    id: OrganizationId,
    before: &Standing,
) -> Result<(), Failure> {
    let chosen = billing::follow(tx, id, before).await.map_err(failed)?;
    let Some(chosen) = chosen else { return Ok(()) };
    if !is_known(&chosen.status) {
        tracing::warn!(organization.id = %id, status = chosen.status, "a status that nobody knows");
    }
    let Some(now) = billing::lock(tx, id).await.map_err(failed)? else { return Ok(()) };

    if now.plan != before.plan {
        let message = format!("The plan is {} now; it was {}.", now.plan, before.plan);
        let data = json!({ "plan": now.plan, "planBefore": before.plan });
        tell(tx, id, "billing.plan_changed", &message, data).await?;
    }
    if now.status.as_deref() == Some("past_due") && before.status != now.status {
        let until = now.hold.as_ref().filter(|_| !now.is_on_hold).map(|(at, _)| *at);
        let message = match until {
            Some(until) => format!(
                "A payment for the subscription is late. Everything goes on until {}.",
                until.format("%Y-%m-%dT%H:%M:%SZ")
            ),
            None => "A payment for the subscription is late.".to_owned(),
        };
        tell(tx, id, "billing.past_due", &message, json!({ "until": until })).await?;
    }
    plan_enforcement(run, tx, id, before, &now).await
}

/// Asks for what is scheduled to be held, now or when the grace is over, or to go on.
async fn plan_enforcement<K: JobKind>(
    run: &Run<K>,
    tx: &mut Claimed,
    id: OrganizationId,
    before: &Standing,
    now: &Standing,
) -> Result<(), Failure> {
    let mut job = NewJob::new(Origin::Worker, Some(id), &EnforceBilling { organization_id: id });
    match &now.hold {
        // A job for each moment: one that is planned for another finds nothing to do then.
        Some((at, _)) if !now.is_on_hold => {
            let mut later = job.clone();
            later.id = jobs::JobId::new();
            later.run_at = Some(*at);
            later.unique_key = Some(format!("billing:{id}:{}", at.timestamp()));
            run.ask_for(tx, later).await?;
        }
        Some(_) if before.is_on_hold && before.is_held => return Ok(()),
        _ => {}
    }
    if now.is_on_hold || before.is_on_hold || before.is_held {
        // A live one has not locked the organization yet, and will see what is written here.
        job.unique_key = Some(format!("billing:{id}"));
        run.ask_for(tx, job).await?;
    }
    Ok(())
}

/// Tells the people of an organization what happened to its subscription.
pub(super) async fn tell(
    tx: &mut Claimed,
    id: OrganizationId,
    event: &str,
    message: &str,
    data: Value,
) -> Result<(), Failure> {
    events::record(tx, id, event, "organization", id.0, message, data).await.map_err(failed)
}
