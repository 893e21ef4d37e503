//! The bell against a real Redis: `TEST_REDIS_URL`, or a private server on a free port. Tests that
//! kill, stop or empty their server always start a private one.

#![expect(clippy::unwrap_used, reason = "in a test, a surprise is a failure")]

mod ends;
mod outage;
mod rates;
mod ringing;
mod server;
