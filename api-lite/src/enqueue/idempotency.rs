//! The header `Idempotency-Key`.
//!
//! **Invariant:** a key is at most 255 printable characters, so that it can be stored and logged.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use sha2::{Digest, Sha256};

use crate::problem::{Problem, Result};

/// What a caller calls its request, so that repeating it does nothing.
#[derive(Clone, Debug)]
pub(crate) struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key of one way back from a consent page.
    pub(crate) fn of_consent(state: &str) -> Self {
        Self(format!("consent:{}", hex::encode(Sha256::digest(state))))
    }

    /// The text.
    pub(super) fn into_text(self) -> String {
        self.0
    }
}

/// The key, where the caller gave one.
pub(crate) struct Idempotent(pub(crate) Option<IdempotencyKey>);

impl<S: Send + Sync> FromRequestParts<S> for Idempotent {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let Some(value) = parts.headers.get("idempotency-key") else { return Ok(Self(None)) };
        let printable = |text: &&str| {
            (1..=255).contains(&text.len()) && text.bytes().all(|b| (0x20..0x7f).contains(&b))
        };
        match value.to_str().ok().filter(printable) {
            Some(text) => Ok(Self(Some(IdempotencyKey(text.to_owned())))),
            None => Err(Problem::invalid(
                "Idempotency-Key",
                "expected 1 to 255 printable ASCII characters",
            )),
        }
    }
}
