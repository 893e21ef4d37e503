//! What one event says.
//!
//! Two shapes are read alike: periods on the subscription or on its first item, the subscription of an
//! invoice on the invoice or below `parent`.
//!
//! **Invariant:** every word that comes out of here is short and without control characters, and every
//! time is one that a clock can show.

use serde_json::{Map, Value};

use super::{
    Change, Checkout, Invoice, LONGEST, Malformed, Stand, StripeEvent, Subscription, Told,
};

/// The last second of the year 9999.
const LAST: i64 = 253_402_300_799;

/// The families of events that we know and need nothing of.
const KNOWN: [&str; 11] = [
    "billing_portal",
    "charge",
    "checkout",
    "customer",
    "entitlements",
    "invoice",
    "invoice_payment",
    "invoiceitem",
    "payment_intent",
    "payment_method",
    "subscription_schedule",
];

/// What an event says.
///
/// # Errors
/// [`Malformed`] when it is no event, or one that we need and that lacks what it must have.
pub fn read(body: &str) -> Result<StripeEvent, Malformed> {
    let event: Value = serde_json::from_str(body)
        .map_err(|_| Malformed { field: "body", expected: "an event as a JSON object" })?;
    let event_id = word(event.get("id"), "id")?;
    let event_type = word(event.get("type"), "type")?;
    let at = || {
        time(event.get("created"))
            .ok_or(Malformed { field: "created", expected: "seconds since 1970" })
    };
    let Some(object) = event.pointer("/data/object").and_then(Value::as_object) else {
        return Err(Malformed { field: "data.object", expected: "an object" });
    };
    if let Some(what) = event_type.strip_prefix("customer.subscription.") {
        let (change, trial_ends_soon) = match what {
            "created" => (Change::Created, false),
            "deleted" => (Change::Deleted, false),
            "trial_will_end" => (Change::Updated, true),
            "updated"
            | "paused"
            | "resumed"
            | "pending_update_applied"
            | "pending_update_expired" => (Change::Updated, false),
            _ => return Ok(StripeEvent::Unknown),
        };
        let before = event.pointer("/data/previous_attributes").and_then(Value::as_object);
        return Ok(StripeEvent::Subscription(Box::new(Told {
            event_id,
            at: at()?,
            change,
            trial_ends_soon,
            before: before.map(|before| stand(&overlaid(object, before))).transpose()?,
            subscription: subscription(object, change)?,
        })));
    }
    Ok(match event_type.as_str() {
        "invoice.paid" | "invoice.payment_failed" => match optional(object.get("customer")) {
            Some(customer) => StripeEvent::Invoice(Invoice {
                id: word(object.get("id"), "data.object.id")?,
                customer,
                subscription: optional(object.get("subscription"))
                    .or_else(|| optional(below_parent(object, "subscription"))),
                is_paid: event_type == "invoice.paid",
                next_attempt_at: time(object.get("next_payment_attempt")),
            }),
            None => StripeEvent::Nothing,
        },
        "checkout.session.completed" => {
            let customer = optional(object.get("customer"));
            match customer.zip(optional(object.get("subscription"))) {
                Some((customer, subscription)) => StripeEvent::Checkout(Checkout {
                    customer,
                    subscription,
                    organization_id: optional(object.get("client_reference_id"))
                        .or_else(|| organization(object)),
                }),
                // Something else was bought.
                None => StripeEvent::Nothing,
            }
        }
        other if KNOWN.contains(&other.split('.').next().unwrap_or_default()) => {
            StripeEvent::Nothing
        }
        _ => StripeEvent::Unknown,
    })
}

fn below_parent<'a>(invoice: &'a Map<String, Value>, field: &str) -> Option<&'a Value> {
    invoice.get("parent")?.get("subscription_details")?.get(field)
}

fn organization(object: &Map<String, Value>) -> Option<String> {
    optional(object.get("metadata")?.get("organization_id"))
}

fn subscription(object: &Map<String, Value>, change: Change) -> Result<Subscription, Malformed> {
    let mut stand = stand(object)?;
    if change == Change::Deleted && !stand.is_final() {
        super::FINAL[0].clone_into(&mut stand.status);
    }
    Ok(Subscription {
        id: word(object.get("id"), "data.object.id")?,
        customer: word(object.get("customer"), "data.object.customer")?,
        stand,
        started_at: time(object.get("created")),
        billing_anchor: time(object.get("billing_cycle_anchor")),
        organization_id: organization(object),
    })
}

fn stand(object: &Map<String, Value>) -> Result<Stand, Malformed> {
    let item = object.get("items").and_then(|items| items.pointer("/data/0"));
    let price = item.and_then(|item| item.get("price"));
    let period =
        |name: &str| time(object.get(name)).or_else(|| time(item.and_then(|item| item.get(name))));
    Ok(Stand {
        status: word(object.get("status"), "data.object.status")?,
        cancel_at_period_end: object.get("cancel_at_period_end").and_then(Value::as_bool)
            == Some(true),
        price: optional(price),
        lookup_key: price.and_then(|price| optional(price.get("lookup_key"))),
        period_start: period("current_period_start"),
        period_end: period("current_period_end"),
        trial_end: time(object.get("trial_end")),
    })
}

/// The object as it was before: what changed has its former value.
fn overlaid(now: &Map<String, Value>, before: &Map<String, Value>) -> Map<String, Value> {
    let mut object = now.clone();
    for (name, value) in before {
        object.insert(name.clone(), value.clone());
    }
    object
}

/// A word: an id, a type, a status.
pub(super) fn word(value: Option<&Value>, field: &'static str) -> Result<String, Malformed> {
    optional(value).ok_or(Malformed { field, expected: "a text of 1 to 255 bytes" })
}

/// A word, or the id of an object that stands in its place.
fn optional(value: Option<&Value>) -> Option<String> {
    let value = value?;
    let text = value.as_str().or_else(|| value.get("id")?.as_str())?;
    let is_word = (1..=LONGEST).contains(&text.len()) && !text.chars().any(char::is_control);
    is_word.then(|| text.to_owned())
}

fn time(value: Option<&Value>) -> Option<i64> {
    value?.as_i64().filter(|seconds| (0..=LAST).contains(seconds))
}
