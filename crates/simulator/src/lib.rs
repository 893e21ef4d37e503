//! Stand-ins for the outside networks, with fault injection, for the demo and for tests.
//!
//! A simulator answers the network's own paths (`/2/…` and `/i/oauth2/…` for X, `/v1/…` for models) as strictly as the network's
//! description, keeps a journal of every request and of every effect, and lets a tester put
//! faults between them through `/_control/…`. It runs as the binary `simulator`, or in-process:
//! [`serve`] on a listener, or [`Running::start`] on a port of its own. [`Client`] speaks the
//! control. X and Stripe also send webhooks, as the control tells them to.
//!
//! **Invariant:** nothing is kept but in memory, and no token is told again but to the app that OAuth
//! made it for; no secret of a webhook is told at all.

mod call;
mod client;
mod connection;
mod control;
mod deliveries;
mod exchange;
mod fault;
mod hold;
mod journal;
mod models;
mod running;
mod stream;
mod stripe;
mod x;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use tokio::net::TcpListener;

pub use client::{Client, ClientError};
pub use control::{NewToken, NewUser};
pub use deliveries::{Attempt, Deliver, Delivery, DeliveryState, Order, Sender};
pub use fault::{Action, Match, Rule, Standing, When};
pub use hold::{Hold, Outcome};
pub use journal::{Effect, Entry, Met, Note, What, Who};
pub use models::{ModelSettings, NewKey};
pub use running::Running;
pub use stripe::{NewStripeEvent, NewSubscription, Subscribed};
pub use x::{
    ConsentAnswer, ControlGrant, ControlMedia, ControlPost, Engaged, LimitSetting, Metrics, NewApp,
    NewConsent, NewEngagement, Reaction, Settings, SettingsPatch,
};

/// The whole state of a simulator.
#[derive(Debug)]
pub(crate) struct Simulator {
    journal: journal::Journal,
    faults: fault::Faults,
    holds: hold::Holds,
    x: Mutex<x::World>,
    models: Mutex<models::Models>,
    stripe: Mutex<stripe::Billing>,
    deliveries: Arc<deliveries::Deliveries>,
}

impl Simulator {
    fn new() -> Self {
        Self {
            journal: journal::Journal::new(),
            faults: fault::Faults::default(),
            holds: hold::Holds::new(),
            x: Mutex::new(x::World::new()),
            models: Mutex::default(),
            stripe: Mutex::default(),
            deliveries: Arc::new(deliveries::Deliveries::new()),
        }
    }

    /// The world of X.
    pub(crate) fn x(&self) -> MutexGuard<'_, x::World> {
        held(&self.x)
    }

    /// The models and their keys.
    pub(crate) fn models(&self) -> MutexGuard<'_, models::Models> {
        held(&self.models)
    }

    /// The subscriptions at Stripe.
    pub(crate) fn stripe(&self) -> MutexGuard<'_, stripe::Billing> {
        held(&self.stripe)
    }

    /// On whose behalf a request comes.
    pub(crate) fn caller(&self, call: &call::Call) -> Option<Who> {
        if models::is_model(&call.path) { self.models().owner(call) } else { self.x().caller(call) }
    }

    /// Takes an answer's note over into the journal.
    pub(crate) fn noted(&self, seq: u64, mut answer: call::Answer) -> call::Answer {
        if let Some(note) = answer.note.take() {
            self.journal.note(seq, note);
        }
        answer
    }

    /// Lets the network act on a request and writes the effects down, as one step.
    pub(crate) fn act(&self, call: &call::Call, seq: u64, fault: Option<&Action>) -> call::Answer {
        if models::is_model(&call.path) {
            let answer = self.models().act(call, fault, journal::now());
            return self.noted(seq, answer);
        }
        let mut world = self.x();
        let mut answer = world.act(call, journal::now());
        let mut told = Vec::new();
        for (at, user, what) in answer.effects.drain(..) {
            if let What::PostDeleted { post_id } = &what {
                told.push(world.told_deletion(post_id, &user.id, at));
            }
            self.journal.effect(seq, at, user, what);
        }
        drop(world);
        self.deliveries.send(Sender::X, &told, deliveries::How::default());
        self.noted(seq, answer)
    }

    /// Back to the beginning: held requests are dropped, everything but the numbering forgotten.
    pub(crate) fn reset(&self) {
        self.faults.clear();
        self.holds.release_all(Outcome::Drop);
        *self.x() = x::World::new();
        *self.models() = models::Models::default();
        self.stripe().clear();
        self.deliveries.clear();
        self.journal.reset();
    }
}

/// The lock of `mutex`, also when a thread panicked while it had it: the simulator's state is
/// for tests, which shall see the first failure and not a poisoned lock.
pub(crate) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves a new simulator on `listener` until `shutdown`; then every connection is closed.
///
/// # Errors
/// Only when the listener fails for good.
pub async fn serve(listener: TcpListener, shutdown: impl Future<Output = ()>) -> io::Result<()> {
    let simulator = Arc::new(Simulator::new());
    let app = Router::new()
        .nest("/_control", control::routes())
        .fallback(exchange::exchange)
        .with_state(Arc::clone(&simulator));
    let served = connection::accept(listener, app, shutdown).await;
    simulator.holds.release_all(Outcome::Drop);
    simulator.deliveries.clear();
    served
}
