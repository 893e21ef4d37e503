//! What a caller sends, read with care: JSON bodies, queries, ids in paths, preferences.
//!
//! **Invariant:** a text that Postgres could not store never passes.

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::error::Error as _;
use std::str::FromStr;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

use crate::app::App;
use crate::problem::{Problem, Result};
use crate::request::Context;

/// Longest time that a caller may ask to wait.
const LONGEST_WAIT_SECS: u64 = 60;

/// How many KiB of large bodies are worked on at once. A body becomes about twenty times its size in
/// jobs, rows and answer; the others wait, as bytes.
pub(crate) const ROOM_KIB: u32 = 640;

/// Bodies up to this size take no room.
const SMALL_KIB: usize = 16;

/// A JSON body.
pub(crate) struct Json {
    pub(crate) value: Value,
    /// The room that it takes, until this is dropped.
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

impl FromRequest<App> for Json {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        let context = request.extensions().get::<Context>().cloned().ok_or_else(Problem::broken)?;
        check_content_type(request.headers())?;
        let limit = app.max_body_bytes;
        let reading = to_bytes(request.into_body(), limit);
        let read = tokio::time::timeout_at(context.body_deadline(), reading).await;
        let bytes = match read {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(error)) => return Err(unread(&error, limit)),
            Err(_) => {
                let longest = app.request_timeout.as_millis();
                let detail = format!("the body did not arrive within {longest} ms");
                return Err(Problem::own("slow_request", detail).with_body_unread());
            }
        };
        let room = room(app, bytes.len()).await?;
        let value: Value = serde_json::from_slice(&bytes)
            .map_err(|error| Problem::own("malformed_json", error.to_string()))?;
        drop(bytes);
        match storable(&value, &mut String::new()) {
            Ok(()) => Ok(Self { value, room }),
            Err(path) => {
                Err(Problem::invalid(&path, "expected a text without the character U+0000"))
            }
        }
    }
}

/// Waits until there is room for a body of this size.
async fn room(app: &App, bytes: usize) -> Result<Option<OwnedSemaphorePermit>> {
    let kib = bytes.div_ceil(1024);
    if kib <= SMALL_KIB {
        return Ok(None);
    }
    let kib = u32::try_from(kib).map_or(ROOM_KIB, |kib| kib.min(ROOM_KIB));
    let room = app.room.clone().acquire_many_owned(kib).await;
    // Nobody closes it.
    room.map(Some).map_err(|_| Problem::broken())
}

/// Decodes a body, naming the field that is wrong.
///
/// # Errors
/// 422.
pub(crate) fn decode<T: DeserializeOwned>(value: Value) -> Result<T> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let said = explain(error.into_inner().to_string());
        let field = name_field(if path == "." { String::new() } else { path }, &said);
        if field.is_empty() {
            Problem::new(jobs::Code::InvalidArgument, said)
        } else {
            Problem::invalid(&field, said)
        }
    })
}

/// Adds the field that is missing or unknown to the path of what misses or has it.
pub(crate) fn name_field(path: String, said: &str) -> String {
    let named = ["missing field `", "unknown field `"]
        .iter()
        .find_map(|start| said.strip_prefix(start))
        .and_then(|rest| rest.split('`').next());
    match named {
        Some(name) if path.is_empty() => name.to_owned(),
        Some(name) if path != name && !path.ends_with(&format!(".{name}")) => {
            format!("{path}.{name}")
        }
        _ => path,
    }
}

/// What is right, where the decoder says only that something is wrong.
pub(crate) fn explain(said: String) -> String {
    let about_time = [
        "input contains invalid characters",
        "premature end of input",
        "trailing input",
        "input is out of range",
    ];
    if about_time.contains(&said.as_str()) {
        return format!(
            "{said}: expected a date and a time, such as 2026-12-24T18:00:00Z for a moment \
                        or 2026-12-24T18:00:00 for a wall time"
        );
    }
    said
}

fn check_content_type(headers: &HeaderMap) -> Result<()> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Problem::own("unsupported_media_type", "expected Content-Type: application/json"))
}

pub(crate) fn unread(error: &axum::Error, limit: usize) -> Problem {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if inner.to_string() == "length limit exceeded" {
            return Problem::own("too_large", format!("expected at most {limit} bytes"))
                .with_body_unread();
        }
        cause = inner.source();
    }
    Problem::own("malformed_request", "the body ended before its time")
}

/// Postgres stores every text but those with a zero character; answers the path of the first one.
fn storable(value: &Value, path: &mut String) -> std::result::Result<(), String> {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        Value::String(text) if text.contains('\0') => Err(path.clone()),
        Value::String(_) => Ok(()),
        Value::Array(values) => values.iter().enumerate().try_for_each(|(index, value)| {
            descend(path, &format!("[{index}]"), |path| storable(value, path))
        }),
        Value::Object(fields) => fields.iter().try_for_each(|(name, value)| {
            let dot = if path.is_empty() { "" } else { "." };
            let step = format!("{dot}{}", name.replace('\0', "\u{fffd}"));
            descend(path, &step, |path| {
                if name.contains('\0') { Err(path.clone()) } else { storable(value, path) }
            })
        }),
    }
}

fn descend<T>(path: &mut String, step: &str, look: impl FnOnce(&mut String) -> T) -> T {
    let before = path.len();
    path.push_str(step);
    let seen = look(path);
    path.truncate(before);
    seen
}

/// What the query string says; unknown and wrong parameters are refused.
pub(crate) struct Filters<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Filters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(filters)) => Ok(Self(filters)),
            Err(rejection) => {
                let said = rejection.source().map_or_else(String::new, ToString::to_string);
                // `limit: invalid digit found in string`, or "missing field `from`".
                if let Some((name, said)) = said.split_once(": ") {
                    return Err(Problem::invalid(name, explain(said.to_owned())));
                }
                let name = name_field(String::new(), &said);
                Err(Problem::invalid(if name.is_empty() { "query" } else { &name }, said))
            }
        }
    }
}

/// An id at the end of a path. What is no id is an id that nothing has.
pub(crate) struct Id<T>(pub(crate) T);

impl<S: Send + Sync, T: FromStr> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        let id = text.ok().and_then(|Path(text)| text.parse().ok());
        id.map(Self).ok_or_else(|| Problem::no_such("id"))
    }
}

/// How long the caller would like to wait for the end of a job: `Prefer: wait=10`.
///
/// Source: RFC 7240, section 4.3; preferences that are not understood are passed over.
pub(crate) struct PreferWait(pub(crate) Option<Duration>);

impl<S: Send + Sync> FromRequestParts<S> for PreferWait {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        Ok(Self(prefer_wait(&parts.headers)))
    }
}

fn prefer_wait(headers: &HeaderMap) -> Option<Duration> {
    headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|preference| preference.split(';').next()?.split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("wait"))
        .find_map(|(_, seconds)| seconds.trim().trim_matches('"').parse::<u64>().ok())
        .filter(|seconds| *seconds > 0)
        .map(|seconds| Duration::from_secs(seconds.min(LONGEST_WAIT_SECS)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use serde_json::json;

    #[test]
    fn a_text_that_cannot_be_stored_is_named_by_its_path() {
        let path = |value: Value| storable(&value, &mut String::new());
        assert_eq!(path(json!([{ "args": { "a": ["x", "y\0"] } }])), Err("[0].args.a[1]".into()));
        assert_eq!(path(json!({ "args": { "a\0": 1 } })), Err("args.a\u{fffd}".into()));
        assert_eq!(path(json!({ "args": { "a": ["x", 1, null] } })), Ok(()));
    }

    #[test]
    fn a_preference_to_wait_is_found_among_others_and_has_an_end() {
        let wait = |text: &'static str| {
            let headers = HeaderMap::from_iter([(
                header::HeaderName::from_static("prefer"),
                HeaderValue::from_static(text),
            )]);
            prefer_wait(&headers).map(|wait| wait.as_secs())
        };
        assert_eq!(wait("wait=10"), Some(10));
        assert_eq!(wait("respond-async, Wait = 5; x=1"), Some(5));
        assert_eq!(wait("wait=9999"), Some(LONGEST_WAIT_SECS));
        for none in ["", "wait", "wait=-1", "wait=0", "wait=soon", "return=minimal"] {
            assert_eq!(wait(none), None, "{none}");
        }
    }
}
