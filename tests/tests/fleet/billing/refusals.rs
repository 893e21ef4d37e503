//! What is not Stripe's is not kept; what is Stripe's and not understood is.

use anyhow::ensure;
use chrono::Utc;
use fleet_tests::harness::{Tenant, shared};
use platforms::webhooks::stripe;
use serde_json::json;

use super::{Customer, deliver, organization, tell};

#[tokio::test]
async fn what_stripe_did_not_sign_or_what_is_no_event_is_refused() {
    shared(async |fleet| {
        let tenant = Tenant::on_plan(fleet, "starter").await?;
        let customer = Customer::of(&tenant);
        let body = customer.told(1, 0, "canceled", None).to_string().into_bytes();
        let (secret, now) = (fleet.secrets.stripe_webhook.as_bytes(), Utc::now().timestamp());
        let list = br#"["evt_1","invoice.paid"]"#.to_vec();
        let long = json!({ "id": "e".repeat(256), "type": "invoice.paid" }).to_string().into_bytes();
        let by_another = stripe::sign(&[b"whsec_another"], &body, now);
        let stale = stripe::sign(&[secret], &body, now - 400);
        let refused = [
            ("another secret", &body, by_another, 401),
            ("another body", &list, stripe::sign(&[secret], &body, now), 401),
            ("too old", &body, stale, 401),
            ("no signature", &body, String::new(), 401),
            ("a list", &list, stripe::sign(&[secret], &list, now), 400),
            ("a long id", &long, stripe::sign(&[secret], &long, now), 400),
        ];
        for (what, body, signature, status) in refused {
            let (answered, problem) = deliver(fleet, body.clone(), &signature).await?;
            ensure!(answered == status, "{what}: {answered} {problem}");
        }
        let kept = format!(
            "select count(*) from webhook_events where body like '%{}%' or event_id in ('evt_1', repeat('e', 256))",
            tenant.organization
        );
        ensure!(fleet.database.text(&kept).await? == "0");
        ensure!(organization(&tenant).await?["stripeSubscriptionStatus"].is_null());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_is_not_understood_is_kept_and_fails_nothing() {
    shared(async |fleet| {
        let tenant = Tenant::on_plan(fleet, "starter").await?;
        let customer = Customer::of(&tenant);
        let strange = |nth: u32, kind: &str, object| {
            let id = format!("evt_{}_{nth}", customer.name);
            json!({ "id": id, "type": kind, "created": 1, "data": { "object": object } })
        };
        let odd = customer.told(1, 0, "active", None);
        let mut lacking = odd.clone();
        lacking["data"]["object"]["status"] = json!(null);
        ensure!(tell(fleet, &strange(2, "moon.landed", json!({}))).await? == "unknown");
        ensure!(tell(fleet, &strange(3, "customer.updated", json!({}))).await? == "ignored");
        ensure!(tell(fleet, &lacking).await? == "unknown");
        let none = Customer { name: format!("n{}", customer.name), organization: None };
        ensure!(tell(fleet, &none.invoice(4, "paid")).await? == "unmatched");
        let mut gold = Customer::paying(customer.told(5, 0, "active", None), "gold");
        gold["data"]["object"]["items"]["data"][0]["price"]["id"] = json!("price_gold");
        ensure!(tell(fleet, &gold).await? == "applied");
        tenant.api.told(&tenant.organization, &["billing.unknown_price"]).await?;
        ensure!(organization(&tenant).await?["plan"] == "starter");
        Ok(())
    })
    .await;
}
