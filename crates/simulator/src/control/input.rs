//! What the control is told and asked, read strictly.
//!
//! **Invariant:** what cannot be read is refused with the name of the field.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::json;

/// The control says no: `{"error": {"field": …, "message": …}}`.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    field: String,
    message: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, field: &str, message: &str) -> Self {
        Self { status, field: field.to_owned(), message: message.to_owned() }
    }

    /// 400: the field is wrong.
    pub(super) fn bad(field: &str, message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, field, message)
    }

    /// 408: what was waited for did not happen.
    pub(super) fn timed_out() -> Self {
        let message = "what was waited for did not happen in this time";
        Self::new(StatusCode::REQUEST_TIMEOUT, "timeoutMs", message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { status, field, message } = self;
        (status, Json(json!({ "error": { "field": field, "message": message } }))).into_response()
    }
}

/// A JSON body; an empty one counts as `{}`.
pub(super) struct Told<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Told<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|error| Refusal::new(error.status(), "body", &error.body_text()))?;
        let body: &[u8] = if body.is_empty() { b"{}" } else { &body };
        let mut reader = serde_json::Deserializer::from_slice(body);
        let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let field = match error.path().to_string() {
                path if path == "." => "body".to_owned(),
                path => path,
            };
            Refusal::bad(&field, &error.into_inner().to_string())
        })?;
        reader.end().map_err(|error| Refusal::bad("body", &error.to_string()))?;
        Ok(Self(value))
    }
}

/// A query.
pub(super) struct Asked<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(value)) => Ok(Self(value)),
            // The text begins with the parameter's name.
            Err(error) => Err(Refusal::bad("query", &error.body_text())),
        }
    }
}
