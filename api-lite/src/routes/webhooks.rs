//! `/webhooks/{sender}`: what networks tell.
//!
//! The signature over the raw bytes is checked first; then the event is kept as it came, with a job for it,
//! and the sender has its answer. What it means is the worker's.
//!
//! **Invariant:** of what is not authentic nothing is kept, and nothing is read but its bytes.

use axum::Json;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::App;
use crate::body::Filters;
use crate::figures;
use crate::intake::Intake;
use crate::problem::{Details, Problem, Result};
use crate::request::Context;
use jobs::{Code, WebhookEventId};
use platforms::webhooks::{self, Unverified};
use store::webhook_events::Arrived;

/// The largest body that is taken; senders' events are far smaller.
const LARGEST: usize = 256 * 1024;

/// The most levels of nesting; senders' events have few, and whoever reads them has a stack.
const DEEPEST: usize = 64;

/// The longest id or type of an event that is kept as it is.
const LONGEST_WORD: usize = 255;

pub(crate) fn open_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(receive, answer_challenge))
}

/// Who tells us things, by the name in the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    X,
    Stripe,
}

impl Sender {
    fn of_path(name: &str) -> Result<Sender> {
        match name {
            "x" => Ok(Sender::X),
            "stripe" => Ok(Sender::Stripe),
            _ => {
                let name: String = name.chars().take(50).collect();
                let detail = format!("unknown sender {name:?}: expected `x` or `stripe`");
                Err(Problem::new(Code::NotFound, detail).at("sender"))
            }
        }
    }

    /// The name in rows and metrics.
    const fn as_str(self) -> &'static str {
        match self {
            Sender::X => store::engagement::SENDER,
            Sender::Stripe => store::billing::SENDER,
        }
    }

    fn secrets(self, app: &App) -> Result<&[SecretString]> {
        let secrets = match self {
            Sender::X => app.webhooks.x_secrets.as_slice(),
            Sender::Stripe => app.webhooks.stripe_secrets.as_slice(),
        };
        if secrets.is_empty() {
            let detail = format!("webhooks of {} are not set up here", self.as_str());
            return Err(Problem::own("network_not_set_up", detail));
        }
        Ok(secrets)
    }

    fn intake(self, app: &App) -> &Intake {
        match self {
            Sender::X => &app.webhooks.x,
            Sender::Stripe => &app.webhooks.stripe,
        }
    }

    /// Whether the sender sent these bytes.
    async fn verify(
        self,
        app: &App,
        secrets: &[&[u8]],
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<()> {
        let header = |name: &str| headers.get(name).map(axum::http::HeaderValue::as_bytes);
        match self {
            Sender::X => {
                webhooks::x::verify(secrets, header(webhooks::x::HEADER), body).map_err(unverified)
            }
            Sender::Stripe => {
                let header = header(webhooks::stripe::HEADER);
                let now = app.database.now().await?.timestamp();
                webhooks::stripe::verify(secrets, header, body, now, app.webhooks.stripe_tolerance)
                    .map_err(unverified)
            }
        }
    }

    /// The event's own id and type, where it has them.
    fn envelope(self, body: &str) -> Result<(Option<String>, Option<String>)> {
        match self {
            Sender::X => {
                let envelope = platforms::x::activity::envelope(body)
                    .map_err(|error| Problem::own("malformed_json", error.to_string()))?;
                Ok((envelope.event_id, envelope.event_type))
            }
            Sender::Stripe => {
                let envelope = platforms::stripe::envelope(body)
                    .map_err(|error| Problem::own("malformed_json", error.to_string()))?;
                Ok((Some(envelope.event_id), Some(envelope.event_type)))
            }
        }
    }
}

/// An event was taken in.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Received {
    /// Always true: it is kept.
    received: bool,
}

/// Takes in an event
///
/// For networks. The signature over the raw bytes is checked; the event is kept, once, however often it
/// comes, and looked at later.
#[utoipa::path(
    post, path = "/webhooks/{sender}", tag = "webhooks", operation_id = "receiveWebhook",
    params(("sender" = String, Path, description = "Who tells it", example = "x")),
    request_body(content = serde_json::Value, description = "The sender's own event"),
    responses(
        (status = 200, description = "It is kept", body = Received),
        (status = 400, description = "It is authentic, and no event", body = Details, content_type = "application/problem+json"),
        (status = 401, description = "The signature is missing, wrong or too old", body = Details, content_type = "application/problem+json"),
        (status = 413, description = "It is too large", body = Details, content_type = "application/problem+json"),
    )
)]
async fn receive(
    State(app): State<App>,
    context: Context,
    Path(name): Path<String>,
    request: Request,
) -> Result<Json<Received>> {
    let sender = Sender::of_path(&name)?;
    let kept = take_in(&app, sender, context, request).await;
    if let Err(problem) = &kept {
        figures::not_received(sender.as_str(), problem.word());
    }
    kept.map(|()| Json(Received { received: true }))
}

async fn take_in(app: &App, sender: Sender, context: Context, request: Request) -> Result<()> {
    let secrets = sender.secrets(app)?;
    let (head, body) = request.into_parts();
    let body = read(app, &context, body).await?;
    let secrets: Vec<&[u8]> = secrets.iter().map(|one| one.expose_secret().as_bytes()).collect();
    sender.verify(app, &secrets, &head.headers, &body).await?;
    let body = String::from_utf8(body.into())
        .map_err(|_| Problem::own("malformed_json", "expected UTF-8"))?;
    if is_too_deep(body.as_bytes()) {
        let detail = format!("expected at most {DEEPEST} levels of nesting");
        return Err(Problem::own("malformed_json", detail));
    }
    let (event_id, event_type) = sender.envelope(&body)?;
    let word = |word: Option<String>| {
        word.filter(|word| word.len() <= LONGEST_WORD && !word.contains('\0'))
    };
    let event = Arrived {
        id: WebhookEventId::new(),
        event_id: word(event_id).unwrap_or_else(|| hash(&body)),
        event_type: word(event_type),
        body,
    };
    sender.intake(app).keep(event, context.trace_parent).await
}

async fn read(app: &App, context: &Context, body: axum::body::Body) -> Result<Bytes> {
    let limit = LARGEST.min(app.max_body_bytes);
    match tokio::time::timeout_at(context.body_deadline(), to_bytes(body, limit)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => Err(crate::body::unread(&error, limit)),
        Err(_) => {
            let longest = app.request_timeout.as_millis();
            let detail = format!("the body did not arrive within {longest} ms");
            Err(Problem::own("slow_request", detail).with_body_unread())
        }
    }
}

fn unverified(error: Unverified) -> Problem {
    Problem::own("unverified", error.to_string())
}

/// Whether a JSON text is nested too deeply, without reading it any further.
fn is_too_deep(json: &[u8]) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in json {
        match (in_text, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_text = !in_text,
            (true, _) => {}
            (false, b'{' | b'[') => depth += 1,
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            (false, _) => {}
        }
        if depth > DEEPEST {
            return true;
        }
    }
    false
}

/// An event without an id of its own is told apart by its bytes.
fn hash(body: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(body.as_bytes())))
}

/// What a sender asks to see whether we are who it takes us for.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Challenge {
    /// X's challenge.
    crc_token: Option<String>,
}

/// The answer to a challenge.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct ChallengeAnswer {
    /// The challenge, signed.
    #[schema(example = "sha256=BUd4Bij9vPNqOUUflxndJK/41+5GgXQdvoBLWDOm4fI=")]
    response_token: String,
}

/// Answers a challenge
///
/// X asks from time to time whether we know the secret that we share with it.
#[utoipa::path(
    get, path = "/webhooks/{sender}", tag = "webhooks", operation_id = "answerWebhookChallenge",
    params(("sender" = String, Path, description = "Who asks", example = "x"), Challenge),
    responses(
        (status = 200, description = "The answer", body = ChallengeAnswer),
        (status = 422, description = "There is no challenge, or not one that X would send", body = Details, content_type = "application/problem+json"),
    )
)]
async fn answer_challenge(
    State(app): State<App>,
    Path(name): Path<String>,
    Filters(query): Filters<Challenge>,
) -> Result<Json<ChallengeAnswer>> {
    let sender = Sender::of_path(&name)?;
    let secrets = sender.secrets(&app)?;
    match sender {
        Sender::X => {
            let Some(token) = query.crc_token else {
                return Err(Problem::invalid(webhooks::x::CRC_TOKEN, "expected X's challenge"));
            };
            // The first secret is the one in force.
            let secret = secrets[0].expose_secret().as_bytes();
            let response_token = webhooks::x::crc_answer(secret, &token)
                .map_err(|error| Problem::invalid(webhooks::x::CRC_TOKEN, error.to_string()))?;
            Ok(Json(ChallengeAnswer { response_token }))
        }
        Sender::Stripe => {
            let detail = "Stripe asks for no proof of ours.";
            Err(Problem::new(Code::NotFound, detail).at("sender"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_is_counted_outside_of_texts() {
        let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        assert!(!is_too_deep(nested(DEEPEST).as_bytes()));
        assert!(is_too_deep(nested(DEEPEST + 1).as_bytes()));
        let text = format!(r#"{{"a":"\"{}"}}"#, "[".repeat(1000));
        assert!(!is_too_deep(text.as_bytes()));
        let wide = format!("[{}]", vec!["{}"; 1000].join(","));
        assert!(!is_too_deep(wide.as_bytes()));
        let after_text = format!(r#"["\\",{}]"#, nested(DEEPEST));
        assert!(is_too_deep(after_text.as_bytes()));
    }
}
