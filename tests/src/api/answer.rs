//! What is asked of the API, and what it answers.
//!
//! **Invariant:** an answer is kept as it came, whatever its status.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

/// A job to be asked for.
#[derive(Clone, Debug)]
pub struct Ask {
    pub(super) body: Value,
    pub(super) wait_secs: Option<u64>,
    pub(super) idempotency_key: Option<String>,
}

impl Ask {
    /// Asks for a job of this kind and does not wait.
    pub fn new(kind: &str, args: Value) -> Self {
        Self { body: json!({ "kind": kind, "args": args }), wait_secs: None, idempotency_key: None }
    }

    /// Names the person behind it.
    pub fn actor(mut self, actor: &str) -> Self {
        self.body["actor"] = json!(actor);
        self
    }

    /// Not before this moment.
    pub fn run_at(mut self, at: DateTime<Utc>) -> Self {
        self.body["runAt"] = json!(at);
        self
    }

    /// Waits for the end, up to so many seconds.
    pub fn wait(mut self, secs: u64) -> Self {
        self.wait_secs = Some(secs);
        self
    }

    /// The same key answers with the same job.
    pub fn idempotency_key(mut self, key: &str) -> Self {
        self.idempotency_key = Some(key.to_owned());
        self
    }
}

/// An answer of the API.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as JSON; null when it is none.
    pub body: Value,
}

/// A call that the API, or the job behind it, refused.
#[derive(Debug, thiserror::Error)]
#[error("{what} was refused with {}: {}", .answer.status, .answer.body)]
pub struct Refused {
    /// What was asked.
    pub what: String,
    /// The answer.
    pub answer: Answer,
}

impl Answer {
    /// A header as text; empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Whether the call went well.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The stable word of a problem; empty when it is none.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// The field that a problem names; empty when it names none.
    pub fn field(&self) -> &str {
        self.body["field"].as_str().unwrap_or_default()
    }
}

/// All that the API has answered, headers and bodies, for whoever looks for secrets.
#[derive(Clone, Debug, Default)]
pub struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    /// The answers so far.
    pub fn answers(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn note(&self, headers: &HeaderMap, body: &str) {
        let answer = format!("{headers:?} {body}");
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
    }
}
