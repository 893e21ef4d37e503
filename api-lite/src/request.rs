//! Around every request: its id, its trace, its time limit, one log line and one measurement.
//!
//! **Invariant:** every answer, a refusal and a panic included, carries `X-Request-Id`.

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::time::Duration;
use tokio::time::Instant;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::app::App;
use crate::problem::{Problem, Result, Word};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// How much earlier than the whole request its body must have arrived, so that a slow caller is
/// told so.
const BODY_EARLIER: Duration = Duration::from_millis(5);

/// What is known of a request before anybody has looked at it.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// W3C `traceparent`: the caller's, or one made here.
    pub(crate) trace_parent: String,
    /// When the request must have been answered.
    deadline: Instant,
}

impl Context {
    /// When the body must have arrived.
    pub(crate) fn body_deadline(&self) -> Instant {
        self.deadline.checked_sub(BODY_EARLIER).unwrap_or(self.deadline)
    }

    /// How much time is left for waiting.
    pub(crate) fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Context {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        parts.extensions.get::<Context>().cloned().ok_or_else(Problem::broken)
    }
}

/// The layer around everything but metrics and health.
pub(crate) async fn around(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(request.headers());
    let trace_parent = trace_parent(request.headers());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str).to_owned();
    let context =
        Context { trace_parent: trace_parent.clone(), deadline: started + app.request_timeout };
    request.extensions_mut().insert(context);

    let span = tracing::info_span!(
        "request",
        request.id = id.to_str().unwrap_or_default(),
        trace.id = trace_parent.get(3..35),
        http.request.method = method.as_str(),
        http.route = route,
    );
    let answer = async {
        let response = if is_stream(&method, &route) {
            next.run(request).await
        } else {
            let answered = tokio::time::timeout(app.request_timeout, next.run(request)).await;
            answered.unwrap_or_else(|_| {
                let detail = format!(
                    "no answer within {} ms; what was asked may yet happen",
                    app.request_timeout.as_millis()
                );
                Problem::new(jobs::Code::Timeout, detail).into_response()
            })
        };
        record(&method, &route, &response, started.elapsed());
        response
    };
    let mut response = answer.instrument(span).await;
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Uploads last as long as they last; each piece of them has the time of a request.
fn is_stream(method: &Method, route: &str) -> bool {
    method == Method::PUT && route == crate::routes::uploads::CONTENT
}

fn record(method: &Method, route: &str, response: &Response, took: Duration) {
    let status = response.status();
    let word = response.extensions().get::<Word>().map(|word| word.0);
    crate::figures::answered(method, route, status, took, word);
    tracing::info!(
        http.response.status_code = status.as_u16(),
        problem.code = word,
        duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "request.answered"
    );
}

/// The caller's own id where it is presentable, or a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let presentable = |value: &&HeaderValue| {
        (1..=128).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic)
    };
    headers.get(&REQUEST_ID).filter(presentable).cloned().unwrap_or_else(|| {
        HeaderValue::from_str(&Uuid::now_v7().to_string()).expect("a UUID is printable")
    })
}

/// The caller's `traceparent` where it is one, or the beginning of a new trace.
///
/// Source: <https://www.w3.org/TR/trace-context/#traceparent-header>, read 2026-11-22.
fn trace_parent(headers: &HeaderMap) -> String {
    let given = headers.get(&TRACE_PARENT).and_then(|value| value.to_str().ok());
    match given.filter(|text| is_trace_parent(text)) {
        Some(text) => text.to_owned(),
        None => {
            let (trace, parent): (u128, u64) = (rand::random(), rand::random());
            format!("00-{:032x}-{:016x}-00", trace.max(1), parent.max(1))
        }
    }
}

fn is_trace_parent(text: &str) -> bool {
    let hex = |part: &str, length: usize| {
        part.len() == length
            && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let not_zero = |part: &str| part.bytes().any(|b| b != b'0');
    match text.split('-').collect::<Vec<_>>()[..] {
        ["00", trace, parent, flags] => {
            hex(trace, 32)
                && not_zero(trace)
                && hex(parent, 16)
                && not_zero(parent)
                && hex(flags, 2)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_taken_over_or_begun() {
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let headers = |text| HeaderMap::from_iter([(TRACE_PARENT, HeaderValue::from_static(text))]);
        assert_eq!(trace_parent(&headers(given)), given);
        for wrong in ["", "00-1-1-1", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"] {
            let made = trace_parent(&headers(wrong));
            assert!(made != wrong && is_trace_parent(&made), "{made}");
        }
    }

    #[test]
    fn a_request_id_that_could_forge_a_log_line_is_replaced() {
        let of = |text: &'static str| {
            request_id(&HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_static(text))]))
        };
        assert_eq!(of("abc-1"), "abc-1");
        assert_ne!(of("a b"), "a b");
        assert_ne!(of(""), "");
    }
}
