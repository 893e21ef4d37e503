//! How X says no: problem documents.
//!
//! Source: the contracts' description of X (`x/openapi.trimmed.json`, version 2.167: the closed
//! set of problem types) and `PLATFORMS.md` section 3 (the types beyond it: `about:blank`,
//! `client-forbidden`, `rate-limit-exceeded`), read 2026-11-22.
//!
//! **Invariant:** a refusal changes nothing in the world.

use serde_json::{Map, Value, json};

use crate::call::Answer;

const TYPES: &str = "https://api.x.com/2/problems/";

/// A refusal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Problem {
    pub(super) status: u16,
    body: Map<String, Value>,
}

/// What an operation comes to.
pub(super) type Outcome<T> = Result<T, Problem>;

impl Problem {
    fn new(status: u16, kind: &str, title: &str, detail: impl Into<String>) -> Self {
        let kind = match kind {
            "" => "about:blank".to_owned(),
            kind => format!("{TYPES}{kind}"),
        };
        let mut body = Map::new();
        body.insert("type".into(), kind.into());
        body.insert("title".into(), title.into());
        body.insert("detail".into(), Value::from(detail.into()));
        body.insert("status".into(), status.into());
        Self { status, body }
    }

    fn and(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.body.insert(name.into(), value.into());
        self
    }

    /// A parameter or a body field is wrong.
    pub(super) fn invalid(parameter: &str, value: &str, message: impl Into<String>) -> Self {
        let detail = "One or more parameters to your request was invalid.";
        Self::new(400, "invalid-request", "Invalid Request", detail)
            .and("parameter", parameter)
            .and("value", value)
            .and(
                "errors",
                json!([{ "parameters": { parameter: [value] }, "message": message.into() }]),
            )
    }

    /// The token is unknown, expired or revoked, or there is none.
    pub(super) fn unauthorized() -> Self {
        Self::new(401, "", "Unauthorized", "Unauthorized")
    }

    /// The token lacks a scope.
    pub(super) fn missing_scope(endpoint: &str, scope: &str) -> Self {
        let detail = format!("The token lacks the scope {scope} for {endpoint}.");
        Self::new(403, "not-authorized-for-resource", "Not Authorized For Resource", detail)
            .and("resource_type", "endpoint")
            .and("parameter", "authorization")
    }

    /// The endpoint is not part of the app's access.
    pub(super) fn client_forbidden(detail: &str) -> Self {
        Self::new(403, "client-forbidden", "Client Forbidden", detail)
            .and("reason", "client-not-enrolled")
    }

    /// A rule of the platform.
    pub(super) fn forbidden(detail: &str) -> Self {
        Self::new(403, "", "Forbidden", detail)
    }

    /// The same text once more.
    pub(super) fn duplicate() -> Self {
        Self::forbidden("You are not allowed to create a Tweet with duplicate content.")
    }

    /// Too many calls.
    pub(super) fn rate_limited() -> Self {
        Self::new(429, "rate-limit-exceeded", "Too Many Requests", "Too Many Requests")
    }

    /// There is no such post, user or media.
    pub(super) fn not_found(resource: &str, parameter: &str, id: &str) -> Self {
        let detail = format!("Could not find {resource} with {parameter}: [{id}].");
        Self::new(404, "resource-not-found", "Not Found Error", detail)
            .and("resource_type", resource)
            .and("resource_id", id)
            .and("parameter", parameter)
            .and("value", id)
    }

    /// A field of a post is for its author alone.
    pub(super) fn field_withheld(field: &str, id: &str) -> Self {
        let detail =
            format!("You are not authorized to access {field} on the post with id [{id}].");
        Self::new(403, "not-authorized-for-field", "Field Authorization Error", detail)
            .and("field", field)
            .and("resource_type", "post")
            .and("resource_id", id)
            .and("section", "data")
            .and("parameter", "ids")
            .and("value", id)
    }

    /// The address leads nowhere.
    pub(super) fn no_route() -> Self {
        Self::new(404, "", "Not Found", "Not Found")
    }

    /// The address is right, the method is not.
    pub(super) fn method_not_allowed() -> Self {
        Self::new(405, "", "Method Not Allowed", "Method Not Allowed")
    }

    /// The request is larger than is read.
    pub(super) fn too_large() -> Self {
        Self::new(413, "", "Payload Too Large", "Payload Too Large")
    }

    /// The body's content type is not one of the endpoint's.
    pub(super) fn unsupported_type(given: &str) -> Self {
        let detail = format!("The content type {given:?} is not supported here.");
        Self::new(415, "", "Unsupported Media Type", detail)
    }

    /// A problem that fits a status; what a fault answers when it was given no body.
    pub(super) fn for_status(status: u16) -> Self {
        match status {
            400 => Self::invalid("request", "", "The request was refused by a fault."),
            401 => Self::unauthorized(),
            403 => Self::forbidden("You are not permitted to perform this action."),
            404 => Self::no_route(),
            429 => Self::rate_limited(),
            500 => Self::new(500, "internal-error", "Internal Error", "Internal Error"),
            502 => Self::new(502, "", "Bad Gateway", "Bad Gateway"),
            503 => Self::new(503, "", "Service Unavailable", "Service Unavailable"),
            504 => Self::new(504, "", "Gateway Timeout", "Gateway Timeout"),
            other => Self::new(other, "", "Error", "Error"),
        }
    }

    /// As an entry of `errors` beside `data`.
    pub(super) fn as_partial(&self) -> Value {
        let mut body = self.body.clone();
        body.remove("status");
        Value::Object(body)
    }
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        Answer::problem(problem.status, &Value::Object(problem.body))
    }
}
