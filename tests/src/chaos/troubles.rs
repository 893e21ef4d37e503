//! What the network does instead of answering as it should.
//!
//! **Invariant:** a call that was given up is acted on before the first look-up, if at all: later than
//! that, no network may.

use std::time::Duration;

use serde_json::json;
use simulator::{Action, Rule, When};

/// The rule under which the network refuses for good has this name.
pub(crate) const REFUSAL: &str = "refusal";

/// Every trouble, with a word for it. `slow` is longer than anybody waits for an answer.
pub(crate) fn troubles(slow: Duration) -> [(&'static str, Rule); 10] {
    let post = |action| Rule::on("POST", "/2/tweets", action);
    let ms = u64::try_from(slow.as_millis()).unwrap_or(u64::MAX);
    let delay = |when| post(Action::Delay { ms, when });
    let acting = Action::Status {
        status: 503,
        headers: [("retry-after".to_owned(), "1".to_owned())].into(),
        body: None,
        act: true,
    };
    let refusal = Action::Status {
        status: 400,
        headers: Default::default(),
        body: Some(json!({
            "title": "Invalid Request", "detail": "This is not allowed here.", "status": 400,
            "type": "https://api.twitter.com/2/problems/invalid-request",
        })),
        act: false,
    };
    [
        ("network: accepted, then dropped", post(Action::DropAfter {})),
        ("network: dropped before", post(Action::DropBefore {})),
        ("network: 503", post(Action::status(503))),
        ("network: 503 and yet published", post(acting)),
        ("network: 429", post(Action::RateLimited { reset_in_ms: 2_000 })),
        ("network: slower than its time, before", delay(When::Before)),
        ("network: slower than its time, after", delay(When::After)),
        ("network: an answer that cannot be read", post(Action::Malformed {})),
        ("network: a definite refusal", post(refusal).named(REFUSAL)),
        ("network: look-up fails", Rule::on("GET", "/2/users/*", Action::status(503))),
    ]
}
