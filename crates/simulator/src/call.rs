//! A request as a network sees it, and the answer that the network gives.
//!
//! **Invariant:** the bearer token leaves [`Call`] only towards the accounts of the network; what
//! the journal takes from a call has been cleaned of it.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart};
use axum::response::Response;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use hyper::http::request::Parts;
use hyper::{Request, header};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::connection::Line;
use crate::journal::{Note, What, Who};
use crate::stream::Pieces;

/// Strings longer than this are cut in the journal, in characters.
const JOURNAL_STRING: usize = 4_000;

/// Fields whose values are secrets, wherever they stand.
const SECRETS: [&str; 6] =
    ["client_secret", "code", "code_verifier", "refresh_token", "token", "access_token"];

/// One field of a form.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) name: String,
    /// Whether it came with a file name or a type of its own.
    pub(crate) is_file: bool,
    pub(crate) bytes: Bytes,
}

/// A request's body, read as its content type says.
#[derive(Clone, Debug)]
pub(crate) enum Payload {
    /// No body at all.
    Empty,
    /// `application/json`.
    Json(Value),
    /// `application/x-www-form-urlencoded`, decoded.
    Fields(Vec<(String, String)>),
    /// `multipart/form-data`.
    Form(Vec<Part>),
    /// Said to be JSON or a form, but not readable as such; with the reason.
    Unreadable(String),
    /// Another content type; empty when none was given.
    Other(String),
}

/// A request, read whole.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) raw_query: String,
    /// Decoded pairs in the order of the address.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) bearer: Option<String>,
    /// What came with HTTP Basic, still encoded.
    pub(crate) basic: Option<String>,
    /// The header `x-api-key`.
    pub(crate) api_key: Option<String>,
    /// The header `anthropic-version`.
    pub(crate) anthropic_version: Option<String>,
    /// The header `host`.
    pub(crate) host: Option<String>,
    pub(crate) payload: Payload,
    pub(crate) body_sha256: String,
    pub(crate) body_bytes: u64,
}

impl Call {
    /// Reads head and body.
    pub(crate) async fn read(parts: Parts, body: Bytes) -> Self {
        let raw_query = parts.uri.query().unwrap_or_default().to_owned();
        let query = url::form_urlencoded::parse(raw_query.as_bytes()).into_owned().collect();
        let authorization =
            parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let credentials = |wanted: &str| {
            let (scheme, value) = authorization?.split_once(' ')?;
            scheme.eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
        };
        let named = |name: &str| {
            parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let (api_key, host) = (named("x-api-key"), named("host"));
        let anthropic_version = named("anthropic-version");
        let (bearer, basic) = (credentials("bearer"), credentials("basic"));
        Self {
            method: parts.method.as_str().to_owned(),
            path: parts.uri.path().to_owned(),
            raw_query,
            query,
            bearer,
            basic,
            api_key,
            anthropic_version,
            host,
            body_sha256: hex::encode(Sha256::digest(&body)),
            body_bytes: body.len() as u64,
            payload: Payload::read(parts, body).await,
        }
    }

    /// The text of the post that the body wants, or what a model is asked first, if it is that kind of
    /// body.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.payload {
            Payload::Json(body) => {
                let messages = body.get("messages").and_then(Value::as_array);
                let first = messages.into_iter().flatten().find(|said| said["role"] == "user");
                let asked = first.and_then(|said| said.get("content"));
                let text = body.get("text").or(body.get("prompt")).or(asked);
                text.and_then(Value::as_str)
            }
            _ => None,
        }
    }

    /// A field of a form that is encoded like a query.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let Payload::Fields(fields) = &self.payload else { return None };
        fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A text of the body, by its name.
    pub(crate) fn json_text(&self, name: &str) -> Option<&str> {
        match &self.payload {
            Payload::Json(body) => body.get(name).and_then(Value::as_str),
            _ => None,
        }
    }

    /// `text` without the token.
    pub(crate) fn clean(&self, text: &str) -> String {
        let secrets = [self.bearer.as_deref(), self.api_key.as_deref()].into_iter().flatten();
        let secrets = secrets.filter(|secret| !secret.is_empty());
        secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "[token]"))
    }

    /// The body for the journal: strings cut and cleaned, files told by their size.
    pub(crate) fn journal_body(&self) -> Option<Value> {
        match &self.payload {
            Payload::Empty => None,
            Payload::Json(value) => Some(self.clean_value(value)),
            Payload::Fields(fields) => {
                let fields = fields.iter().map(|(name, value)| {
                    let secret = SECRETS.contains(&name.as_str());
                    let value =
                        if secret { "[secret]".into() } else { Value::from(value.as_str()) };
                    (self.clean(name), self.clean_value(&value))
                });
                Some(Value::Object(fields.collect()))
            }
            Payload::Form(parts) => {
                let fields = parts.iter().map(|part| {
                    let text = std::str::from_utf8(&part.bytes).ok().filter(|_| !part.is_file);
                    let value = match text {
                        Some(text) => self.clean_value(&Value::from(text)),
                        None => json!({ "bytes": part.bytes.len() }),
                    };
                    (self.clean(&part.name), value)
                });
                Some(Value::Object(fields.collect()))
            }
            Payload::Unreadable(reason) => Some(json!({ "unreadable": self.clean(reason) })),
            Payload::Other(kind) => Some(json!({ "contentType": self.clean(kind) })),
        }
    }

    fn clean_value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => match text.char_indices().nth(JOURNAL_STRING) {
                Some((end, _)) => {
                    let cut = self.clean(&text[..end]);
                    Value::String(format!("{cut}… ({} bytes)", text.len()))
                }
                None => Value::String(self.clean(text)),
            },
            Value::Array(items) => items.iter().map(|item| self.clean_value(item)).collect(),
            Value::Object(fields) => {
                let clean =
                    |(name, value): (&String, &Value)| (self.clean(name), self.clean_value(value));
                Value::Object(fields.iter().map(clean).collect::<Map<_, _>>())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }
}

impl Payload {
    async fn read(parts: Parts, body: Bytes) -> Self {
        let kind = parts
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if essence == "multipart/form-data" {
            let mut request = Request::from_parts(parts, Body::from(body));
            DefaultBodyLimit::disable().apply(&mut request);
            return match read_form(request).await {
                Ok(form) => Payload::Form(form),
                Err(reason) => Payload::Unreadable(reason),
            };
        }
        if body.is_empty() {
            return Payload::Empty;
        }
        if essence == "application/json" {
            return match serde_json::from_slice(&body) {
                Ok(value) => Payload::Json(value),
                Err(error) => Payload::Unreadable(error.to_string()),
            };
        }
        if essence == "application/x-www-form-urlencoded" {
            return Payload::Fields(url::form_urlencoded::parse(&body).into_owned().collect());
        }
        Payload::Other(kind)
    }
}

async fn read_form(request: Request<Body>) -> Result<Vec<Part>, String> {
    let mut form =
        Multipart::from_request(request, &()).await.map_err(|error| error.body_text())?;
    let mut parts = Vec::new();
    while let Some(field) = form.next_field().await.map_err(|error| error.body_text())? {
        let name = field.name().unwrap_or_default().to_owned();
        let is_file = field.file_name().is_some() || field.content_type().is_some();
        let bytes = field.bytes().await.map_err(|error| error.body_text())?;
        parts.push(Part { name, is_file, bytes });
    }
    Ok(parts)
}

/// What a network answers, and what it did.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
    /// What changed, on whose behalf and when.
    pub(crate) effects: Vec<(DateTime<Utc>, Who, What)>,
    /// What the journal shall know of it.
    pub(crate) note: Option<Note>,
    /// The body in pieces, instead of `body`.
    pub(crate) stream: Option<Stream>,
}

/// A body that comes in pieces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    pub(crate) pieces: Vec<Bytes>,
    /// Before each piece but the first.
    pub(crate) pause: Duration,
    /// The connection is reset after so many pieces.
    pub(crate) cut_after: Option<usize>,
}

impl Answer {
    /// A JSON answer.
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content_type: "application/json; charset=utf-8",
            body: Bytes::from(body.to_string()),
            effects: Vec::new(),
            note: None,
            stream: None,
        }
    }

    /// A problem document.
    pub(crate) fn problem(status: u16, body: &Value) -> Self {
        Self { content_type: "application/problem+json", ..Self::json(status, body) }
    }

    /// The same with one more header.
    pub(crate) fn with_header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// The same with the body cut off in its middle.
    pub(crate) fn cut(mut self) -> Self {
        self.body = self.body.slice(..self.body.len() / 2);
        self
    }

    /// As HTTP; `over` is told when its last piece is handed over. A header that HTTP does not allow is
    /// left out and logged.
    pub(crate) fn into_response(
        self,
        line: &Line,
        over: impl FnOnce() + Send + 'static,
    ) -> Response {
        let body = match self.stream {
            Some(stream) => Body::new(Pieces::new(stream, line.clone(), Box::new(over))),
            None => Body::from(self.body),
        };
        let mut response = Response::new(body);
        match hyper::StatusCode::from_u16(self.status) {
            Ok(status) => *response.status_mut() = status,
            Err(error) => tracing::error!(%error, status = self.status, "not a status"),
        }
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(self.content_type));
        for (name, value) in self.headers {
            let name = header::HeaderName::try_from(&name);
            match (name, header::HeaderValue::try_from(&value)) {
                (Ok(name), Ok(value)) => {
                    headers.insert(name, value);
                }
                _ => tracing::error!(value, "not a header"),
            }
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn call(kind: &str, body: &str) -> Call {
        let request = Request::post("/2/tweets?a=1&b=secret-t")
            .header("authorization", "Bearer secret-t")
            .header("content-type", kind)
            .body(())
            .expect("a valid request");
        Call::read(request.into_parts().0, Bytes::from(body.to_owned())).await
    }

    #[tokio::test]
    async fn the_token_is_cleaned_from_all_that_is_kept() {
        let call = call("application/json", r#"{"text":"my secret-t","secret-t":[1]}"#).await;
        assert_eq!(call.bearer.as_deref(), Some("secret-t"));
        let body = call.journal_body().expect("a body").to_string();
        assert!(!body.contains("secret-t"), "{body}");
        assert_eq!(call.clean(&call.raw_query), "a=1&b=[token]");
    }

    #[tokio::test]
    async fn forms_json_and_the_rest_are_told_apart() {
        let form = "--x\r\ncontent-disposition: form-data; name=\"media\"; filename=\"a\"\r\n\r\n\
                    abc\r\n--x--\r\n";
        let parts = call("multipart/form-data; boundary=x", form).await;
        assert_eq!(parts.journal_body(), Some(json!({ "media": { "bytes": 3 } })));
        assert!(matches!(call("application/json", "{").await.payload, Payload::Unreadable(_)));
        assert!(matches!(call("text/plain", "x").await.payload, Payload::Other(_)));
        assert!(matches!(call("application/json", "").await.payload, Payload::Empty));
    }
}
