//! How a delivery is sent: signed, posted, sent again with growing pauses, given up.
//!
//! **Invariant:** nothing is sent after its delivery was forgotten.

use std::sync::Arc;
use std::time::{Duration, Instant};

use platforms::webhooks;
use reqwest::{Client, header, redirect};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::{Attempt, Deliveries, Delivery, DeliveryState, Hook, Sender};
use crate::{held, journal};

/// How many deliveries of one occasion are on their way at the same time.
pub(super) const AT_ONCE: usize = 16;
/// How long an answer may take, as X says.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The pause before a delivery is sent again; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long a delivery is tried.
const GIVE_UP_AFTER: Duration = Duration::from_secs(300);
/// How much of an answer is kept, in characters.
const TOLD_MAX: usize = 200;

/// Follows no redirects: to a network one is a failure.
pub(super) fn http_client() -> Client {
    let client = Client::builder()
        .no_proxy()
        .timeout(ANSWER_WITHIN)
        .redirect(redirect::Policy::none())
        .build();
    // Only a broken TLS setup fails here, and the default client has the same one.
    client.unwrap_or_default()
}

/// Header and value with which a sender signs a body now.
fn signature(sender: Sender, secrets: &[String], body: &[u8]) -> (&'static str, String) {
    let secrets: Vec<&[u8]> = secrets.iter().map(String::as_bytes).collect();
    match sender {
        Sender::X => {
            let secret = secrets.first().copied().unwrap_or_default();
            (webhooks::x::HEADER, webhooks::x::sign(secret, body))
        }
        Sender::Stripe => {
            let now = journal::now().timestamp();
            (webhooks::stripe::HEADER, webhooks::stripe::sign(&secrets, body, now))
        }
    }
}

impl Deliveries {
    /// Sends deliveries, in this order, so many at a time; whatever fails is sent again apart from
    /// the others.
    pub(super) fn dispatch(self: &Arc<Self>, seqs: Vec<u64>, at_once: usize) {
        let this = Arc::clone(self);
        let turns = Arc::new(Semaphore::new(at_once));
        tokio::spawn(async move {
            for seq in seqs {
                let turn = Arc::clone(&turns).acquire_owned().await;
                let this = Arc::clone(&this);
                tokio::spawn(async move {
                    let over = this.attempt(seq).await;
                    drop(turn);
                    if !over {
                        this.attempt_again(seq).await;
                    }
                });
            }
        });
    }

    async fn attempt_again(&self, seq: u64) {
        let (since, mut pause) = (Instant::now(), FIRST_PAUSE);
        while since.elapsed() < GIVE_UP_AFTER {
            tokio::time::sleep(pause).await;
            if self.attempt(seq).await {
                return;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        self.end(seq, DeliveryState::GivenUp, None);
    }

    /// Sends a delivery once; whether it is over with it.
    async fn attempt(&self, seq: u64) -> bool {
        let Some((sender, body, hook)) = self.to_be_sent(seq) else { return true };
        let Some(hook) = hook else {
            self.end(seq, DeliveryState::GivenUp, None);
            return true;
        };
        let (name, value) = signature(sender, &hook.secrets, body.as_bytes());
        let (at, began) = (journal::now(), Instant::now());
        let request = self.http.post(hook.url.clone()).header(name, value);
        let request = request.header(header::CONTENT_TYPE, "application/json").body(body);
        let (status, told) = match request.send().await {
            Ok(answer) => {
                let status = answer.status();
                (Some(status), answer.text().await.unwrap_or_else(|error| error.to_string()))
            }
            Err(error) => (None, error.without_url().to_string()),
        };
        let took_ms = began.elapsed().as_millis() as u64;
        let delivered = status.is_some_and(|status| status.is_success());
        if !delivered {
            tracing::info!(seq, ?status, told, "a delivery was not taken");
        }
        let attempt = Attempt {
            at,
            took_ms,
            status: status.map(|status| status.as_u16()),
            told: told.chars().take(TOLD_MAX).collect(),
        };
        let state = if delivered { DeliveryState::Delivered } else { DeliveryState::Pending };
        self.end(seq, state, Some(attempt));
        delivered
    }

    /// Who sends what where; `None` when the delivery was forgotten.
    fn to_be_sent(&self, seq: u64) -> Option<(Sender, String, Option<Arc<Hook>>)> {
        let book = held(&self.book);
        let Delivery { sender, body, .. } = book.deliveries.get(&seq)?;
        Some((*sender, body.clone(), book.hooks.get(sender).cloned()))
    }

    fn end(&self, seq: u64, state: DeliveryState, attempt: Option<Attempt>) {
        held(&self.book).stands(seq, state, attempt);
        self.changed.send_replace(());
    }

    /// Asks X's challenge of a webhook, as X does before it sends there.
    ///
    /// # Errors
    /// Why the answer is not the right one.
    pub(crate) async fn challenge(&self, hook: &Hook) -> Result<(), String> {
        let token = format!("{:x}", super::scattered(journal::now().timestamp_micros() as u64));
        let secret = hook.secrets.first().map(String::as_bytes).unwrap_or_default();
        let asked = [(webhooks::x::CRC_TOKEN, &token)];
        let answer = self.http.get(hook.url.clone()).query(&asked).send().await;
        let answer = answer.map_err(|error| error.without_url().to_string())?;
        if answer.status() != 200 {
            return Err(format!("answered with {}", answer.status().as_u16()));
        }
        let told: Value = answer.json().await.map_err(|error| error.without_url().to_string())?;
        if told["response_token"] == webhooks::x::sign(secret, token.as_bytes()) {
            Ok(())
        } else {
            Err("response_token is not right".to_owned())
        }
    }
}
