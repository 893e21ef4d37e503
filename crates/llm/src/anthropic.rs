//! Anthropic's messages.

use chrono::{DateTime, Utc};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use std::time::Duration;

use crate::ask::{Answer, Ask, Usage};
use crate::error::Error;
use crate::model::{Model, lost};
use crate::stream::{self, End, Heard};
use platforms::ErrorClass;

/// The version of the interface, which every request names.
const VERSION: &str = "2023-06-01";

pub(crate) async fn ask(
    model: &Model,
    ask: &Ask<'_>,
    heard: impl FnMut(usize) + Send,
) -> Result<Answer, Error> {
    let request = model.post(&["messages"], &body(model.name(), ask));
    let response = model.send(request.header("anthropic-version", VERSION)).await?;
    if stream::is_stream(&response) {
        return stream::read(response.bytes_stream(), take, heard).await?.answer();
    }
    whole_answer(&response.json::<Value>().await.map_err(lost)?)?.answer()
}

fn body(model: &str, ask: &Ask<'_>) -> Value {
    let messages: Vec<Value> = ask
        .turns
        .iter()
        .map(|turn| json!({ "role": turn.who.role(), "content": turn.text }))
        .collect();
    json!({
        "model": model, "max_tokens": ask.max_tokens, "system": ask.system, "messages": messages,
        "output_config": { "format": { "type": "json_schema", "schema": ask.schema.schema } },
        "stream": true,
    })
}

/// One event of a stream.
fn take(heard: &mut Heard, data: &str) -> Result<(), Error> {
    let event: Value = serde_json::from_str(data).map_err(|error| {
        Error::Unreachable(format!("a piece of the answer is not JSON: {error}"))
    })?;
    match event["type"].as_str().unwrap_or_default() {
        "message_start" => learn(heard, &event["message"]),
        "content_block_delta" => {
            heard.text.push_str(event["delta"]["text"].as_str().unwrap_or_default());
        }
        "message_delta" => {
            if let Some(reason) = event["delta"]["stop_reason"].as_str() {
                heard.end = Some(end(reason));
            }
            // Counts are of everything so far.
            let written = event["usage"]["output_tokens"].as_u64();
            heard.usage.output_tokens = written.unwrap_or(heard.usage.output_tokens);
        }
        "message_stop" => heard.over = true,
        // It comes after a 200, so the status is told by the type alone.
        "error" => return Err(refusal(0, &HeaderMap::new(), &event)),
        _ => {}
    }
    Ok(())
}

/// The same in one piece.
fn whole_answer(whole: &Value) -> Result<Heard, Error> {
    let Some(blocks) = whole["content"].as_array() else {
        return Err(Error::Unreachable("the answer has no content".to_owned()));
    };
    let mut heard = Heard::default();
    learn(&mut heard, whole);
    blocks
        .iter()
        .filter_map(|block| block["text"].as_str())
        .for_each(|text| heard.text.push_str(text));
    heard.end = whole["stop_reason"].as_str().map(end);
    Ok(heard)
}

fn learn(heard: &mut Heard, message: &Value) {
    message["model"].as_str().unwrap_or_default().clone_into(&mut heard.model);
    let count = |name: &str| message["usage"][name].as_u64().unwrap_or_default();
    let read = ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"];
    heard.usage = Usage {
        input_tokens: read.into_iter().map(count).sum(),
        output_tokens: count("output_tokens"),
    };
}

fn end(reason: &str) -> End {
    match reason {
        "max_tokens" => End::Cut,
        "refusal" => End::Declined,
        _ => End::Complete,
    }
}

/// An error answer, by `tables/errors.json`.
pub(crate) fn refusal(status: u16, headers: &HeaderMap, body: &Value) -> Error {
    let error = &body["error"];
    let spent = error["details"]["error_code"].as_str() == Some("enforced_spend_limit_reached");
    let class = match (error["type"].as_str().unwrap_or_default(), status) {
        _ if spent => ErrorClass::Quota,
        ("billing_error", _) | (_, 402) => ErrorClass::Quota,
        ("rate_limit_error", _) | (_, 429) => ErrorClass::RateLimited,
        ("authentication_error" | "permission_error" | "not_found_error", _)
        | (_, 401 | 403 | 404) => ErrorClass::Config,
        ("invalid_request_error" | "request_too_large", _) | (_, 400 | 413) => {
            ErrorClass::Permanent
        }
        ("api_error" | "timeout_error" | "overloaded_error", _) | (_, 0 | 408 | 409 | 500..) => {
            ErrorClass::Transient
        }
        _ => ErrorClass::Permanent,
    };
    let message = error["message"].as_str().map(str::to_owned);
    let message = message.unwrap_or_else(|| format!("HTTP {status}"));
    let wait = if class == ErrorClass::Quota { None } else { wait(headers) };
    Error::refused(class, &message).after(wait)
}

/// `retry-after` in seconds, else the latest moment at which something that is used up comes back, counted from
/// the moment of the answer by the provider's own clock.
fn wait(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(seconds) = text("retry-after").and_then(|seconds| seconds.parse::<u64>().ok()) {
        return Some(Duration::from_secs(seconds));
    }
    let now = DateTime::parse_from_rfc2822(text("date")?).ok()?.to_utc();
    ["requests", "tokens", "input-tokens", "output-tokens"]
        .into_iter()
        .filter(|kind| text(&format!("anthropic-ratelimit-{kind}-remaining")) == Some("0"))
        .filter_map(|kind| {
            text(&format!("anthropic-ratelimit-{kind}-reset"))?.parse::<DateTime<Utc>>().ok()
        })
        .max()
        .map(|reset| (reset - now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn a_stream_is_read_to_its_end_with_what_it_cost() {
        let text = concat!(
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"m-2\",\"usage\":{\"input_tokens\":20,\"cache_read_input_tokens\":5,\"output_tokens\":1}}}\n\n",
            "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
            "event: ping\ndata: {\"type\":\"ping\"}\n\n",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"{\\\"a\\\":1}\"}}\n\n",
            "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
            "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":12}}\n\n",
            "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        );
        let answer = stream::replay(text, take).await.unwrap().answer().unwrap();
        assert_eq!(answer.value, json!({ "a": 1 }));
        assert_eq!(answer.usage, Usage { input_tokens: 25, output_tokens: 12 });
        assert_eq!(answer.model, "m-2");
        let cut = text.replace("end_turn", "max_tokens");
        let error = stream::replay(&cut, take).await.unwrap().answer().unwrap_err();
        assert!(matches!(error, Error::Cut { usage } if usage.output_tokens == 12));
    }

    #[tokio::test]
    async fn an_error_may_come_in_the_stream() {
        let text = concat!(
            "data: {\"type\":\"message_start\",\"message\":{\"model\":\"m\",\"usage\":{\"input_tokens\":20,\"output_tokens\":1}}}\n\n",
            "data: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
        );
        let error = stream::replay(text, take).await.unwrap_err();
        assert_eq!((error.class(), error.usage().input_tokens), (ErrorClass::Transient, 20));
    }

    #[test]
    fn a_spend_limit_is_not_a_rate_limit() {
        let body = |kind: &str, code: &str| {
            json!({ "type": "error",
            "error": { "type": kind, "message": "no", "details": { "error_code": code } } })
        };
        let none = HeaderMap::new();
        let spent = refusal(429, &none, &body("rate_limit_error", "enforced_spend_limit_reached"));
        assert_eq!(spent.class(), ErrorClass::Quota);
        for (status, kind, class) in [
            (429, "rate_limit_error", ErrorClass::RateLimited),
            (402, "billing_error", ErrorClass::Quota),
            (401, "authentication_error", ErrorClass::Config),
            (413, "request_too_large", ErrorClass::Permanent),
            (529, "overloaded_error", ErrorClass::Transient),
            (504, "timeout_error", ErrorClass::Transient),
            (409, "something_new", ErrorClass::Transient),
            (422, "something_new", ErrorClass::Permanent),
        ] {
            assert_eq!(refusal(status, &none, &body(kind, "")).class(), class, "{status} {kind}");
        }
    }

    #[test]
    fn a_reset_is_a_moment() {
        let headers: HeaderMap = [
            ("date", "Sun, 22 Nov 2026 10:00:00 GMT"),
            ("anthropic-ratelimit-requests-remaining", "4"),
            ("anthropic-ratelimit-requests-reset", "2026-11-22T11:00:00Z"),
            ("anthropic-ratelimit-tokens-remaining", "0"),
            ("anthropic-ratelimit-tokens-reset", "2026-11-22T10:00:30Z"),
        ]
        .into_iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect::<HeaderMap>();
        assert_eq!(wait(&headers), Some(Duration::from_secs(30)));
        let untold: HeaderMap =
            headers.into_iter().filter_map(|(name, value)| Some((name?, value))).skip(1).collect();
        assert_eq!(wait(&untold), None, "a moment of a clock that is not told");
    }
}
