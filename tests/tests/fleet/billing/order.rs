//! Whatever the order in which events come, and however often.

use anyhow::ensure;
use fleet_tests::harness::{Tenant, shared};
use fleet_tests::wait::{self, PATIENCE};

use super::{Customer, organization, outcome, tell};

#[tokio::test]
async fn an_older_event_after_a_newer_one_changes_nothing_and_a_double_neither() {
    shared(async |fleet| {
        let tenant = Tenant::on_plan(fleet, "starter").await?;
        let customer = Customer::of(&tenant);
        let newer = customer.told(2, 0, "active", Some("past_due"));
        ensure!(tell(fleet, &newer).await? == "applied");
        let before = organization(&tenant).await?;
        ensure!(
            tell(fleet, &customer.told(1, -20, "past_due", Some("active"))).await? == "applied"
        );
        ensure!(tell(fleet, &newer).await? == "applied");
        let failed = customer.invoice(3, "payment_failed");
        ensure!(tell(fleet, &failed).await? == "applied");
        ensure!(tell(fleet, &failed).await? == "applied");
        let after = organization(&tenant).await?;
        for field in ["stripeSubscriptionStatus", "billingHoldAt", "currentPeriodEnd", "plan"] {
            ensure!(before[field] == after[field], "{field}: {before} {after}");
        }
        ensure!(after["stripeSubscriptionStatus"] == "active");
        // Once, and no status by an invoice.
        tenant.api.told(&tenant.organization, &["billing.payment_failed"]).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn two_events_of_one_second_end_alike_in_both_orders() {
    shared(async |fleet| {
        for order in [[0, 1], [1, 0]] {
            let tenant = Tenant::on_plan(fleet, "starter").await?;
            let customer = Customer::of(&tenant);
            let mut told = [
                customer.told(0, -5, "incomplete", None),
                customer.told(1, -5, "active", Some("incomplete")),
            ];
            told[1]["created"] = told[0]["created"].clone();
            for nth in order {
                tell(fleet, &told[nth]).await?;
            }
            let shown = organization(&tenant).await?;
            ensure!(shown["stripeSubscriptionStatus"] == "active", "{order:?}: {shown}");
            ensure!(shown["billingHoldAt"].is_null(), "{order:?}: {shown}");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_is_nobodys_waits_until_somebody_says_whose_it_is() {
    shared(async |fleet| {
        let tenant = Tenant::on_plan(fleet, "starter").await?;
        let another = Tenant::on_plan(fleet, "starter").await?;
        let customer = Customer::stranger(&tenant);
        let first = Customer::paying(customer.told(0, -20, "incomplete", None), "pro_yearly");
        let second =
            Customer::paying(customer.told(1, -10, "active", Some("incomplete")), "pro_yearly");
        ensure!(tell(fleet, &second).await? == "unmatched");
        ensure!(tell(fleet, &first).await? == "unmatched");
        ensure!(organization(&tenant).await?["stripeCustomerId"].is_null());
        ensure!(tell(fleet, &customer.checked_out(2, &tenant.organization)).await? == "applied");
        ensure!(outcome(fleet, &first).await? == "applied");
        ensure!(outcome(fleet, &second).await? == "applied");
        let shown = organization(&tenant).await?;
        ensure!(shown["stripeSubscriptionStatus"] == "active" && shown["plan"] == "pro", "{shown}");

        // Whose it is stays so, and an organization has one customer.
        ensure!(tell(fleet, &customer.checked_out(3, &another.organization)).await? == "applied");
        ensure!(organization(&another).await?["stripeCustomerId"].is_null());
        let intruder = Customer { name: format!("x{}", customer.name), organization: None };
        ensure!(tell(fleet, &intruder.checked_out(4, &tenant.organization)).await? == "unmatched");
        let after = organization(&tenant).await?;
        ensure!(after["stripeCustomerId"] == customer.id(), "{after}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_operators_plan_holds_until_the_price_changes() {
    shared(async |fleet| {
        let tenant = Tenant::on_plan(fleet, "starter").await?;
        let customer = Customer::of(&tenant);
        tell(fleet, &customer.told(0, -20, "active", None)).await?;
        let args = serde_json::json!({ "organizationId": tenant.organization, "plan": "business" });
        fleet.operator().done("plan.set", args).await?;
        // A payment that is late has the grace of this plan.
        tell(fleet, &customer.told(1, -10, "past_due", Some("active"))).await?;
        let shown = organization(&tenant).await?;
        ensure!(shown["plan"] == "business", "{shown}");
        let hold: chrono::DateTime<chrono::Utc> =
            shown["billingHoldAt"].as_str().unwrap().parse()?;
        ensure!(hold > chrono::Utc::now() + chrono::TimeDelta::days(13), "{hold}");
        let args = serde_json::json!({ "organizationId": tenant.organization, "plan": "starter" });
        fleet.operator().done("plan.set", args).await?;
        tenant.api.event(&tenant.organization, "billing.suspended", PATIENCE).await?;
        let priced =
            Customer::paying(customer.told(2, 0, "active", Some("past_due")), "pro_monthly");
        tell(fleet, &priced).await?;
        let seen = async || organization(&tenant).await;
        wait::until_right("pro", PATIENCE, seen, |seen| seen["plan"] == "pro").await.map(drop)
    })
    .await;
}
