//! What is scheduled waits while nobody pays, and goes on when somebody does.

use anyhow::{Result, ensure};
use fleet_tests::api::Ask;
use fleet_tests::harness::{Fleet, Planned, Tenant, in_ms, shared};
use fleet_tests::wait::{self, PATIENCE};
use serde_json::{Value, json};

use super::{Customer, organization, tell};
use crate::api::is_problem;
use crate::publishing::{called, nothing_at_network};

const AN_HOUR: i64 = 3_600_000;

/// Waits until a schedule waits for a payment; answers it.
async fn awaits_payment(tenant: &Tenant, planned: &Planned) -> Result<Value> {
    let schedule = tenant.api.schedule_is(&planned.id, "on_hold", PATIENCE).await?;
    ensure!(schedule["awaitsPayment"] == true && schedule["awaitsApproval"] == false, "{schedule}");
    let reason = schedule["statusReason"].as_str().unwrap_or_default();
    ensure!(reason.contains("subscription") && reason.contains("until it is paid"), "{reason}");
    Ok(schedule)
}

async fn its_time_has_passed(fleet: &Fleet, planned: &Planned) -> Result<()> {
    let passed = format!("select scheduled_at < now() from schedules where id = '{}'", planned.id);
    wait::until("its time has passed", PATIENCE, async || {
        Ok((fleet.database.text(&passed).await? == "true").then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_late_payment_holds_what_is_scheduled_and_once_paid_it_goes_out_once() {
    shared(async |fleet| {
        let tenant = Tenant::on_plan(fleet, "starter").await?;
        let customer = Customer::of(&tenant);
        ensure!(tell(fleet, &customer.told(0, -60, "active", None)).await? == "applied");
        let planned = tenant.plan("Paid for?", &tenant.account, 6_000).await?;
        tell(fleet, &customer.told(1, -10, "past_due", Some("active"))).await?;
        awaits_payment(&tenant, &planned).await?;
        let shown = organization(&tenant).await?;
        ensure!(shown["stripeSubscriptionStatus"] == "past_due", "{shown}");
        ensure!(shown["stripeCustomerId"] == customer.id(), "{shown}");
        ensure!(shown["cancelAtPeriodEnd"] == false && shown["currentPeriodEnd"].is_string());
        let reason = shown["billingHoldReason"].as_str().unwrap();
        ensure!(reason.contains("past due since") && shown["billingHoldAt"].is_string(), "{shown}");
        let usage = tenant.api.read("/v1/usage").await?;
        ensure!(usage["usage"][0]["limit"] == 0 && usage["usage"][0]["holdReason"] == reason);
        ensure!(usage["billingHoldReason"] == reason, "{usage}");

        // Nothing new begins; writing and reading go on.
        let version = tenant.write(&tenant.text("A draft")).await?;
        let Err(error) = tenant.schedule(&version, in_ms(AN_HOUR)).await else {
            anyhow::bail!("it was scheduled")
        };
        let refused = fleet_tests::api::refusal(&error).unwrap();
        is_problem(refused, 402, "payment_required", "")?;
        its_time_has_passed(fleet, &planned).await?;
        nothing_at_network(&tenant, &planned).await?;
        called(&tenant, &planned, 0).await?;

        tell(fleet, &customer.told(2, 0, "active", Some("past_due"))).await?;
        tenant.published(&planned).await?;
        called(&tenant, &planned, 1).await?;
        let types = ["billing.past_due", "billing.suspended", "billing.resumed"];
        tenant.api.told(&tenant.organization, &types).await?;
        ensure!(organization(&tenant).await?["billingHoldAt"].is_null());
        tenant.schedule(&version, in_ms(AN_HOUR)).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn the_grace_of_a_plan_ends_by_itself() {
    shared(async |fleet| {
        let tenant = Tenant::on_plan(fleet, "starter").await?;
        let customer = Customer::of(&tenant);
        let planned = tenant.plan("In grace", &tenant.account, AN_HOUR).await?;
        // Three days, of which four seconds are left.
        let late = customer.told(1, 4 - 3 * 86_400, "past_due", Some("active"));
        tell(fleet, &Customer::paying(late, "pro_monthly")).await?;
        let shown = organization(&tenant).await?;
        ensure!(shown["plan"] == "pro" && shown["billingHoldAt"].is_string(), "{shown}");
        awaits_payment(&tenant, &planned).await?;
        let types = ["billing.plan_changed", "billing.past_due", "billing.suspended"];
        let told = tenant.api.told(&tenant.organization, &types).await?;
        ensure!(told[2]["data"]["held"] == 1, "{told:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_was_due_long_before_the_payment_is_missed_and_may_be_moved() {
    shared(async |fleet| {
        let tenant = Tenant::on_plan(fleet, "starter").await?;
        let customer = Customer::of(&tenant);
        let mut planned = tenant.plan("Long ago", &tenant.account, AN_HOUR).await?;
        tell(fleet, &customer.told(1, -10, "unpaid", None)).await?;
        awaits_payment(&tenant, &planned).await?;
        let back = format!(
            "update schedules set scheduled_at = now() - interval '2 hours' where id = '{}'",
            planned.id
        );
        fleet.database.run(&back).await?;
        tell(fleet, &customer.told(2, 0, "active", Some("unpaid"))).await?;
        let schedule = tenant.api.schedule_is(&planned.id, "missed", PATIENCE).await?;
        ensure!(schedule["awaitsPayment"] == false, "{schedule}");
        tenant.api.event(&planned.id, "post.missed", PATIENCE).await?;
        nothing_at_network(&tenant, &planned).await?;
        planned.at = in_ms(2_000);
        let at = planned.at.format("%Y-%m-%dT%H:%M:%S%.3f").to_string();
        let args = json!({ "scheduleId": planned.id, "at": at, "timezone": "UTC" });
        tenant.api.done("schedule.update", args).await?;
        tenant.published(&planned).await?;
        called(&tenant, &planned, 1).await
    })
    .await;
}

#[tokio::test]
async fn the_last_look_before_the_call_holds_what_is_not_paid() {
    shared(async |fleet| {
        let tenant = Tenant::on_plan(fleet, "starter").await?;
        let planned = tenant.plan("Not paid", &tenant.account, 3_000).await?;
        // Past every job: only the look before the call can see this.
        let sql = format!(
            "update organizations set billing_hold_at = now(),
                 billing_hold_reason = 'The subscription is nobody''s.' where id = '{}'",
            tenant.organization
        );
        fleet.database.run(&sql).await?;
        awaits_payment(&tenant, &planned).await?;
        called(&tenant, &planned, 0).await?;
        nothing_at_network(&tenant, &planned).await
    })
    .await;
}

#[tokio::test]
async fn what_waits_for_an_approval_and_a_payment_needs_both() {
    shared(async |fleet| {
        let tenant = Tenant::on_plan(fleet, "starter").await?;
        let customer = Customer::of(&tenant);
        let made = json!({ "title": "Both", "versions": [{ "platform": "TWITTER", "text": tenant.text("Both") }] });
        let made = tenant.api.done("content.create", made).await?;
        let version = made["contentVersionIds"][0].as_str().unwrap();
        let schedule = tenant.schedule(version, in_ms(AN_HOUR)).await?["scheduleId"].clone();
        let id = schedule.as_str().unwrap();
        tenant.api.done("organization.update", json!({ "approvalRequired": true })).await?;
        tell(fleet, &customer.told(1, -10, "paused", None)).await?;
        tenant.api.event(&tenant.organization, "billing.suspended", PATIENCE).await?;
        let waits = async |of: &str, other: &str| -> Result<()> {
            let seen = async || tenant.api.schedule(id).await;
            let right = |seen: &Value| seen["status"] == "on_hold" && seen[of] == true;
            let seen = wait::until_right(of, PATIENCE, seen, right).await?;
            ensure!(seen[other] == false, "{seen}");
            Ok(())
        };
        waits("awaitsApproval", "awaitsPayment").await?;
        let approve = json!({ "contentRequestId": made["contentRequestId"] });
        tenant.api.done("content.approve", approve.clone()).await?;
        waits("awaitsPayment", "awaitsApproval").await?;
        // It may be moved while it waits.
        let at = in_ms(2 * AN_HOUR).format("%Y-%m-%dT%H:%M:%S").to_string();
        let later = json!({ "scheduleId": id, "contentVersionId": version, "at": at, "timezone": "UTC" });
        tenant.api.done("schedule.update", later).await?;
        waits("awaitsPayment", "awaitsApproval").await?;
        let edit = json!({ "contentVersionId": version, "text": tenant.text("Both, edited") });
        tenant.api.done("version.edit", edit).await?;
        tell(fleet, &customer.told(2, 0, "active", Some("paused"))).await?;
        waits("awaitsApproval", "awaitsPayment").await?;
        tenant.api.done("content.approve", approve).await?;
        tenant.api.schedule_is(id, "scheduled", PATIENCE).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn what_is_over_begins_nothing_and_what_nobody_knows_takes_nothing_away() {
    shared(async |fleet| {
        let tenant = Tenant::on_plan(fleet, "starter").await?;
        let customer = Customer::of(&tenant);
        let mut over = customer.told(1, -10, "canceled", None);
        over["type"] = json!("customer.subscription.deleted");
        tell(fleet, &over).await?;
        let brief = json!({ "brief": "More bread", "platforms": ["TWITTER"] });
        let answer = tenant.api.ask(&Ask::new("content.generate", brief.clone())).await?;
        is_problem(&answer, 402, "payment_required", "")?;
        ensure!(answer.body["detail"].as_str().unwrap().contains("ended at"), "{answer:?}");
        // It is over for good; another subscription is not.
        tell(fleet, &customer.told(2, 0, "active", Some("canceled"))).await?;
        ensure!(organization(&tenant).await?["stripeSubscriptionStatus"] == "canceled");
        let mut new = customer.told(3, 0, "some_future_status", None);
        new["data"]["object"]["id"] = json!(format!("sub2_{}", customer.name));
        tell(fleet, &new).await?;
        let shown = organization(&tenant).await?;
        ensure!(shown["stripeSubscriptionStatus"] == "some_future_status", "{shown}");
        ensure!(shown["billingHoldAt"].is_null(), "{shown}");
        tenant.api.done("content.generate", brief).await.map(drop)
    })
    .await;
}
