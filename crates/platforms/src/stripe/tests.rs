//! Every sample of the contracts, and everything that is none.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::contracts;

fn samples() -> Option<Vec<Value>> {
    match contracts::json("webhooks/samples.json") {
        Ok(all) => Some(all["stripe"].as_array().unwrap().clone()),
        Err(why) => {
            #[expect(clippy::print_stderr, reason = "an absent folder is said")]
            {
                eprintln!("NOT CHECKED: {why}");
            }
            None
        }
    }
}

fn event(event_type: &str, object: Value) -> Value {
    json!({ "id": "evt_1", "type": event_type, "created": 100, "data": { "object": object } })
}

fn told(event: &Value) -> Told {
    match read(&event.to_string()).unwrap() {
        StripeEvent::Subscription(told) => *told,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_sample_is_read_as_what_it_means() {
    let Some(samples) = samples() else { return };
    let mut statuses = Vec::new();
    for sample in &samples {
        let body = &sample["body"];
        let head = envelope(&body.to_string()).unwrap();
        assert_eq!(head.event_id, body["id"]);
        assert_eq!(head.event_type, body["type"]);
        match (head.event_type.as_str(), read(&body.to_string()).unwrap()) {
            (name, StripeEvent::Subscription(told)) => {
                assert!(name.starts_with("customer.subscription."), "{name}");
                let Subscription { id, customer, stand, organization_id, .. } = told.subscription;
                assert_eq!((id.as_str(), customer.as_str()), ("sub_test_1", "cus_test_1"));
                assert_eq!(organization_id.as_deref(), Some("org_1"));
                assert_eq!(stand.lookup_key.as_deref(), Some("starter_monthly"));
                let period = (stand.period_start, stand.period_end);
                assert_eq!(
                    period,
                    (Some(1_793_000_000), Some(1_795_592_000)),
                    "{}",
                    sample["name"]
                );
                assert_eq!(told.trial_ends_soon, name.ends_with("trial_will_end"));
                statuses.push(stand.status);
            }
            (name, StripeEvent::Invoice(invoice)) => {
                assert_eq!(invoice.subscription.as_deref(), Some("sub_test_1"), "{name}");
                assert_eq!(invoice.is_paid, name == "invoice.paid");
            }
            ("checkout.session.completed", StripeEvent::Checkout(checkout)) => {
                assert_eq!(checkout.organization_id.as_deref(), Some("org_1"));
                assert_eq!(checkout.subscription, "sub_test_1");
            }
            (name, other) => assert_eq!((name, other), ("customer.updated", StripeEvent::Nothing)),
        }
    }
    for status in ["incomplete", "past_due", "canceled", "paused", "trialing", "some_future_status"]
    {
        assert!(statuses.iter().any(|seen| seen == status), "{status}");
    }
}

#[test]
fn what_changed_says_how_it_stood_before() {
    let mut update = event(
        "customer.subscription.updated",
        json!({
            "id": "sub", "customer": "cus", "status": "past_due", "cancel_at_period_end": false,
            "items": { "data": [{ "price": { "id": "p" }, "current_period_start": 5 }] },
        }),
    );
    assert_eq!(told(&update).before, None);
    update["data"]["previous_attributes"] = json!({ "status": "active" });
    let told = told(&update);
    let before = told.before.unwrap();
    assert_eq!(before, Stand { status: "active".into(), ..told.subscription.stand });
}

#[test]
fn what_is_deleted_is_over_whatever_it_calls_itself() {
    let object = json!({ "id": "sub", "customer": "cus", "status": "active" });
    let told = told(&event("customer.subscription.deleted", object));
    assert_eq!(told.subscription.stand.status, "canceled");
}

#[test]
fn ids_that_are_no_words_are_refused_by_field() {
    let long = "e".repeat(LONGEST + 1);
    for id in [json!(""), json!(long), json!("a\u{0}b"), json!(7), Value::Null] {
        let mut event = event("customer.updated", json!({}));
        event["id"] = id;
        let body = event.to_string();
        assert_eq!(envelope(&body).unwrap_err().field, "id", "{event}");
        assert_eq!(read(&body).unwrap_err().field, "id", "{event}");
    }
    let mut long = event("invoice.created", json!({}));
    long["id"] = json!("e".repeat(LONGEST));
    assert!(envelope(&long.to_string()).is_ok());
    long["type"] = json!([]);
    assert_eq!(envelope(&long.to_string()).unwrap_err().field, "type");
    for body in ["", "null", "[]", "{", "7", r#"["evt_1","invoice.paid"]"#] {
        assert!(envelope(body).is_err(), "{body}");
        assert!(read(body).is_err(), "{body}");
    }
    let nested = "[".repeat(200_000);
    assert!(read(&nested).is_err() && envelope(&nested).is_err());
    let status = event("customer.subscription.updated", json!({ "id": "s", "customer": "c" }));
    assert_eq!(read(&status.to_string()).unwrap_err().field, "data.object.status");
}

#[test]
fn strangers_are_told_from_what_we_need_nothing_of() {
    let of = |name: &str| read(&event(name, json!({})).to_string()).unwrap();
    assert_eq!(of("invoice.created"), StripeEvent::Nothing);
    assert_eq!(of("checkout.session.completed"), StripeEvent::Nothing, "nothing was subscribed to");
    assert_eq!(of("customer.subscription.sold"), StripeEvent::Unknown);
    assert_eq!(of("moon.landed"), StripeEvent::Unknown);
}

/// An event of a history: what second, which step.
fn step(nth: usize, at: i64, change: Change, stand: &Stand, before: Option<&Stand>) -> Told {
    Told {
        event_id: format!("evt_{}", nth * 7919 % 1000),
        at,
        change,
        trial_ends_soon: false,
        subscription: Subscription {
            id: "sub".into(),
            customer: "cus".into(),
            stand: stand.clone(),
            started_at: Some(1),
            billing_anchor: None,
            organization_id: None,
        },
        before: before.cloned(),
    }
}

fn status(word: &str) -> Stand {
    Stand {
        status: word.into(),
        cancel_at_period_end: false,
        price: None,
        lookup_key: None,
        period_start: Some(1),
        period_end: None,
        trial_end: None,
    }
}

/// Histories as they happen: each stand follows from the one before, many in one second.
fn history() -> impl Strategy<Value = Vec<Told>> {
    let word = prop::sample::select(vec!["active", "past_due", "strange"]);
    let step_of =
        (word, prop::bool::weighted(0.1), prop::sample::select(vec![0, 0, 0, 1]), 1_i64..3);
    (prop::collection::vec(step_of, 0..7), any::<bool>()).prop_map(|(steps, ends)| {
        let mut stand = status("incomplete");
        let mut at = 1_000;
        let mut told = vec![step(0, at, Change::Created, &stand, None)];
        for (nth, (word, cancel, later, period)) in steps.into_iter().enumerate() {
            let next = Stand {
                cancel_at_period_end: cancel,
                period_start: Some(period.max(stand.period_start.unwrap_or(0))),
                ..status(word)
            };
            at += later;
            told.push(step(nth + 1, at, Change::Updated, &next, Some(&stand)));
            stand = next;
        }
        if ends {
            let over = Stand { status: "canceled".into(), ..stand };
            told.push(step(99, at, Change::Deleted, &over, None));
        }
        told
    })
}

#[test]
fn what_is_over_stays_over_and_a_status_counts_from_its_first_event() {
    let (active, late) = (status("active"), status("past_due"));
    let mut told = vec![
        step(1, 10, Change::Created, &active, None),
        step(2, 20, Change::Updated, &late, Some(&active)),
        step(
            3,
            30,
            Change::Updated,
            &Stand { cancel_at_period_end: true, ..late.clone() },
            Some(&late),
        ),
    ];
    assert_eq!(story(&told).unwrap().status_since, 20);
    assert!(story(&told).unwrap().newest.subscription.stand.cancel_at_period_end);
    told.push(step(4, 40, Change::Updated, &status("incomplete_expired"), None));
    told.push(step(5, 40, Change::Updated, &active, Some(&late)));
    told.push(step(6, 50, Change::Updated, &active, Some(&late)));
    let story = story(&told).unwrap();
    assert_eq!(story.newest.subscription.stand.status, "incomplete_expired");
    assert_eq!(story.status_since, 40);
}

proptest! {
    #[test]
    fn any_order_with_duplicates_ends_as_the_true_one(
        (truth, heard) in history().prop_flat_map(|truth| {
            let twice: Vec<Told> = truth.iter().chain(&truth).cloned().collect();
            (Just(truth), Just(twice).prop_shuffle())
        })
    ) {
        let last = &truth.last().unwrap().subscription.stand;
        let story = story(&heard).unwrap();
        prop_assert_eq!(&story.newest.subscription.stand, last);
        let changed = truth.iter().rev().take_while(|told| told.subscription.stand.status == last.status);
        // Within a second, a status that came back counts from that second.
        prop_assert!(story.status_since <= changed.last().unwrap().at);
    }

    #[test]
    fn no_bytes_make_it_fail_otherwise(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = (envelope(&text), read(&text));
    }

    #[test]
    fn no_sample_with_something_else_in_it_makes_it_fail_otherwise(
        nth in 0_usize..14, place in any::<prop::sample::Index>(), with in "[\\x00-\\x7f]{0,4}|null|\"\"|-1|1e99|\\{\\}",
    ) {
        let Some(samples) = samples() else { return Ok(()) };
        let mut body = samples[nth % samples.len()]["body"].to_string();
        let at = place.index(body.len());
        if body.is_char_boundary(at) && body.is_char_boundary(at + 1) {
            body.replace_range(at..=at, &with);
            let _ = (envelope(&body), read(&body));
        }
    }
}
