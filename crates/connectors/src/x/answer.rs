//! One request to X and what its answer means.
//!
//! **Invariant:** no token leaves this file: not in an error, a message, a log or a key.

use chrono::DateTime;
use platforms::x::{Endpoint, RATE_WINDOW, classify, message};
use platforms::{ErrorClass, Platform};
use reqwest::header::{DATE, HeaderMap};
use reqwest::{RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::time::Duration;
use tracing::field::Empty;
use tracing::{Instrument, Span, debug, info_span};

use crate::{Access, Called, Closed, Error, Refusal};

/// Longest message that is kept, in characters.
const MESSAGE_MAX: usize = 500;
/// Largest answer that is read, in bytes; a page of a hundred posts is far smaller.
const BODY_MAX: usize = 8 * 1024 * 1024;
/// Longest time for which a header may close a key.
const CLOSED_MAX: Duration = Duration::from_secs(31 * 24 * 3600);

/// Whose budget a call spends, and which secrets must not be told.
#[derive(Clone)]
pub(super) struct Budget<'a> {
    pub(super) endpoint: Endpoint,
    key: String,
    secrets: Vec<&'a SecretString>,
}

impl<'a> Budget<'a> {
    pub(super) fn of_account(endpoint: Endpoint, access: &'a Access) -> Self {
        Budget {
            endpoint,
            key: endpoint.user_key(&access.account_id),
            secrets: vec![&access.token],
        }
    }

    /// For the call that asks whose token it is: a digest of the token stands for the account.
    pub(super) fn of_unknown_account(endpoint: Endpoint, token: &'a SecretString) -> Self {
        let digest = Sha256::digest(token.expose_secret());
        let name: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Budget { endpoint, key: endpoint.user_key(&format!("token-{name}")), secrets: vec![token] }
    }

    /// For a call that our app makes in its own name.
    pub(super) fn of_app(endpoint: Endpoint, secrets: Vec<&'a SecretString>) -> Self {
        Budget { endpoint, key: endpoint.app_key(), secrets }
    }

    /// Text for people and logs: without secrets, and not too long.
    pub(super) fn tell(&self, text: &str) -> String {
        let secrets = self.secrets.iter().map(|secret| secret.expose_secret());
        let told = secrets
            .filter(|secret| !secret.is_empty())
            .fold(text.to_owned(), |told, secret| told.replace(secret, "[token]"));
        told.chars().take(MESSAGE_MAX).collect()
    }
}

/// No answer.
pub(super) enum Failed {
    /// Nothing reached X.
    NotSent(String),
    /// The request may have reached X.
    Lost(String),
}

/// An answer, whatever it says.
pub(super) struct Answer {
    pub(super) status: u16,
    headers: HeaderMap,
    /// [`Value::Null`] when it was empty or not readable JSON.
    pub(super) body: Value,
    /// Why the body is not readable.
    trouble: Option<String>,
}

/// Sends a request and reads the answer.
pub(super) async fn send(request: RequestBuilder, budget: &Budget<'_>) -> Result<Answer, Failed> {
    let span = info_span!(
        "network.call",
        platform.id = Platform::Twitter.as_str(),
        http.route = budget.endpoint.name(),
        http.response.status_code = Empty,
    );
    async {
        let result = send_plain(request, budget).await;
        match &result {
            Ok(answer) => {
                Span::current().record("http.response.status_code", answer.status);
                debug!("answered");
            }
            Err(Failed::NotSent(reason)) => debug!(reason, "not sent"),
            Err(Failed::Lost(reason)) => debug!(reason, "no answer"),
        }
        result
    }
    .instrument(span)
    .await
}

async fn send_plain(request: RequestBuilder, budget: &Budget<'_>) -> Result<Answer, Failed> {
    let response = request.send().await.map_err(|error| {
        let nothing_sent = error.is_connect() || error.is_builder();
        let reason = budget.tell(&told(error));
        if nothing_sent { Failed::NotSent(reason) } else { Failed::Lost(reason) }
    })?;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let (body, trouble) = match read(response).await {
        Ok(body) => (body, None),
        Err(trouble) => (Value::Null, Some(budget.tell(&trouble))),
    };
    Ok(Answer { status, headers, body, trouble })
}

async fn read(mut response: Response) -> Result<Value, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(told)? {
        if body.len() + chunk.len() > BODY_MAX {
            return Err(format!("the answer is longer than {BODY_MAX} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&body).map_err(|error| format!("the answer is not JSON: {error}"))
}

/// What happened, in words for people: the kind of trouble and its innermost cause, without the
/// address.
fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    let what = if error.is_connect() {
        "X could not be reached"
    } else if error.is_timeout() {
        "X did not answer in time"
    } else if error.is_body() || error.is_decode() {
        "X's answer could not be read to its end"
    } else {
        "the connection was cut before X answered"
    };
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    format!("{what} ({cause})")
}

/// A success that cannot be used.
pub(super) fn unreadable(why: &str) -> Error {
    Error::Unavailable { reason: format!("unreadable answer: {why}") }
}

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The answer to a call that publishes nothing: a body with data, or an error.
    pub(super) fn into_called(self, budget: &Budget<'_>) -> Result<Called<Value>, Error> {
        if self.is_success() {
            if let Some(trouble) = &self.trouble {
                return Err(unreadable(trouble));
            }
            if self.body.get("data").is_some() || self.body.get("errors").is_none() {
                let closed = self.closed(budget, None);
                return Ok(Called { value: self.body, closed });
            }
        }
        let refusal = self.refusal(budget);
        if super::is_open(refusal.class) {
            return Err(Error::Unavailable { reason: self.describe(budget, &refusal.message) });
        }
        Err(Error::Refused(refusal))
    }

    /// The answer to a look at several posts: also a body with errors alone, which may be one for
    /// each post. A nearly used budget closes its key.
    pub(super) fn into_lookup(self, budget: &Budget<'_>) -> Result<Called<Value>, Error> {
        let told = ["data", "errors"].iter().any(|list| self.body[list].is_array());
        if !self.is_success() || self.trouble.is_some() {
            return self.into_called(budget);
        }
        if !told {
            return Err(unreadable("neither posts nor errors"));
        }
        let closed = self.used_up(budget, |remaining, limit| remaining <= limit / 10);
        Ok(Called { value: self.body, closed })
    }

    /// The answer as a refusal, by its class.
    pub(super) fn refusal(&self, budget: &Budget<'_>) -> Refusal {
        let class = classify(self.status, &self.body, budget.endpoint);
        Refusal {
            class,
            status: self.status,
            message: budget.tell(&message(&self.body)),
            closed: self.closed(budget, Some(class)),
        }
    }

    /// The status and what else is known, for people and logs.
    pub(super) fn describe(&self, budget: &Budget<'_>, what: &str) -> String {
        let what = self.trouble.as_deref().unwrap_or(what);
        budget.tell(format!("HTTP {}: {what}", self.status).trim_end_matches([':', ' ']))
    }

    /// The key that the answer closes: one whose budget is used up, or the one that was refused.
    pub(super) fn closed(
        &self,
        budget: &Budget<'_>,
        refused: Option<ErrorClass>,
    ) -> Option<Closed> {
        let used_up = self.used_up(budget, |remaining, _| remaining <= 0);
        match refused {
            Some(ErrorClass::Quota) => {
                let opens_in = used_up.map_or_else(|| self.reset("x-rate-limit"), |c| c.opens_in);
                Some(Closed { key: budget.endpoint.app_key(), opens_in })
            }
            Some(ErrorClass::RateLimited) => Some(used_up.unwrap_or_else(|| Closed {
                key: budget.key.clone(),
                opens_in: self.reset("x-rate-limit"),
            })),
            _ => used_up,
        }
    }

    /// The key whose budget is used up, by a rule on what remains of the limit; where there are
    /// several, the one that is closed longest. A limit that is not told is 0.
    fn used_up(&self, budget: &Budget<'_>, rule: impl Fn(i64, i64) -> bool) -> Option<Closed> {
        let app_key = budget.endpoint.app_key();
        [
            ("x-rate-limit", &budget.key),
            ("x-user-limit-24hour", &budget.key),
            ("x-app-limit-24hour", &app_key),
        ]
        .into_iter()
        .filter(|(window, _)| {
            let limit = self.number(&format!("{window}-limit")).unwrap_or_default();
            let remaining = self.number(&format!("{window}-remaining"));
            remaining.is_some_and(|remaining| rule(remaining, limit))
        })
        .map(|(window, key)| Closed { key: key.clone(), opens_in: self.reset(window) })
        .max_by_key(|closed| closed.opens_in)
    }

    /// After how long a window opens again. X names a moment: it counts from the moment that X itself gave the
    /// answer, as this machine's clock may be wrong. Without one of the two, it is a whole window.
    fn reset(&self, window: &str) -> Duration {
        let reset = self.number(&format!("{window}-reset"));
        let left = reset.zip(self.answered_at()).map(|(reset, at)| reset.saturating_sub(at));
        let left = left.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
        left.unwrap_or(RATE_WINDOW).min(CLOSED_MAX)
    }

    /// When X answered, by its own clock, in Unix seconds.
    fn answered_at(&self) -> Option<i64> {
        let date = self.headers.get(DATE)?.to_str().ok()?;
        Some(DateTime::parse_from_rfc2822(date).ok()?.timestamp())
    }

    fn number(&self, header: &str) -> Option<i64> {
        self.headers.get(header)?.to_str().ok()?.trim().parse().ok()
    }
}
