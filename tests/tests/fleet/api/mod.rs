//! What the API takes, what it refuses, and how it says so.

mod batches;
mod idempotency;
mod keys;
mod limits;
mod problems;
mod refusals;
mod together;

use anyhow::{Result, ensure};
use fleet_tests::api::Answer;

/// Checks that an answer is a problem with this status, word and field, told as RFC 9457 wants.
pub(crate) fn is_problem(answer: &Answer, status: u16, code: &str, field: &str) -> Result<()> {
    let said = (answer.status, answer.code(), answer.field());
    ensure!(said == (status, code, field), "expected {status} {code} at {field:?}: {answer:?}");
    ensure!(answer.header("content-type") == "application/problem+json", "{answer:?}");
    let body = &answer.body;
    ensure!(body["status"] == status, "{body}");
    ensure!(body["type"] == format!("urn:ezre:problem:{code}"), "{body}");
    for text in ["title", "detail"] {
        ensure!(body[text].as_str().is_some_and(|text| !text.is_empty()), "{text}: {body}");
    }
    Ok(())
}
