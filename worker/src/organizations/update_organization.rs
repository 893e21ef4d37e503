//! `organization.update`: a new name, a new zone, what models are told, whether only approved content
//! goes out.
//!
//! **Invariant:** what is absent stays as it is; schedules are locked before the organization.

use serde_json::json;

use crate::analytics::rebuilding;
use crate::content::review::resume;
use crate::publishing::settle;
use crate::run::{Answer, Run, failed};
use jobs::kinds::{UpdateOrganization, UpdatedOrganization};
use jobs::{Code, Failure, OrganizationId, Problem};
use store::organizations::{self, Change};
use store::{Claimed, events, schedules};

/// Changes an organization.
pub(crate) async fn update_organization(
    run: Run<UpdateOrganization>,
) -> Answer<UpdateOrganization> {
    let organization_id = run.organization()?;
    let args = &run.args;
    let change = Change {
        name: args.name.as_deref(),
        timezone: args.timezone.as_deref(),
        brand_notes: args.brand_notes.as_deref(),
        tone: args.tone.as_deref(),
        language: args.language.as_deref(),
    };
    let mut tx = run.begin().await?;
    if let Some(required) = run.args.approval_required {
        require_approval(&run, &mut tx, organization_id, required).await?;
    }
    let before = organizations::get(&mut tx, organization_id).await.map_err(failed)?;
    let Some(before) = before else {
        let message = format!("no organization {organization_id}");
        return Err(Failure::Dead(Problem::new(Code::NotFound, message)));
    };
    organizations::update(&mut tx, organization_id, &change).await.map_err(failed)?;
    if let Some(timezone) = args.timezone.as_deref().filter(|zone| *zone != before.timezone) {
        // Its days begin at other moments now.
        run.ask_for(&mut tx, rebuilding(organization_id, timezone)).await?;
    }
    run.end(tx, &UpdatedOrganization { organization_id }).await
}

/// Turns the requirement on or off, where it is not so already. On: what is scheduled and not approved
/// waits on hold. Off: what waits for an approval goes on, unless its content was rejected.
async fn require_approval(
    run: &Run<UpdateOrganization>,
    tx: &mut Claimed,
    organization: OrganizationId,
    required: bool,
) -> Result<(), Failure> {
    let is_so = organizations::get(tx, organization)
        .await
        .map_err(failed)?
        .is_none_or(|organization| organization.approval_required == required);
    if is_so {
        return Ok(());
    }
    let actor = &run.job.actor;
    let (message, moved) = if required {
        let reason = format!("{actor} requires content to be approved, and this is not.");
        let held = schedules::hold_unapproved(tx, organization, &reason).await.map_err(failed)?;
        organizations::require_approval(tx, organization, true).await.map_err(failed)?;
        let message = format!(
            "{actor} requires content to be approved. {} schedules wait for that.",
            held.len()
        );
        (message, held)
    } else {
        let mut waiting = Vec::new();
        for id in schedules::awaiting(tx, organization).await.map_err(failed)? {
            waiting.push(settle::lock(tx, organization, id).await?);
        }
        waiting.retain(|schedule| schedule.awaits_approval);
        organizations::require_approval(tx, organization, false).await.map_err(failed)?;
        let why = format!("{actor} no longer requires content to be approved.");
        let resumed = resume(tx, &waiting, &why).await?;
        (format!("{why} {} schedules go on.", resumed.resumed.len()), resumed.resumed)
    };
    let data = json!({ "approvalRequired": required, "scheduleIds": moved });
    let event = "organization.approval_required";
    events::record(tx, organization, event, "organization", organization.0, &message, data)
        .await
        .map_err(failed)
}
