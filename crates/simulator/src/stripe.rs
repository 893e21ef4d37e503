//! Stripe, as far as it tells of subscriptions: events in its shape, and subscriptions that
//! change.
//!
//! Source: `stripe/fixtures.current.json`, `stripe/subscription-status.current.json` and
//! `webhooks/samples.json` of the contracts, read 2026-11-23.
//!
//! **Invariant:** an event's object is the subscription as it was when the event was made.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::deliveries::{Deliver, Event};

/// The version in which events are told.
const API_VERSION: &str = "2026-10-28.endive";
/// A month as long as the samples' months, in seconds.
const MONTH_SECS: i64 = 30 * 24 * 60 * 60;

const fn one_copy() -> u32 {
    1
}

/// An event to be sent: whole, or its type and object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NewStripeEvent {
    /// The whole event; all but `deliver` and `copies` must then be absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Map<String, Value>>,
    /// Such as `invoice.paid`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<Value>,
    /// When it was made, in unix seconds; now when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<i64>,
    /// What the object was before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_attributes: Option<Value>,
    /// Whether it is sent.
    pub deliver: Deliver,
    /// How often it is sent.
    pub copies: u32,
}

impl Default for NewStripeEvent {
    fn default() -> Self {
        Self {
            event: None,
            kind: None,
            object: None,
            created: None,
            previous_attributes: None,
            deliver: Deliver::Now,
            copies: 1,
        }
    }
}

/// A subscription as it is from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewSubscription {
    /// Whose it is, such as `cus_1`.
    pub customer: String,
    /// Such as `active`; any text, as Stripe may add some.
    pub status: String,
    /// The price's lookup key.
    pub lookup_key: String,
    /// Told as `metadata.organization_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<String>,
    /// In unix seconds.
    pub current_period_start: i64,
    /// In unix seconds; thirty days after the start when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_period_end: Option<i64>,
    /// In unix seconds; the start of the first period when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billing_cycle_anchor: Option<i64>,
    /// Whether it ends with the period.
    #[serde(default)]
    pub cancel_at_period_end: bool,
    /// When the event was made, in unix seconds; now when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<i64>,
    /// Whether the event is sent.
    #[serde(default)]
    pub deliver: Deliver,
    /// How often the event is sent.
    #[serde(default = "one_copy")]
    pub copies: u32,
}

impl NewSubscription {
    /// A subscription whose period begins now, its event sent once and at once.
    pub fn new(customer: &str, status: &str, lookup_key: &str, now: i64) -> Self {
        Self {
            customer: customer.to_owned(),
            status: status.to_owned(),
            lookup_key: lookup_key.to_owned(),
            organization_id: None,
            current_period_start: now,
            current_period_end: None,
            billing_cycle_anchor: None,
            cancel_at_period_end: false,
            created: None,
            deliver: Deliver::Now,
            copies: 1,
        }
    }
}

/// What became of a subscription.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscribed {
    /// The object as Stripe tells it.
    pub subscription: Value,
    /// The id of the event that is sent; `None` when nothing has changed, or nobody wants it.
    pub event_id: Option<String>,
}

/// The subscriptions, by their ids.
#[derive(Debug, Default)]
pub(crate) struct Billing {
    subscriptions: BTreeMap<String, Value>,
    last_event: u64,
}

impl Billing {
    /// Forgets the subscriptions; the numbering goes on.
    pub(crate) fn clear(&mut self) {
        self.subscriptions.clear();
    }

    /// An event as told.
    ///
    /// # Errors
    /// The field that is wrong and what would be right.
    pub(crate) fn event(
        &mut self,
        told: NewStripeEvent,
        now: DateTime<Utc>,
    ) -> Result<Event, (&'static str, &'static str)> {
        if told.copies == 0 {
            return Err(("copies", "must be at least 1"));
        }
        let parts = (&told.kind, &told.object, &told.created, &told.previous_attributes);
        if let Some(event) = told.event {
            if !matches!(parts, (None, None, None, None)) {
                return Err(("event", "must be alone, with deliver and copies"));
            }
            let text = |name: &str| event.get(name).and_then(Value::as_str).map(str::to_owned);
            let id = text("id").ok_or(("event.id", "must be a string"))?;
            let kind = text("type").ok_or(("event.type", "must be a string"))?;
            return Ok(Event { id, kind, body: Value::Object(event).to_string() });
        }
        let kind = told.kind.ok_or(("type", "must be told, or a whole event"))?;
        let object = told.object.ok_or(("object", "must be told, or a whole event"))?;
        let mut data = json!({ "object": object });
        if let Some(previous) = told.previous_attributes {
            data["previous_attributes"] = previous;
        }
        Ok(self.made(&kind, data, told.created, now))
    }

    /// Changes a subscription, or makes it; tells it, and the event unless nothing has changed.
    pub(crate) fn put(
        &mut self,
        id: &str,
        told: &NewSubscription,
        now: DateTime<Utc>,
    ) -> (Value, Option<Event>) {
        let before = self.subscriptions.get(id).cloned();
        let after = object(id, told, before.as_ref(), now.timestamp());
        let previous = before.as_ref().map(|before| differences(before, &after));
        self.subscriptions.insert(id.to_owned(), after.clone());
        let mut data = json!({ "object": after });
        let kind = match previous {
            None => "customer.subscription.created",
            Some(previous) if previous.is_empty() => return (after, None),
            Some(previous) if told.status == "canceled" && previous.contains_key("status") => {
                "customer.subscription.deleted"
            }
            Some(previous) => {
                data["previous_attributes"] = Value::Object(previous);
                "customer.subscription.updated"
            }
        };
        let event = self.made(kind, data, told.created, now);
        (after, Some(event))
    }

    fn made(&mut self, kind: &str, data: Value, at: Option<i64>, now: DateTime<Utc>) -> Event {
        // Different in another run, too.
        let number = u64::try_from(now.timestamp_micros()).unwrap_or_default();
        self.last_event = number.max(self.last_event + 1);
        let id = format!("evt_{:020}", self.last_event);
        let body = json!({
            "id": id,
            "object": "event",
            "api_version": API_VERSION,
            "created": at.unwrap_or(now.timestamp()),
            "data": data,
            "livemode": false,
            "pending_webhooks": 1,
            "request": { "id": null, "idempotency_key": null },
            "type": kind,
        });
        Event { id, kind: kind.to_owned(), body: body.to_string() }
    }
}

/// A subscription in Stripe's shape.
fn object(id: &str, told: &NewSubscription, before: Option<&Value>, now: i64) -> Value {
    let start = told.current_period_start;
    let end = told.current_period_end.unwrap_or(start.saturating_add(MONTH_SECS));
    let kept = |name: &str, otherwise: i64| {
        before.and_then(|before| before[name].as_i64()).unwrap_or(otherwise)
    };
    let created = kept("created", now);
    let anchor = told.billing_cycle_anchor.unwrap_or_else(|| kept("billing_cycle_anchor", start));
    let canceled = told.status == "canceled";
    let canceled_at = (canceled || told.cancel_at_period_end).then(|| kept("canceled_at", now));
    let metadata = told.organization_id.as_ref().map(|id| json!({ "organization_id": id }));
    let metadata = metadata.unwrap_or_else(|| json!({}));
    let item = format!("si_{id}");
    json!({
        "id": id,
        "object": "subscription",
        "billing_cycle_anchor": anchor,
        "cancel_at": told.cancel_at_period_end.then_some(end),
        "cancel_at_period_end": told.cancel_at_period_end,
        "canceled_at": canceled_at,
        "collection_method": "charge_automatically",
        "created": created,
        "currency": "usd",
        "customer": told.customer,
        "ended_at": canceled.then(|| kept("ended_at", now)),
        "items": {
            "object": "list",
            "data": [{
                "id": item,
                "object": "subscription_item",
                "created": created,
                "current_period_start": start,
                "current_period_end": end,
                "metadata": {},
                "price": {
                    "id": format!("price_{}", told.lookup_key),
                    "object": "price",
                    "active": true,
                    "currency": "usd",
                    "livemode": false,
                    "lookup_key": told.lookup_key,
                    "metadata": {},
                    "recurring": { "interval": "month", "interval_count": 1, "usage_type": "licensed" },
                    "type": "recurring",
                },
                "quantity": 1,
                "subscription": id,
            }],
            "has_more": false,
            "url": format!("/v1/subscription_items?subscription={id}"),
        },
        "latest_invoice": null,
        "livemode": false,
        "metadata": metadata,
        "pause_collection": null,
        "start_date": created,
        "status": told.status,
        "trial_end": null,
        "trial_start": null,
    })
}

/// The fields of `before` that are different in `after`.
fn differences(before: &Value, after: &Value) -> Map<String, Value> {
    let fields = before.as_object().into_iter().flatten();
    let changed = fields.filter(|(name, value)| after[name.as_str()] != **value);
    changed.map(|(name, value)| (name.clone(), value.clone())).collect()
}
