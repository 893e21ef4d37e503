//! `billing.enforce`: what is scheduled is held while its organization is on hold, and goes on when it
//! pays.
//!
//! **Invariant:** nothing goes out later than its policy allows because of this; what is on its way
//! is left alone.

use serde_json::json;

use super::follow::tell;
use crate::publishing::settle;
use crate::run::{Answer, Run, failed};
use jobs::kinds::{EnforceBilling, EnforcedBilling};
use jobs::{Code, Failure, OrganizationId, Problem};
use store::schedules::{self, Entry, Locked, Move, Status, Verdict};
use store::usage::unpaid;
use store::{Claimed, billing, content_requests};

/// How many schedules go on in one transaction.
const BATCH: i64 = 200;

/// Why schedules go on.
const PAID: &str = "The subscription is paid again.";

/// Holds what is scheduled, or lets it go on.
pub(crate) async fn enforce_billing(run: Run<EnforceBilling>) -> Answer<EnforceBilling> {
    let id = run.args.organization_id;
    let mut output = EnforcedBilling::default();
    loop {
        let mut tx = run.begin().await?;
        let is_on_hold = billing::hold(&mut tx, id).await.map_err(failed)?.is_some();
        let mut waiting = Vec::new();
        let mut going = Vec::new();
        if is_on_hold {
            going = schedules::lock_all(&mut tx, id).await.map_err(failed)?;
        } else {
            waiting = lock_waiting(&mut tx, id).await?;
        }
        let Some(standing) = billing::lock(&mut tx, id).await.map_err(failed)? else {
            let message = format!("no organization {id}");
            let problem = Problem::new(Code::NotFound, message);
            return Err(Failure::Dead(problem.at("organizationId")));
        };
        if standing.is_on_hold != is_on_hold {
            continue;
        }
        if let Some((_, reason)) = standing.hold.filter(|_| is_on_hold) {
            let message = unpaid(&reason).message;
            let at = store::now(&mut tx).await.map_err(failed)?;
            let entry = Entry { at, outcome: "on_hold", message: &message, attempt: None };
            let held = schedules::hold_unpaid(&mut tx, &going, &entry).await.map_err(failed)?;
            output.held += held;
            if !standing.is_held {
                billing::set_held(&mut tx, id, true).await.map_err(failed)?;
                let message = format!("{message} {held} scheduled posts wait.");
                tell(&mut tx, id, "billing.suspended", &message, json!({ "held": held })).await?;
            }
            return run.end(tx, &output).await;
        }
        for schedule in &waiting {
            go_on(&mut tx, schedule, &mut output).await?;
        }
        // Whoever made one wait before the organization was locked is seen here.
        let more = schedules::awaiting_payment(&mut tx, id, 1).await.map_err(failed)?;
        if !more.is_empty() {
            tx.commit().await.map_err(failed)?;
            continue;
        }
        if standing.is_held {
            billing::set_held(&mut tx, id, false).await.map_err(failed)?;
            let EnforcedBilling { resumed, missed, .. } = output;
            let message =
                format!("{PAID} {resumed} scheduled posts go on; {missed} were missed meanwhile.");
            let data = json!({ "resumed": resumed, "missed": missed });
            tell(&mut tx, id, "billing.resumed", &message, data).await?;
        }
        return run.end(tx, &output).await;
    }
}

/// Locks schedules that wait for a payment, and keeps their content as it is.
async fn lock_waiting(tx: &mut Claimed, id: OrganizationId) -> Result<Vec<Locked>, Failure> {
    let mut waiting = Vec::new();
    for schedule in schedules::awaiting_payment(tx, id, BATCH).await.map_err(failed)? {
        waiting.push(settle::lock(tx, id, schedule).await?);
    }
    waiting.retain(|schedule| schedule.awaits_payment);
    for schedule in &waiting {
        content_requests::share(tx, schedule.content_version_id).await.map_err(failed)?;
    }
    Ok(waiting)
}

/// Lets a locked schedule go on, if nothing else stands in its way.
async fn go_on(
    tx: &mut Claimed,
    schedule: &Locked,
    output: &mut EnforcedBilling,
) -> Result<(), Failure> {
    let entry = |outcome, message| Entry { at: schedule.now, outcome, message, attempt: None };
    let verdict = schedules::verdict(tx, schedule.id).await.map_err(failed)?;
    if let Verdict::Missed { reason } = verdict {
        let reason = format!("The subscription was not paid in time. {reason}");
        schedules::miss(tx, schedule, entry("missed", &reason)).await.map_err(failed)?;
        output.missed += 1;
        return Ok(());
    }
    let checked = schedules::check_publishable(
        tx,
        schedule.organization_id,
        schedule.content_version_id,
        schedule.platform_connection_id,
    );
    let Err(problem) = checked.await.map_err(failed)? else {
        schedules::resume(tx, schedule.id, &entry("resumed", PAID)).await.map_err(failed)?;
        output.resumed += 1;
        return settle::tell(tx, schedule, "post.resumed", PAID).await;
    };
    let reason = format!("{PAID} {}", problem.message);
    let entry = entry("on_hold", &reason);
    if problem.code == Code::NotApproved {
        let waits = schedules::await_approval(tx, schedule.id, &reason, Some(&entry));
        waits.await.map_err(failed)?;
    } else {
        let change = Move { reason: Some(&reason), entry: Some(entry), ..Move::to(Status::OnHold) };
        schedules::move_to(tx, schedule.id, &change).await.map_err(failed)?;
    }
    output.on_hold += 1;
    settle::tell(tx, schedule, "post.on_hold", &reason).await
}
