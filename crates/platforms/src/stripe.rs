//! Stripe's events, as far as subscriptions need them.
//!
//! | file | what |
//! | --- | --- |
//! | `read.rs` | what one event says |
//! | `history.rs` | what several events of one subscription say together, whatever their order |
//!
//! Source: `PLATFORMS.md` section 15 and `stripe/*.current.json` of the contracts, read 2026-11-23.
//!
//! **Invariant:** no body makes this fail otherwise than by [`Malformed`], and a status that nobody here
//! knows is kept as it is.

mod history;
mod read;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use history::{Story, story};
pub use read::read;

/// The longest id or word that is taken, in bytes.
pub const LONGEST: usize = 255;

/// What every event has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Stripe's own id of the event.
    pub event_id: String,
    /// Stripe's word for what happened.
    pub event_type: String,
}

/// The body is not an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} at {field}")]
pub struct Malformed {
    /// Where, as a path.
    pub field: &'static str,
    /// What would be right.
    pub expected: &'static str,
}

/// The id and the type of an event.
///
/// # Errors
/// [`Malformed`] when the body is no JSON object, or one of both is missing or no word.
pub fn envelope(body: &str) -> Result<Envelope, Malformed> {
    #[derive(Deserialize)]
    struct Head {
        id: Option<Value>,
        #[serde(rename = "type")]
        event_type: Option<Value>,
    }
    let not_an_event = Malformed { field: "body", expected: "an event as a JSON object" };
    // A list in the order of the fields would be taken for an object.
    if !body.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{') {
        return Err(not_an_event);
    }
    let head: Head = serde_json::from_str(body).map_err(|_| not_an_event)?;
    Ok(Envelope {
        event_id: read::word(head.id.as_ref(), "id")?,
        event_type: read::word(head.event_type.as_ref(), "type")?,
    })
}

/// What an event says.
#[derive(Clone, Debug, PartialEq)]
pub enum StripeEvent {
    /// How a subscription stands.
    Subscription(Box<Told>),
    /// What became of an invoice.
    Invoice(Invoice),
    /// A customer has paid at the checkout.
    Checkout(Checkout),
    /// Something of which we need nothing.
    Nothing,
    /// Something of which we do not know what it is.
    Unknown,
}

/// What kind of change an event about a subscription tells. Of events of one second, the one of the
/// greater kind is the newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It began.
    Created,
    /// It changed, or something is about to happen to it.
    Updated,
    /// It ended.
    Deleted,
}

/// What one event tells of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// Stripe's own id of the event.
    pub event_id: String,
    /// When it happened, in seconds since 1970.
    pub at: i64,
    /// What kind of change it is.
    pub change: Change,
    /// Whether it says that a trial is about to end.
    #[serde(default)]
    pub trial_ends_soon: bool,
    /// The subscription after it.
    pub subscription: Subscription,
    /// How it stood before, where the event says so.
    pub before: Option<Stand>,
}

/// A subscription. Times are in seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Stripe's own id.
    pub id: String,
    /// Stripe's own id of the customer.
    pub customer: String,
    /// What events change.
    pub stand: Stand,
    /// When it was made.
    pub started_at: Option<i64>,
    /// The moment whose day and time begin its periods.
    pub billing_anchor: Option<i64>,
    /// The organization that it was made for, as our own checkout wrote it.
    pub organization_id: Option<String>,
}

/// How a subscription stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stand {
    /// Stripe's word: `active`, `past_due`, … or one that is not known here.
    pub status: String,
    /// Whether it ends with its period.
    pub cancel_at_period_end: bool,
    /// Stripe's own id of the price.
    pub price: Option<String>,
    /// The name that we gave the price.
    pub lookup_key: Option<String>,
    /// When the present period began.
    pub period_start: Option<i64>,
    /// When it ends.
    pub period_end: Option<i64>,
    /// When its trial ends, or ended.
    pub trial_end: Option<i64>,
}

/// Statuses after which a subscription never changes again.
pub const FINAL: [&str; 2] = ["canceled", "incomplete_expired"];

impl Stand {
    /// Whether the subscription is over for good.
    pub fn is_final(&self) -> bool {
        FINAL.contains(&self.status.as_str())
    }
}

/// What became of an invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoice {
    /// Stripe's own id.
    pub id: String,
    /// Stripe's own id of the customer.
    pub customer: String,
    /// Stripe's own id of the subscription, where it is for one.
    pub subscription: Option<String>,
    /// Whether it is paid; else a payment failed.
    pub is_paid: bool,
    /// When Stripe tries again, in seconds since 1970.
    pub next_attempt_at: Option<i64>,
}

/// A checkout that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkout {
    /// Stripe's own id of the customer.
    pub customer: String,
    /// Stripe's own id of the subscription.
    pub subscription: String,
    /// The organization for which it was begun.
    pub organization_id: Option<String>,
}
