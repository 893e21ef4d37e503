//! Every refusal, as problem details (RFC 9457).
//!
//! Handlers answer `Result<_, Problem>`; this file turns what goes wrong below them into what a
//! caller may know.
//!
//! **Invariant:** a 5xx shows no inner detail; what is inside goes to the log, once, here.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::borrow::Cow;

/// A result of a handler.
pub(crate) type Result<T> = std::result::Result<T, Problem>;

/// What went wrong, as problem details (RFC 9457).
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Details {
    /// The same as `code`, as a URN.
    #[serde(rename = "type")]
    #[schema(example = "urn:ezre:problem:not_found")]
    kind: String,
    /// A short title for people.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong and what would be right.
    detail: String,
    /// The stable word for what went wrong.
    #[schema(example = "not_found")]
    code: &'static str,
    /// What is wrong in the request, as a path such as `args.versions[0].text`; in a batch
    /// `[3].args.versions[0].text`.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// The job that failed, when a caller waited for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/v1/jobs/0199f0a0-0000-7000-8000-000000000000")]
    instance: Option<String>,
}

/// The stable word of the problem that a response carries, for the metrics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word(pub(crate) &'static str);

/// A refusal, and the headers that go with it.
#[derive(Clone, Debug)]
pub(crate) struct Problem(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    details: Details,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What only the API can say; everything else is a [`jobs::Code`].
const OWN: &[(&str, StatusCode, &str)] = &[
    ("malformed_json", StatusCode::BAD_REQUEST, "Malformed JSON"),
    ("malformed_request", StatusCode::BAD_REQUEST, "Malformed request"),
    ("unauthorized", StatusCode::UNAUTHORIZED, "Unauthorized"),
    ("unverified", StatusCode::UNAUTHORIZED, "Not authentic"),
    ("unknown_route", StatusCode::NOT_FOUND, "No such route"),
    ("method_not_allowed", StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"),
    ("slow_request", StatusCode::REQUEST_TIMEOUT, "The request took too long to arrive"),
    ("idempotency_key_reused", StatusCode::CONFLICT, "Idempotency key used for another request"),
    ("unknown_state", StatusCode::BAD_REQUEST, "The state is not one of ours"),
    ("network_not_set_up", StatusCode::CONFLICT, "Network not set up"),
    ("upload_exists", StatusCode::CONFLICT, "Uploaded already"),
    ("upload_expired", StatusCode::GONE, "The upload has expired"),
    ("too_large", StatusCode::PAYLOAD_TOO_LARGE, "Too large"),
    ("unsupported_media_type", StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported media type"),
];

impl Problem {
    fn build(code: &'static str, status: u16, title: &'static str, detail: String) -> Self {
        let kind = format!("urn:ezre:problem:{code}");
        let details = Details { kind, title, status, detail, code, field: None, instance: None };
        Self(Box::new(Inner { details, headers: Vec::new() }))
    }

    /// A problem that only the API can have, by its word in [`OWN`].
    pub(crate) fn own(word: &str, detail: impl Into<String>) -> Self {
        let (code, status, title) = OWN
            .iter()
            .find(|(code, ..)| *code == word)
            .expect("the words are literals, each of which a test looks up");
        Self::build(code, status.as_u16(), title, detail.into())
    }

    /// A problem of the contract.
    pub(crate) fn new(code: jobs::Code, detail: impl Into<String>) -> Self {
        Self::build(code.as_str(), code.http_status(), code.title(), detail.into())
    }

    /// Something in the request is wrong; `field` is its path.
    pub(crate) fn invalid(field: &str, detail: impl Into<String>) -> Self {
        Self::new(jobs::Code::InvalidArgument, detail).at(field)
    }

    /// There is no such row that the caller may see.
    pub(crate) fn no_such(what: &str) -> Self {
        Self::new(jobs::Code::NotFound, format!("there is no such {what} in this organization"))
    }

    /// What the caller is told.
    #[cfg(test)]
    pub(crate) fn details(&self) -> &Details {
        &self.0.details
    }

    /// The stable word.
    pub(crate) fn word(&self) -> &'static str {
        self.0.details.code
    }

    /// The same problem, at a field.
    pub(crate) fn at(mut self, field: impl Into<String>) -> Self {
        self.0.details.field = Some(field.into());
        self
    }

    /// The same problem in the job at this place of a batch.
    pub(crate) fn within(mut self, prefix: &str) -> Self {
        if !prefix.is_empty() {
            let field = self.0.details.field.take();
            self.0.details.field = Some(match field {
                Some(field) => format!("{prefix}.{field}"),
                None => prefix.to_owned(),
            });
        }
        self
    }

    /// The same problem, about this resource.
    pub(crate) fn about(mut self, instance: String) -> Self {
        self.0.details.instance = Some(instance);
        self
    }

    /// The same problem with a header.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// The same problem, found before the whole body was read: the connection ends with it, so that
    /// the caller does not use it again.
    pub(crate) fn with_body_unread(self) -> Self {
        self.with_header(header::CONNECTION, HeaderValue::from_static("close"))
    }

    /// Something we need does not answer: come back in one to five seconds, not all at once.
    pub(crate) fn unavailable() -> Self {
        let seconds: u16 = rand::random_range(1..=5);
        Self::new(jobs::Code::Unavailable, "please try again in a moment")
            .with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// A fault of ours; the cause goes to the log.
    pub(crate) fn internal(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = chain(cause), "request.broken");
        Self::broken()
    }

    /// A fault of ours that is in the log already.
    pub(crate) fn broken() -> Self {
        Self::new(jobs::Code::Internal, "the fault is ours and has been recorded")
    }
}

/// What an error says, and what lies beneath it.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let said: Vec<String> = std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect();
    said.join(": ")
}

impl From<jobs::Problem> for Problem {
    fn from(problem: jobs::Problem) -> Self {
        let this = Self::new(problem.code, problem.message);
        match problem.field {
            Some(field) => this.at(field),
            None => this,
        }
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        if error.is_unavailable() {
            tracing::warn!(error = chain(&error), "database.unavailable");
            return Self::unavailable();
        }
        Self::internal(&error)
    }
}

impl From<media::Error> for Problem {
    fn from(error: media::Error) -> Self {
        use media::Error as E;
        match &error {
            E::TooLarge { limit_bytes } => {
                Self::own("too_large", format!("expected at most {limit_bytes} bytes"))
            }
            E::UnknownType { .. } => Self::own("unsupported_media_type", error.to_string()),
            E::Body { .. } => Self::own("malformed_request", "the body ended before its time"),
            E::Unavailable { .. } => {
                tracing::warn!(error = chain(&error), "media.unavailable");
                Self::unavailable()
            }
            _ => Self::internal(&error),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Inner { details, headers } = *self.0;
        let status =
            StatusCode::from_u16(details.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body: Cow<'static, [u8]> =
            serde_json::to_vec(&details).map_or(Cow::Borrowed(b"{}"), Cow::Owned);
        let content_type = HeaderValue::from_static("application/problem+json");
        let mut response = (status, [(header::CONTENT_TYPE, content_type)], body).into_response();
        for (name, value) in headers {
            response.headers_mut().insert(name, value);
        }
        response.extensions_mut().insert(Word(details.code));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_api_makes_a_problem() {
        for (word, status, _) in OWN {
            assert_eq!(Problem::own(word, "why").into_response().status(), *status);
        }
    }

    #[test]
    fn a_place_in_a_batch_goes_before_the_field() {
        let field = |problem: Problem| problem.0.details.field;
        let problem = Problem::invalid("args.text", "too long");
        assert_eq!(field(problem.clone().within("[3]")).as_deref(), Some("[3].args.text"));
        assert_eq!(field(problem.within("")).as_deref(), Some("args.text"));
        assert_eq!(field(Problem::no_such("job").within("[0]")).as_deref(), Some("[0]"));
    }

    #[test]
    fn a_fault_of_ours_shows_nothing_of_the_inside() {
        let inner = store::Error::WrongLogin("password hunter2".to_owned());
        let shown = format!("{:?}", Problem::from(inner));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
