//! The control of webhooks: where they go, what happens that is told by them, what became of them.
//!
//! | request | told or asked | answer |
//! | --- | --- | --- |
//! | `PUT /x/webhook` | `{url, secret}`; X's challenge is asked at once | 204, or 400 when it is not met |
//! | `PUT /stripe/webhook` | `{url, secrets: […]}` | 204 |
//! | `DELETE /x/webhook`, `DELETE /stripe/webhook` | | 204 |
//! | `POST /x/posts/{id}/engagement` | see [`NewEngagement`] | `{metrics, eventIds}` |
//! | `DELETE /x/posts/{id}` | the author deletes it by hand | 204 |
//! | `POST /stripe/events` | see [`NewStripeEvent`] | `{eventId}`, null when nobody wants it |
//! | `PUT /stripe/subscriptions/{id}` | see [`NewSubscription`] | `{subscription, eventId}` |
//! | `GET /x/deliveries`, `GET /stripe/deliveries` | `?after=SEQ` | a list of [`Delivery`] |
//! | `POST …/deliveries/release` | `{order?: "kept", "reverse" or "shuffle", seed?}` | what was held |
//! | `GET …/deliveries/wait` | `?timeoutMs=…` | `{reached: true}` when none is on its way, or 408 |
//!
//! `deliver` is one of `now`, `hold` and `never`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::input::{Asked, Refusal, Told};
use super::{After, Answered, HowLong, Shared, limit};
use crate::deliveries::{Delivery, Hook, How, Order, Sender};
use crate::stripe::{NewStripeEvent, NewSubscription, Subscribed};
use crate::x::{Engaged, NewEngagement};
use crate::{Simulator, journal};

/// The routes of webhooks.
pub(super) fn routes() -> Router<Arc<Simulator>> {
    let x = of(Sender::X)
        .route("/webhook", put(set_x))
        .route("/posts/{id}", delete(delete_post))
        .route("/posts/{id}/engagement", post(engage));
    let stripe = of(Sender::Stripe)
        .route("/webhook", put(set_stripe))
        .route("/events", post(stripe_event))
        .route("/subscriptions/{id}", put(subscription));
    Router::new().nest("/x", x).nest("/stripe", stripe)
}

/// What the control of every sender has.
fn of(sender: Sender) -> Router<Arc<Simulator>> {
    let unset = async move |State(simulator): Shared| {
        simulator.deliveries.set_hook(sender, None);
        StatusCode::NO_CONTENT
    };
    let list = async move |State(simulator): Shared, Asked(asked): Asked<After>| {
        Json(simulator.deliveries.list(sender, asked.after))
    };
    let release = async move |State(simulator): Shared, Told(told): Told<Release>| {
        Json::<Vec<Delivery>>(simulator.deliveries.release(sender, told.order, told.seed))
    };
    let wait = async move |State(simulator): Shared, Asked(asked): Asked<HowLong>| {
        if simulator.deliveries.settled(sender, limit(asked.timeout_ms)).await {
            Ok(Json(json!({ "reached": true })))
        } else {
            Err(Refusal::timed_out())
        }
    };
    Router::new()
        .route("/webhook", delete(unset))
        .route("/deliveries", get(list))
        .route("/deliveries/release", post(release))
        .route("/deliveries/wait", get(wait))
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Release {
    order: Order,
    seed: u64,
}

fn hook(url: &str, secrets: Vec<String>, field: &str) -> Result<Hook, Refusal> {
    let url = url::Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.ok_or_else(|| Refusal::bad("url", "must be a whole address of http or https"))?;
    if secrets.is_empty() || secrets.iter().any(String::is_empty) {
        return Err(Refusal::bad(field, "must be told, and not be empty"));
    }
    Ok(Hook { url, secrets })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct XHook {
    url: String,
    secret: String,
}

async fn set_x(State(simulator): Shared, Told(told): Told<XHook>) -> Result<StatusCode, Refusal> {
    let hook = hook(&told.url, vec![told.secret], "secret")?;
    if let Err(why) = simulator.deliveries.challenge(&hook).await {
        return Err(Refusal::bad("url", &format!("CrcValidationFailed: {why}")));
    }
    simulator.deliveries.set_hook(Sender::X, Some(hook));
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StripeHook {
    url: String,
    secrets: Vec<String>,
}

async fn set_stripe(
    State(simulator): Shared,
    Told(told): Told<StripeHook>,
) -> Result<StatusCode, Refusal> {
    let hook = hook(&told.url, told.secrets, "secrets")?;
    simulator.deliveries.set_hook(Sender::Stripe, Some(hook));
    Ok(StatusCode::NO_CONTENT)
}

fn refusal((field, message): (&'static str, &'static str)) -> Refusal {
    let status = if field == "id" { StatusCode::NOT_FOUND } else { StatusCode::BAD_REQUEST };
    Refusal::new(status, field, message)
}

async fn engage(
    State(simulator): Shared,
    Path(id): Path<String>,
    Told(told): Told<NewEngagement>,
) -> Answered<Engaged> {
    let done = simulator.x().engage(&id, &told, journal::now());
    let (metrics, events, how) = done.map_err(refusal)?;
    let event_ids = simulator.deliveries.send(Sender::X, &events, how);
    Ok(Json(Engaged { metrics, event_ids }))
}

async fn delete_post(
    State(simulator): Shared,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    let told = simulator.x().delete_by_hand(&id, journal::now());
    let event = told.ok_or_else(|| refusal(("id", "there is no such post")))?;
    simulator.deliveries.send(Sender::X, &[event], How::default());
    Ok(StatusCode::NO_CONTENT)
}

async fn stripe_event(
    State(simulator): Shared,
    Told(told): Told<NewStripeEvent>,
) -> Answered<Value> {
    let how = How { deliver: told.deliver, copies: told.copies };
    let event = simulator.stripe().event(told, journal::now()).map_err(refusal)?;
    let sent = simulator.deliveries.send(Sender::Stripe, &[event], how).pop();
    Ok(Json(json!({ "eventId": sent })))
}

async fn subscription(
    State(simulator): Shared,
    Path(id): Path<String>,
    Told(told): Told<NewSubscription>,
) -> Answered<Subscribed> {
    if told.copies == 0 {
        return Err(Refusal::bad("copies", "must be at least 1"));
    }
    let how = How { deliver: told.deliver, copies: told.copies };
    let (subscription, event) = simulator.stripe().put(&id, &told, journal::now());
    let events: Vec<_> = event.into_iter().collect();
    let event_id = simulator.deliveries.send(Sender::Stripe, &events, how).pop();
    Ok(Json(Subscribed { subscription, event_id }))
}
