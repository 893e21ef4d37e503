//! What Stripe tells of subscriptions.

use std::time::Duration;

use fleet_tests::contract;
use platforms::webhooks::stripe;
use serde_json::{Value, json};
use simulator::{Deliver, NewStripeEvent, NewSubscription, Order, Sender};

use crate::receiver::Got;
use crate::{DEADLINE, Stage};

const SECRETS: [&str; 2] = ["whsec_old", "whsec_new"];
const START: i64 = 1_793_000_000;

async fn stage() -> Stage {
    let stage = Stage::new().await;
    stage.control.set_stripe_webhook(&stage.receiver.url, &SECRETS).await.unwrap();
    stage
}

async fn settle(stage: &Stage) -> Vec<Got> {
    stage.control.wait_deliveries(Sender::Stripe, DEADLINE).await.unwrap();
    stage.receiver.got()
}

/// The event, once either secret alone proves it.
fn event(got: &Got) -> Value {
    let now = chrono::Utc::now().timestamp();
    let verify = |secret: &str| {
        let header = got.header(stripe::HEADER);
        stripe::verify(&[secret.as_bytes()], header, &got.body, now, Duration::from_secs(60))
    };
    assert_eq!(SECRETS.map(verify), [Ok(()), Ok(())]);
    verify("whsec_another").unwrap_err();
    got.json()
}

#[tokio::test]
async fn an_event_is_sent_as_told_and_signed_with_each_secret() {
    let stage = stage().await;
    let whole = json!({ "id": "evt_1", "object": "event", "type": "invoice.paid", "created": 1 });
    let told = NewStripeEvent {
        event: whole.as_object().cloned(),
        copies: 2,
        ..NewStripeEvent::default()
    };
    assert_eq!(stage.control.stripe_event(&told).await.unwrap().as_deref(), Some("evt_1"));
    let got = settle(&stage).await;
    assert_eq!(got.iter().map(event).collect::<Vec<_>>(), [whole.clone(), whole]);

    let told = NewStripeEvent {
        kind: Some("invoice.payment_failed".to_owned()),
        object: Some(json!({ "id": "in_1", "object": "invoice" })),
        created: Some(START),
        previous_attributes: Some(json!({ "status": "open" })),
        ..NewStripeEvent::default()
    };
    let id = stage.control.stripe_event(&told).await.unwrap().unwrap();
    let made = event(&settle(&stage).await[2]);
    assert_eq!((&made["id"], &made["created"]), (&json!(id), &json!(START)));
    assert_eq!(made["data"]["object"]["id"], "in_1");
    assert_eq!(made["data"]["previous_attributes"]["status"], "open");
    stage.control.unset_webhook(Sender::Stripe).await.unwrap();
    assert_eq!(stage.control.stripe_event(&told).await.unwrap(), None);
}

#[tokio::test]
async fn a_subscription_is_made_changed_and_ended() {
    let stage = stage().await;
    let mut told = NewSubscription::new("cus_1", "incomplete", "starter_monthly", START);
    told.organization_id = Some("org_1".to_owned());
    told.created = Some(START);
    let made = stage.control.put_subscription("sub_1", &told).await.unwrap();
    told.status = "active".to_owned();
    told.current_period_start = START + 100;
    stage.control.put_subscription("sub_1", &told).await.unwrap();
    let same = stage.control.put_subscription("sub_1", &told).await.unwrap();
    assert_eq!(same.event_id, None, "nothing has changed");
    told.status = "canceled".to_owned();
    stage.control.put_subscription("sub_1", &told).await.unwrap();

    let mut events: Vec<Value> = settle(&stage).await.iter().map(event).collect();
    events.sort_by_key(|event| event["id"].as_str().map(str::to_owned));
    let types: Vec<&Value> = events.iter().map(|event| &event["type"]).collect();
    let of = |word: &str| json!(format!("customer.subscription.{word}"));
    assert_eq!(types, [&of("created"), &of("updated"), &of("deleted")]);
    assert_eq!(events[0]["id"], made.event_id.unwrap());
    let first = &events[0]["data"]["object"];
    assert_eq!(first, &made.subscription);
    assert_eq!(first["metadata"]["organization_id"], "org_1");
    assert_eq!(first["items"]["data"][0]["price"]["lookup_key"], "starter_monthly");
    assert_eq!(first["items"]["data"][0]["current_period_end"], START + 2_592_000);
    assert_eq!(first["billing_cycle_anchor"], START);
    assert_eq!(events[0]["created"], START);
    let previous = &events[1]["data"]["previous_attributes"];
    assert_eq!(previous["status"], "incomplete");
    assert_eq!(previous["items"]["data"][0]["current_period_start"], START);
    assert_eq!(previous.as_object().unwrap().len(), 2, "{previous}");
    assert_eq!(events[1]["data"]["object"]["billing_cycle_anchor"], START, "it stays");
    assert_eq!(events[2]["data"].get("previous_attributes"), None);
    assert!(events[2]["data"]["object"]["ended_at"].is_i64());
}

#[tokio::test]
async fn events_are_held_and_come_the_wrong_way_round() {
    let stage = stage().await;
    let mut told = NewSubscription::new("cus_1", "active", "pro_monthly", START);
    told.deliver = Deliver::Hold;
    let mut ids = Vec::new();
    for status in ["active", "past_due", "active"] {
        told.status = status.to_owned();
        ids.extend(stage.control.put_subscription("sub_1", &told).await.unwrap().event_id);
    }
    assert!(settle(&stage).await.is_empty());
    stage.control.release_deliveries(Sender::Stripe, Order::Reverse, 0).await.unwrap();
    let got = settle(&stage).await;
    let got: Vec<String> =
        got.iter().map(|one| event(one)["id"].as_str().unwrap().to_owned()).collect();
    ids.reverse();
    assert_eq!(got, ids);
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
async fn a_subscription_has_no_field_that_stripes_own_have_not() {
    let path = contract::folder().join("stripe/fixtures.current.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        return println!("skipped: no {}", path.display());
    };
    let fixtures: Value = serde_json::from_str(&text).unwrap();
    let theirs = &fixtures["resources"]["subscription"];
    let stage = stage().await;
    let told = NewSubscription::new("cus_1", "active", "starter_monthly", START);
    let ours = stage.control.put_subscription("sub_1", &told).await.unwrap().subscription;
    let item = |of: &Value| of["items"]["data"][0].clone();
    for (ours, theirs) in [
        (&ours, theirs),
        (&ours["items"], &theirs["items"]),
        (&item(&ours), &item(theirs)),
        (&item(&ours)["price"], &item(theirs)["price"]),
        (&event(&settle(&stage).await[0]), &fixtures["resources"]["event"]),
    ] {
        for name in ours.as_object().unwrap().keys() {
            assert!(theirs.get(name).is_some(), "{name} of {}", ours["object"]);
        }
    }
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let stage = stage().await;
    let object = json!({ "id": "in_1" });
    for (method, path, body, field) in [
        ("PUT", "stripe/webhook", json!({ "url": "x", "secrets": ["s"] }), "url"),
        ("PUT", "stripe/webhook", json!({ "url": stage.receiver.url, "secrets": [] }), "secrets"),
        ("POST", "stripe/events", json!({ "object": object }), "type"),
        ("POST", "stripe/events", json!({ "type": "invoice.paid" }), "object"),
        ("POST", "stripe/events", json!({ "event": { "type": "a" } }), "event.id"),
        ("POST", "stripe/events", json!({ "event": { "id": "evt_1" } }), "event.type"),
        ("POST", "stripe/events", json!({ "event": {}, "type": "a" }), "event"),
        ("POST", "stripe/events", json!({ "type": "a", "object": object, "copies": 0 }), "copies"),
        ("PUT", "stripe/subscriptions/sub_1", json!({ "customer": "cus_1" }), "body"),
    ] {
        assert_eq!(stage.refused(method, path, &body).await, field, "{method} {path} {body}");
    }
    assert!(settle(&stage).await.is_empty(), "nothing happened");
}
