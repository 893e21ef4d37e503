//! The control: what a tester asks of the simulator, under `/_control`.
//!
//! | request | told or asked | answer |
//! | --- | --- | --- |
//! | `POST /users` | `{username, name, id?, tokens: [{token, scopes, expiresInSecs?}]}` | the user |
//! | `POST /revoke` | `{user}`, id or handle | `{revoked}` |
//! | `POST /apps` | `{clientId, clientSecret?, redirectUris}`, of OAuth | 204 |
//! | `POST /consent` | `{state, user, answer: "allow" or "deny"}` | `{location}` |
//! | `GET /grants` | | what people have allowed |
//! | `POST /keys` | `{key, name}`, of models | 204 |
//! | `GET`, `POST /models` | see [`ModelSettings`] | the same |
//! | `GET`, `POST /settings` | see [`SettingsPatch`] | the settings in force |
//! | `POST /metrics` | `{postId, metrics: {likes?, …}}` | 204 |
//! | `GET`, `POST`, `DELETE /faults` | a list of [`Rule`]s | the rules; `{ids}`; 204 |
//! | `GET /holds` | | what is held |
//! | `POST /release/{name}` | `{outcome?: "proceed" or "drop"}` | what was held |
//! | `GET /journal`, `GET /effects` | `?after=SEQ` | a list |
//! | `GET /posts` | `?user=` id or handle | a list, deleted posts included |
//! | `GET /wait` | `?effects=N&kind=…` or `?seq=N`, `&timeoutMs=…` | `{reached: true}`, or 408 |
//! | `GET /wait-hold/{name}` | `?timeoutMs=…` | the hold, or 408 |
//! | `POST /reset` | | 204 |
//! | `/x/…`, `/stripe/…` | webhooks: see `control/webhooks.rs` | |
//!
//! A refusal is `{"error": {"field", "message"}}`. An action is an object with one key:
//! `{"status": {"status", "headers"?, "body"?, "act"?}}`, `{"rateLimited": {"resetInMs"}}`,
//! `{"delay": {"ms", "when"}}`, `{"dropBefore": {}}`, `{"dropAfter": {}}`, `{"malformed": {}}`,
//! `{"revokeToken": {}}`, `{"revokeGrant": {}}`, `{"hold": {"name", "when"}}`, with `when` one of `before` and `after`.
//!
//! For models: `{"malformedOutput": {}}`, `{"longOutput": {"chars"}}`, `{"refusal": {}}`,
//! `{"cutStream": {"events"}}`, `{"slowStream": {"ms"}}`, `{"spendLimit": {}}`; `rateLimited` comes
//! with `retry-after`, `status` 429 without, and `status` 529 is overloaded.
//!
//! **Invariant:** a wrong request changes nothing, and its answer names the field.

mod input;
mod webhooks;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::deliveries::{How, Sender};
use crate::fault::{Action, Rule, Standing};
use crate::hold::{Hold, Outcome};
use crate::journal::{Effect, Entry, Who};
use crate::models::{ModelSettings, NewKey};
use crate::x::{
    ControlGrant, ControlPost, Grant, Metrics, NewApp, NewConsent, SCOPES, Settings, SettingsPatch,
};
use crate::{Simulator, journal};
use input::{Asked, Refusal, Told};

/// How long a wait lasts unless asked otherwise.
const WAIT_MS: u64 = 10_000;
/// The longest time that any field may tell, in milliseconds: about a thousand years.
const LONGEST_MS: u64 = 1 << 45;
/// The longest text that a model may be told to write, in characters.
const LONGEST_TEXT: usize = 1_000_000;

type Shared = State<Arc<Simulator>>;
type Answered<T> = Result<Json<T>, Refusal>;

/// The routes, to be nested under `/_control`.
pub(crate) fn routes() -> Router<Arc<Simulator>> {
    Router::new()
        .route("/users", post(put_user))
        .route("/revoke", post(revoke))
        .route("/apps", post(put_app))
        .route("/consent", post(consent))
        .route("/grants", get(grants))
        .route("/keys", post(put_key))
        .route("/models", get(model_settings).post(set_models))
        .route("/settings", get(settings).post(change_settings))
        .route("/metrics", post(set_metrics))
        .route("/faults", get(faults).post(add_faults).delete(clear_faults))
        .route("/holds", get(holds))
        .route("/release/{name}", post(release))
        .route("/journal", get(entries))
        .route("/effects", get(effects))
        .route("/posts", get(posts))
        .route("/wait", get(wait))
        .route("/wait-hold/{name}", get(wait_hold))
        .route("/reset", post(reset))
        .merge(webhooks::routes())
        .fallback(async || Refusal::new(StatusCode::NOT_FOUND, "path", "there is no such control"))
}

/// A user to be registered. One with the same id, or else the same handle, is changed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewUser {
    /// The handle, without a leading `@`: 1 to 15 letters, digits or underscores.
    pub username: String,
    /// The display name.
    pub name: String,
    /// The network's own id; made up when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Tokens to be added.
    #[serde(default)]
    pub tokens: Vec<NewToken>,
}

/// A bearer token to be registered.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewToken {
    /// The token.
    pub token: String,
    /// What it may do.
    pub scopes: BTreeSet<String>,
    /// When it ends, in seconds from now; never when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_secs: Option<u64>,
}

impl std::fmt::Debug for NewToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewToken").field("scopes", &self.scopes).finish_non_exhaustive()
    }
}

async fn put_user(State(simulator): Shared, Told(user): Told<NewUser>) -> Answered<Who> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !(1..=15).contains(&user.username.len()) || !user.username.chars().all(good) {
        return Err(Refusal::bad("username", "must be 1 to 15 letters, digits or underscores"));
    }
    if user.id.as_deref().is_some_and(|id| !is_id(id)) {
        return Err(Refusal::bad("id", "must be 1 to 19 digits"));
    }
    let mut grants = Vec::with_capacity(user.tokens.len());
    for (at, NewToken { token, scopes, expires_in_secs }) in user.tokens.into_iter().enumerate() {
        if token.is_empty() || token.contains(char::is_whitespace) {
            let field = format!("tokens[{at}].token");
            return Err(Refusal::bad(&field, "must not be empty, nor have spaces"));
        }
        if let Some(unknown) = scopes.iter().find(|scope| !SCOPES.contains(&scope.as_str())) {
            let message = format!("{unknown:?} is not one of {}", SCOPES.join(", "));
            return Err(Refusal::bad(&format!("tokens[{at}].scopes"), &message));
        }
        let secs = expires_in_secs.map(|secs| secs.min(LONGEST_MS / 1000) as i64);
        let expires_at = secs.map(|secs| journal::now() + TimeDelta::seconds(secs));
        grants.push(Grant { token, scopes: scopes.into_iter().collect(), expires_at });
    }
    Ok(Json(simulator.x().register(user.username, user.name, user.id, grants)))
}

fn is_id(text: &str) -> bool {
    (1..=19).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `{"user": …}`, by id or handle.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    user: String,
}

async fn revoke(State(simulator): Shared, Told(named): Told<Named>) -> Answered<Value> {
    let mut world = simulator.x();
    let told = world.told_revocation(&named.user, journal::now());
    let (Some(told), Some(revoked)) = (told, world.revoke_user(&named.user)) else {
        return Err(Refusal::new(StatusCode::NOT_FOUND, "user", "there is no such user"));
    };
    drop(world);
    simulator.deliveries.send(Sender::X, &[told], How::default());
    Ok(Json(json!({ "revoked": revoked })))
}

async fn put_app(State(simulator): Shared, Told(app): Told<NewApp>) -> Result<StatusCode, Refusal> {
    if app.client_id.is_empty() || app.client_id.contains(':') {
        return Err(Refusal::bad("clientId", "must not be empty, nor have a colon"));
    }
    if app.redirect_uris.iter().any(|uri| url::Url::parse(uri).is_err()) {
        return Err(Refusal::bad("redirectUris", "must be whole addresses"));
    }
    simulator.x().put_app(app);
    Ok(StatusCode::NO_CONTENT)
}

async fn consent(State(simulator): Shared, Told(told): Told<NewConsent>) -> Answered<Value> {
    match simulator.x().consent(&told) {
        Ok(location) => Ok(Json(json!({ "location": location }))),
        Err(field) => {
            Err(Refusal::new(StatusCode::NOT_FOUND, field, "there is no such user or open page"))
        }
    }
}

async fn grants(State(simulator): Shared) -> Json<Vec<ControlGrant>> {
    Json(simulator.x().grants())
}

async fn put_key(State(simulator): Shared, Told(key): Told<NewKey>) -> Result<StatusCode, Refusal> {
    if key.key.is_empty() || key.key.contains(char::is_whitespace) {
        return Err(Refusal::bad("key", "must not be empty, nor have spaces"));
    }
    simulator.models().put_key(key);
    Ok(StatusCode::NO_CONTENT)
}

async fn model_settings(State(simulator): Shared) -> Json<ModelSettings> {
    Json(simulator.models().settings().clone())
}

async fn set_models(
    State(simulator): Shared,
    Told(settings): Told<ModelSettings>,
) -> Json<ModelSettings> {
    simulator.models().change(settings.clone());
    Json(settings)
}

async fn settings(State(simulator): Shared) -> Json<Settings> {
    Json(simulator.x().settings().clone())
}

async fn change_settings(
    State(simulator): Shared,
    Told(patch): Told<SettingsPatch>,
) -> Answered<Settings> {
    let mut world = simulator.x();
    match world.change(patch) {
        Ok(()) => Ok(Json(world.settings().clone())),
        Err(field) => Err(Refusal::bad(&field, "is not an endpoint; see the settings' limits")),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PostMetrics {
    post_id: String,
    metrics: Metrics,
}

async fn set_metrics(
    State(simulator): Shared,
    Told(told): Told<PostMetrics>,
) -> Result<StatusCode, Refusal> {
    if simulator.x().set_metrics(&told.post_id, told.metrics) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Refusal::new(StatusCode::NOT_FOUND, "postId", "there is no such post"))
    }
}

async fn add_faults(State(simulator): Shared, Told(rules): Told<Vec<Rule>>) -> Answered<Value> {
    for (at, rule) in rules.iter().enumerate() {
        if let Err((field, message)) = check_rule(rule) {
            return Err(Refusal::bad(&format!("[{at}].{field}"), message));
        }
    }
    Ok(Json(json!({ "ids": simulator.faults.add(rules) })))
}

fn check_rule(rule: &Rule) -> Result<(), (&'static str, &'static str)> {
    if rule.matching.after == 0 {
        return Err(("match.after", "counts from 1"));
    }
    if rule.matching.times == Some(0) {
        return Err(("match.times", "must be at least 1, or null for ever"));
    }
    let too_long = "must be at most 2^45 milliseconds";
    match &rule.action {
        Action::Status { status, .. } if !(200..=599).contains(status) => {
            Err(("action.status.status", "must be from 200 to 599"))
        }
        Action::Status { headers, .. } if !headers.iter().all(is_header) => {
            Err(("action.status.headers", "has a name or a value that HTTP does not allow"))
        }
        Action::RateLimited { reset_in_ms } if *reset_in_ms > LONGEST_MS => {
            Err(("action.rateLimited.resetInMs", too_long))
        }
        Action::Delay { ms, .. } if *ms > LONGEST_MS => Err(("action.delay.ms", too_long)),
        Action::SlowStream { ms } if *ms > LONGEST_MS => Err(("action.slowStream.ms", too_long)),
        Action::LongOutput { chars } if *chars > LONGEST_TEXT => {
            Err(("action.longOutput.chars", "must be at most 1,000,000"))
        }
        Action::Hold { name, .. } if name.is_empty() || name.contains('/') => {
            Err(("action.hold.name", "must not be empty, nor have a slash"))
        }
        _ => Ok(()),
    }
}

fn is_header((name, value): (&String, &String)) -> bool {
    axum::http::HeaderName::try_from(name).is_ok()
        && axum::http::HeaderValue::try_from(value).is_ok()
}

async fn faults(State(simulator): Shared) -> Json<Vec<Standing>> {
    Json(simulator.faults.list())
}

async fn clear_faults(State(simulator): Shared) -> StatusCode {
    simulator.faults.clear();
    StatusCode::NO_CONTENT
}

async fn holds(State(simulator): Shared) -> Json<Vec<Hold>> {
    Json(simulator.holds.list())
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Release {
    outcome: Outcome,
}

async fn release(
    State(simulator): Shared,
    Path(name): Path<String>,
    Told(Release { outcome }): Told<Release>,
) -> Json<Vec<Hold>> {
    Json(simulator.holds.release(&name, outcome))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct After {
    #[serde(default)]
    after: u64,
}

async fn entries(State(simulator): Shared, Asked(asked): Asked<After>) -> Json<Vec<Entry>> {
    Json(simulator.journal.entries(asked.after))
}

async fn effects(State(simulator): Shared, Asked(asked): Asked<After>) -> Json<Vec<Effect>> {
    Json(simulator.journal.effects(asked.after))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfUser {
    user: Option<String>,
}

async fn posts(State(simulator): Shared, Asked(asked): Asked<OfUser>) -> Json<Vec<ControlPost>> {
    Json(simulator.x().control_posts(asked.user.as_deref()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wait {
    effects: Option<usize>,
    kind: Option<String>,
    seq: Option<u64>,
    timeout_ms: Option<u64>,
}

fn limit(timeout_ms: Option<u64>) -> Duration {
    Duration::from_millis(timeout_ms.unwrap_or(WAIT_MS).min(LONGEST_MS))
}

async fn wait(State(simulator): Shared, Asked(asked): Asked<Wait>) -> Answered<Value> {
    const KINDS: [&str; 3] = ["postCreated", "postDeleted", "mediaUploaded"];
    let kind = asked.kind.as_deref();
    if kind.is_some_and(|kind| !KINDS.contains(&kind)) {
        return Err(Refusal::bad("kind", &format!("must be one of {}", KINDS.join(", "))));
    }
    let limit = limit(asked.timeout_ms);
    let reached = match (asked.effects, asked.seq) {
        (Some(wanted), None) => simulator.journal.wait_effects(wanted, kind, limit).await,
        (None, Some(seq)) => simulator.journal.wait_seq(seq, limit).await,
        _ => return Err(Refusal::bad("effects", "exactly one of effects and seq must be given")),
    };
    if reached { Ok(Json(json!({ "reached": true }))) } else { Err(Refusal::timed_out()) }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HowLong {
    timeout_ms: Option<u64>,
}

async fn wait_hold(
    State(simulator): Shared,
    Path(name): Path<String>,
    Asked(asked): Asked<HowLong>,
) -> Answered<Hold> {
    let taken = simulator.holds.taken(&name, limit(asked.timeout_ms)).await;
    taken.map(Json).ok_or_else(Refusal::timed_out)
}

async fn reset(State(simulator): Shared) -> StatusCode {
    simulator.reset();
    StatusCode::NO_CONTENT
}
