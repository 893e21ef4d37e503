//! Webhooks that networks send: where to, what, and what was answered.
//!
//! A delivery is repeated until it is answered with 2xx or given up. It can be sent more than once,
//! and held back to be let go later in another order, as happens to deliveries in the world.
//!
//! **Invariant:** an event is signed as its network signs it, each time anew, and its bytes are the
//! same each time; no secret is told.

mod sending;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use url::Url;

use crate::held;

/// Who sends webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Sender {
    /// X.
    X,
    /// Stripe.
    Stripe,
}

impl Sender {
    /// The word in the control's paths.
    pub const fn as_str(self) -> &'static str {
        match self {
            Sender::X => "x",
            Sender::Stripe => "stripe",
        }
    }
}

/// Whether an event is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Deliver {
    /// At once.
    #[default]
    Now,
    /// When it is released.
    Hold,
    /// Lost, as events sometimes are.
    Never,
}

/// In which order held deliveries are let go, one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Order {
    /// As they were made.
    #[default]
    Kept,
    /// The last first.
    Reverse,
    /// By chance, the same for the same seed.
    Shuffle,
}

/// How a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DeliveryState {
    /// It waits to be released.
    Held,
    /// It is on its way, or waits to be sent again.
    Pending,
    /// It was answered with 2xx.
    Delivered,
    /// It was not, for too long, or there is no webhook any more.
    GivenUp,
}

/// One sending of a delivery, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// When it began.
    pub at: DateTime<Utc>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// What was answered.
    pub status: Option<u16>,
    /// The beginning of the answer's body, or why there was none.
    pub told: String,
}

/// An event on its way to the webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Grows by one with every delivery of any sender.
    pub seq: u64,
    /// Who sends it.
    pub sender: Sender,
    /// The sender's id of the event; the same for its copies.
    pub event_id: String,
    /// The sender's word for what happened.
    pub event_type: String,
    /// What is sent.
    pub body: String,
    /// How it stands.
    pub state: DeliveryState,
    /// What was tried, oldest first.
    pub attempts: Vec<Attempt>,
}

/// Where a sender's webhooks go, and what they are signed with.
#[derive(Clone)]
pub(crate) struct Hook {
    pub(crate) url: Url,
    pub(crate) secrets: Vec<String>,
}

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hook").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

/// Something that happened, in its sender's shape.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) body: String,
}

/// How often and whether an event is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    pub(crate) deliver: Deliver,
    pub(crate) copies: u32,
}

impl Default for How {
    fn default() -> Self {
        How { deliver: Deliver::Now, copies: 1 }
    }
}

#[derive(Debug, Default)]
struct Book {
    last: u64,
    hooks: BTreeMap<Sender, Arc<Hook>>,
    deliveries: BTreeMap<u64, Delivery>,
    /// Those on their way, so that waiting does not look at all of them anew.
    pending: BTreeSet<(Sender, u64)>,
}

impl Book {
    /// Says how a delivery stands; nothing happens when it was forgotten.
    fn stands(&mut self, seq: u64, state: DeliveryState, attempt: Option<Attempt>) {
        let Some(delivery) = self.deliveries.get_mut(&seq) else { return };
        delivery.state = state;
        delivery.attempts.extend(attempt);
        let place = (delivery.sender, seq);
        match state {
            DeliveryState::Pending => self.pending.insert(place),
            _ => self.pending.remove(&place),
        };
    }
}

/// All deliveries, with a way to wait for them.
#[derive(Debug)]
pub(crate) struct Deliveries {
    book: Mutex<Book>,
    changed: watch::Sender<()>,
    http: reqwest::Client,
}

impl Deliveries {
    pub(crate) fn new() -> Self {
        Self {
            book: Mutex::default(),
            changed: watch::Sender::new(()),
            http: sending::http_client(),
        }
    }

    /// Sets where a sender's webhooks go; with `None` they go nowhere.
    pub(crate) fn set_hook(&self, sender: Sender, hook: Option<Hook>) {
        let mut book = held(&self.book);
        match hook {
            Some(hook) => book.hooks.insert(sender, Arc::new(hook)),
            None => book.hooks.remove(&sender),
        };
    }

    /// Sends events, or holds them back; tells the ids of those that there is a delivery of.
    pub(crate) fn send(
        self: &Arc<Self>,
        sender: Sender,
        events: &[Event],
        how: How,
    ) -> Vec<String> {
        let mut book = held(&self.book);
        let state = match how.deliver {
            Deliver::Now => DeliveryState::Pending,
            Deliver::Hold => DeliveryState::Held,
            Deliver::Never => return Vec::new(),
        };
        if !book.hooks.contains_key(&sender) {
            return Vec::new();
        }
        let mut made = Vec::new();
        for Event { id, kind, body } in events {
            for _ in 0..how.copies {
                book.last += 1;
                let seq = book.last;
                let delivery = Delivery {
                    seq,
                    sender,
                    event_id: id.clone(),
                    event_type: kind.clone(),
                    body: body.clone(),
                    state,
                    attempts: Vec::new(),
                };
                book.deliveries.insert(seq, delivery);
                book.stands(seq, state, None);
                made.push(seq);
            }
        }
        drop(book);
        if state == DeliveryState::Pending {
            self.dispatch(made, sending::AT_ONCE);
        }
        events.iter().map(|event| event.id.clone()).collect()
    }

    /// Lets go what is held, one delivery after the other; tells which, in their order.
    pub(crate) fn release(
        self: &Arc<Self>,
        sender: Sender,
        order: Order,
        seed: u64,
    ) -> Vec<Delivery> {
        let mut book = held(&self.book);
        let held_back = book.deliveries.values();
        let mut going: Vec<Delivery> = held_back
            .filter(|one| one.sender == sender && one.state == DeliveryState::Held)
            .cloned()
            .collect();
        for one in &mut going {
            one.state = DeliveryState::Pending;
            book.stands(one.seq, one.state, None);
        }
        drop(book);
        match order {
            Order::Kept => {}
            Order::Reverse => going.reverse(),
            Order::Shuffle => shuffle(&mut going, seed),
        }
        self.dispatch(going.iter().map(|one| one.seq).collect(), 1);
        going
    }

    /// A sender's deliveries after the one numbered `after`, oldest first.
    pub(crate) fn list(&self, sender: Sender, after: u64) -> Vec<Delivery> {
        let book = held(&self.book);
        let later = book.deliveries.range(after.saturating_add(1)..);
        later.map(|(_, one)| one).filter(|one| one.sender == sender).cloned().collect()
    }

    /// Waits until none of a sender's deliveries is on its way; held ones are not. False when time
    /// ran out.
    pub(crate) async fn settled(&self, sender: Sender, timeout: Duration) -> bool {
        let mut changes = self.changed.subscribe();
        let on_its_way = || {
            let book = held(&self.book);
            book.pending.range((sender, 0)..=(sender, u64::MAX)).next().is_some()
        };
        let watching = async {
            while on_its_way() {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(timeout, watching).await.is_ok()
    }

    /// Forgets webhooks and deliveries; what is on its way is not sent again.
    pub(crate) fn clear(&self) {
        let mut book = held(&self.book);
        book.hooks.clear();
        book.deliveries.clear();
        book.pending.clear();
        drop(book);
        self.changed.send_replace(());
    }
}

/// A number that looks like chance, different for different `seed`s.
pub(crate) const fn scattered(seed: u64) -> u64 {
    let mixed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut chance = seed;
    for at in (1..items.len()).rev() {
        chance = scattered(chance);
        items.swap(at, (chance % (at as u64 + 1)) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffle_keeps_everything_and_repeats_itself() {
        let shuffled = |seed| {
            let mut items: Vec<u32> = (0..50).collect();
            shuffle(&mut items, seed);
            items
        };
        assert_eq!(shuffled(1), shuffled(1));
        assert_ne!(shuffled(1), shuffled(2));
        let mut sorted = shuffled(3);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<u32>>());
    }
}
