//! What is scheduled, when its content is or is not approved.

use anyhow::ensure;
use fleet_tests::harness::{Planned, Tenant, in_ms, on, shared};
use fleet_tests::wait::PATIENCE;
use serde_json::{Value, json};
use simulator::{Action, When};

use super::{Written, awaits_approval, is_refused, require_approval, written};
use crate::publishing::{called, nothing_at_network};
use crate::queue::patient;

const AN_HOUR: i64 = 3_600_000;

/// The arguments that give a schedule another time.
fn move_to(planned: &mut Planned, ms: i64) -> Value {
    planned.at = in_ms(ms);
    let at = planned.at.format("%Y-%m-%dT%H:%M:%S%.3f").to_string();
    json!({ "scheduleId": planned.id, "at": at, "timezone": "UTC" })
}

#[tokio::test]
async fn a_schedule_that_waits_for_an_approval_may_be_moved_and_waits_on() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        require_approval(&tenant, true).await?;
        let content = written(&tenant, "Later").await?;
        content.approve(&tenant).await?;
        let mut planned = content.schedule(&tenant, in_ms(AN_HOUR)).await?;
        planned.text = tenant.text("Much later");
        content.edit(&tenant, &planned.text).await?;
        tenant.api.done("schedule.update", move_to(&mut planned, AN_HOUR)).await?;
        awaits_approval(&tenant, &planned, "edited").await?;
        let more = json!({ "scheduleId": planned.id, "contentVersionId": content.version, "maxRetries": 1 });
        let refused = (409, "not_approved", "args.contentVersionId");
        is_refused(&tenant, "schedule.update", more, refused).await?;
        let approved = content.approve(&tenant).await?;
        ensure!(approved["schedulesResumed"] == 1, "{approved}");
        tenant.api.done("schedule.update", move_to(&mut planned, 2_000)).await?;
        tenant.published(&planned).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn what_is_approved_too_late_is_missed_until_it_has_another_time() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        require_approval(&tenant, true).await?;
        let content = written(&tenant, "In time?").await?;
        content.approve(&tenant).await?;
        let mut planned = content.schedule(&tenant, in_ms(AN_HOUR)).await?;
        planned.text = tenant.text("Not in time");
        content.edit(&tenant, &planned.text).await?;
        let back = format!(
            "update schedules set scheduled_at = now() - interval '2 hours' where id = '{}'",
            planned.id
        );
        fleet.database.run(&back).await?;
        let approved = content.approve(&tenant).await?;
        ensure!(approved["schedulesResumed"] == 0 && approved["schedulesOnHold"] == 0);
        let schedule = tenant.api.schedule(&planned.id).await?;
        ensure!(schedule["status"] == "missed" && schedule["awaitsApproval"] == false);
        let reason = schedule["statusReason"].as_str().unwrap();
        ensure!(reason.contains("Give it another time"), "{reason}");
        tenant.api.event(&planned.id, "post.missed", PATIENCE).await?;
        nothing_at_network(&tenant, &planned).await?;
        tenant.api.done("schedule.update", move_to(&mut planned, 2_000)).await?;
        tenant.published(&planned).await?;
        called(&tenant, &planned, 1).await
    })
    .await;
}

#[tokio::test]
async fn an_approved_schedule_of_a_lost_account_says_what_it_waits_for_now() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let content = written(&tenant, "No account").await?;
        let planned = content.schedule(&tenant, in_ms(AN_HOUR)).await?;
        content.reject(&tenant, "Wait").await?;
        let args = json!({ "connectionId": tenant.account.connection });
        tenant.api.done("connection.disconnect", args).await?;
        let approved = content.approve(&tenant).await?;
        ensure!(approved["schedulesOnHold"] == 1, "{approved}");
        let schedule = tenant.api.schedule(&planned.id).await?;
        ensure!(schedule["status"] == "on_hold" && schedule["awaitsApproval"] == false);
        let reason = schedule["statusReason"].as_str().unwrap();
        ensure!(reason.contains("cannot be used"), "{reason}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn requiring_approval_holds_what_is_not_approved_and_no_more_of_it_lets_it_go() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let mut all: Vec<(Written, Planned)> = Vec::new();
        for about in ["Approved", "Forgotten", "Rejected"] {
            let content = written(&tenant, about).await?;
            let planned = content.schedule(&tenant, in_ms(AN_HOUR)).await?;
            all.push((content, planned));
        }
        let [(approved, yes), (_, forgotten), (rejected, no)] = &all[..] else { unreachable!() };
        approved.approve(&tenant).await?;
        require_approval(&tenant, true).await?;
        ensure!(tenant.api.schedule(&yes.id).await?["status"] == "scheduled");
        awaits_approval(&tenant, forgotten, "approved").await?;
        awaits_approval(&tenant, no, "approved").await?;
        tenant.api.told(&tenant.organization, &["organization.approval_required"]).await?;
        rejected.reject(&tenant, "Never").await?;
        awaits_approval(&tenant, no, "Never").await?;
        require_approval(&tenant, false).await?;
        ensure!(tenant.api.schedule(&forgotten.id).await?["status"] == "scheduled");
        awaits_approval(&tenant, no, "Never").await
    })
    .await;
}

#[tokio::test]
async fn the_last_look_before_the_call_holds_what_is_no_longer_what_was_approved() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        require_approval(&tenant, true).await?;
        let content = written(&tenant, "As approved").await?;
        content.approve(&tenant).await?;
        let mut planned = content.schedule(&tenant, in_ms(3_000)).await?;
        planned.text = tenant.text("As nobody approved");
        // Past every job: only the look before the call can see this.
        let sql = format!(
            "update content_versions set text = '{}' where id = '{}'",
            planned.text, content.version
        );
        fleet.database.run(&sql).await?;
        tenant.api.schedule_is(&planned.id, "on_hold", PATIENCE).await?;
        awaits_approval(&tenant, &planned, "not approved").await?;
        let jobs = tenant.api.items("/v1/jobs?kind=post.publish").await?;
        let id = jobs[0]["id"].as_str().unwrap();
        let ended = tenant.api.job_ended(id, PATIENCE).await?;
        ensure!(ended["state"] == "done" && ended["attempt"] == 0, "{ended}");
        nothing_at_network(&tenant, &planned).await?;
        planned.text = content.text;
        nothing_at_network(&tenant, &planned).await
    })
    .await;
}

#[tokio::test]
async fn what_is_being_published_can_be_neither_changed_nor_rejected() {
    on(patient(), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let content = written(&tenant, "On its way").await?;
        let two = json!({ "platform": "TWITTER", "text": tenant.text("Unlucky") });
        let file = tenant.api.upload("a.png", "image/png", fleet_tests::picture::png()).await?;
        let name = format!("call of {}", content.version);
        tenant.trap(&tenant.account, Action::hold(&name, When::After)).await?;
        let planned = content.schedule(&tenant, in_ms(2_000)).await?;
        tenant.network.wait_hold(&name, PATIENCE).await?;
        let of = |field: &str, value: Value| {
            let mut args = json!({ "contentVersionId": content.version });
            args[field] = value;
            args
        };
        let reject = json!({ "contentRequestId": content.request, "reason": "Stop" });
        let mut attach = of("fileId", json!(file));
        attach["filename"] = json!("a.png");
        let changed = (409, "conflict", "args.contentVersionId");
        let refused = [
            ("content.reject", reject, (409, "conflict", "args.contentRequestId")),
            ("version.edit", of("text", two["text"].clone()), changed),
            ("media.attach", attach, changed),
        ];
        for (kind, args, expected) in refused {
            is_refused(&tenant, kind, args, expected).await?;
        }
        let tags = of("suggestedHashtags", json!(["bread"]));
        tenant.api.done("version.edit", tags).await?;
        tenant.network.release(&name).await?;
        tenant.published(&planned).await?;
        called(&tenant, &planned, 1).await?;
        // It is out: what is written from here on is of another post.
        content.edit(&tenant, "Sold out").await?;
        let rejected = content.reject(&tenant, "Not again").await?;
        ensure!(rejected["postsOut"] == 1 && rejected["schedulesOnHold"] == 0, "{rejected}");
        Ok(())
    })
    .await;
}
