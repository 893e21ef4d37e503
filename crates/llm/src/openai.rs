//! OpenAI's chat completions, and the servers that are compatible with them.
//!
//! Compatible servers often lack schemas, refusals, usage in streams or streams altogether: what they
//! say is read leniently.

use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use std::time::Duration;

use crate::ask::{Answer, Ask, Usage};
use crate::error::Error;
use crate::model::{Model, lost};
use crate::stream::{self, End, Heard};
use platforms::ErrorClass;

pub(crate) async fn ask(
    model: &Model,
    ask: &Ask<'_>,
    strict: bool,
    heard: impl FnMut(usize) + Send,
) -> Result<Answer, Error> {
    let request = model.post(&["chat", "completions"], &body(model.name(), ask, strict));
    let response = model.send(request).await?;
    if stream::is_stream(&response) {
        return stream::read(response.bytes_stream(), take, heard).await?.answer();
    }
    let whole = response.json::<Value>().await.map_err(lost)?;
    whole_answer(&whole)?.answer()
}

fn body(model: &str, ask: &Ask<'_>, strict: bool) -> Value {
    let mut system = ask.system.to_owned();
    if !strict {
        system.push_str("\nAnswer with JSON alone that keeps to this JSON Schema: ");
        system.push_str(&ask.schema.schema.to_string());
    }
    let mut messages = vec![json!({ "role": "system", "content": system })];
    messages.extend(
        ask.turns.iter().map(|turn| json!({ "role": turn.who.role(), "content": turn.text })),
    );
    let mut body = json!({
        "model": model, "messages": messages,
        "stream": true, "stream_options": { "include_usage": true },
    });
    let (limit, format) = if strict {
        let schema =
            json!({ "name": ask.schema.name, "schema": ask.schema.schema, "strict": true });
        ("max_completion_tokens", json!({ "type": "json_schema", "json_schema": schema }))
    } else {
        ("max_tokens", json!({ "type": "json_object" }))
    };
    body[limit] = ask.max_tokens.into();
    body["response_format"] = format;
    body
}

/// One event of a stream.
fn take(heard: &mut Heard, data: &str) -> Result<(), Error> {
    if data.trim() == "[DONE]" {
        heard.over = true;
        return Ok(());
    }
    let chunk: Value = serde_json::from_str(data).map_err(|error| {
        Error::Unreachable(format!("a piece of the answer is not JSON: {error}"))
    })?;
    if chunk["error"].is_object() {
        return Err(refusal(
            chunk["error"]["status"].as_u64().map_or(500, clamp),
            &HeaderMap::new(),
            &chunk,
        ));
    }
    let choice = &chunk["choices"][0];
    let delta = &choice["delta"];
    heard.text.push_str(delta["content"].as_str().unwrap_or_default());
    heard.refusal.push_str(delta["refusal"].as_str().unwrap_or_default());
    learn(heard, &chunk, choice);
    Ok(())
}

/// The same in one piece.
fn whole_answer(whole: &Value) -> Result<Heard, Error> {
    let choice = &whole["choices"][0];
    let message = &choice["message"];
    if !message.is_object() {
        return Err(Error::Unreachable("the answer has no message".to_owned()));
    }
    let mut heard = Heard {
        text: message["content"].as_str().unwrap_or_default().to_owned(),
        refusal: message["refusal"].as_str().unwrap_or_default().to_owned(),
        ..Heard::default()
    };
    learn(&mut heard, whole, choice);
    Ok(heard)
}

fn learn(heard: &mut Heard, told: &Value, choice: &Value) {
    if let Some(model) = told["model"].as_str().filter(|model| !model.is_empty()) {
        model.clone_into(&mut heard.model);
    }
    if let Some(reason) = choice["finish_reason"].as_str() {
        heard.end = Some(match reason {
            "length" => End::Cut,
            "content_filter" => End::Declined,
            _ => End::Complete,
        });
    }
    if told["usage"].is_object() {
        let count = |name: &str| told["usage"][name].as_u64().unwrap_or_default();
        heard.usage = Usage {
            input_tokens: count("prompt_tokens"),
            output_tokens: count("completion_tokens"),
        };
    }
}

fn clamp(status: u64) -> u16 {
    u16::try_from(status).unwrap_or(500)
}

/// An error answer, by `tables/errors.json`.
pub(crate) fn refusal(status: u16, headers: &HeaderMap, body: &Value) -> Error {
    let code = body["error"]["code"].as_str().unwrap_or_default();
    let class = match (status, code) {
        (401 | 403, _) | (404, _) => ErrorClass::Config,
        (429, "insufficient_quota") => ErrorClass::Quota,
        (429, _) => ErrorClass::RateLimited,
        (400, "content_policy_violation" | "moderation_blocked") => ErrorClass::Policy,
        (408 | 409 | 500.., _) => ErrorClass::Transient,
        _ => ErrorClass::Permanent,
    };
    let message = body["error"]["message"].as_str().map(str::to_owned);
    let message = message.unwrap_or_else(|| format!("HTTP {status}"));
    let wait = if class == ErrorClass::Quota { None } else { wait(headers) };
    Error::refused(class, &message).after(wait)
}

/// `retry-after` in seconds, else the longer of the resets, which are durations.
fn wait(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let after = text("retry-after").and_then(|seconds| seconds.parse::<f64>().ok());
    if let Some(after) = after.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
        return Some(after);
    }
    let used_up = |kind: &str| text(&format!("x-ratelimit-remaining-{kind}")) == Some("0");
    let resets = ["requests", "tokens"].into_iter().filter(|kind| used_up(kind));
    resets.filter_map(|kind| duration(text(&format!("x-ratelimit-reset-{kind}"))?)).max()
}

/// `1s`, `6m0s`, `12ms`, `1h2m3.5s`.
fn duration(text: &str) -> Option<Duration> {
    let mut seconds = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, unit) = rest.split_at(digits);
        let letters = unit.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(unit.len());
        let factor = match &unit[..letters] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * factor;
        rest = &unit[letters..];
    }
    (!text.is_empty()).then(|| Duration::try_from_secs_f64(seconds).ok()).flatten()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::ask::{Schema, Turn, Who};

    fn asked(strict: bool) -> Value {
        let schema = Schema { name: "versions".into(), schema: json!({ "type": "object" }) };
        let turns = [
            Turn { who: Who::User, text: "Hi".into() },
            Turn { who: Who::Model, text: "{".into() },
        ];
        let ask = Ask { system: "Be brief.", turns: &turns, schema: &schema, max_tokens: 100 };
        body("a-model", &ask, strict)
    }

    #[test]
    fn what_is_asked_has_the_shape_that_each_server_knows() {
        let strict = asked(true);
        assert_eq!(strict["response_format"]["json_schema"]["name"], "versions");
        assert_eq!(
            (&strict["max_completion_tokens"], &strict["max_tokens"]),
            (&json!(100), &Value::Null)
        );
        assert_eq!(strict["messages"][2]["role"], "assistant");
        let older = asked(false);
        assert_eq!(older["response_format"], json!({ "type": "json_object" }));
        assert_eq!(older["max_tokens"], 100);
        assert!(older["messages"][0]["content"].as_str().unwrap().contains("JSON Schema"));
    }

    #[tokio::test]
    async fn a_stream_is_read_to_its_end_with_what_it_cost() {
        let text = concat!(
            "data: {\"model\":\"m-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"{\\\"a\\\"\"},\"finish_reason\":null}],\"usage\":null}\n\n",
            ": a comment\n\n",
            "data: {\"model\":\"m-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\":\\\"ü\\\"}\"},\"finish_reason\":\"stop\"}]}\r\n\r\n",
            "data: {\"model\":\"m-1\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4,\"total_tokens\":13}}\n\n",
            "data: [DONE]\n\n",
        );
        let answer = stream::replay(text, take).await.unwrap().answer().unwrap();
        assert_eq!(answer.value, json!({ "a": "ü" }));
        assert_eq!(answer.usage, Usage { input_tokens: 9, output_tokens: 4 });
        assert_eq!(answer.model, "m-1");
        let broken = stream::replay(&text[..text.len() - 14], take).await;
        assert!(matches!(broken, Err(Error::Unreachable(_))), "without its end it is no answer");
    }

    #[tokio::test]
    async fn a_model_that_declines_and_a_cut_answer_are_told_apart() {
        let event = |delta: &Value, reason: &str| {
            let chunk =
                json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": reason }] });
            format!("data: {chunk}\n\ndata: [DONE]\n\n")
        };
        let declined = event(&json!({ "refusal": "I will not." }), "stop");
        let error = stream::replay(&declined, take).await.unwrap().answer().unwrap_err();
        assert_eq!(
            (error.class(), error.to_string()),
            (ErrorClass::Policy, "I will not.".to_owned())
        );
        let cut = event(&json!({ "content": "{" }), "length");
        let error = stream::replay(&cut, take).await.unwrap().answer().unwrap_err();
        assert!(matches!(error, Error::Cut { .. }));
        let filtered = event(&json!({}), "content_filter");
        let error = stream::replay(&filtered, take).await.unwrap().answer().unwrap_err();
        assert_eq!(error.class(), ErrorClass::Policy);
    }

    #[test]
    fn a_spent_budget_is_not_a_rate_limit() {
        let error = |status, code: &str, headers: &[(&'static str, &'static str)]| {
            let headers: HeaderMap = headers
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect();
            refusal(status, &headers, &json!({ "error": { "message": "no", "code": code } }))
        };
        let wait = |error: &Error| match error {
            Error::Refused { wait, .. } => *wait,
            _ => None,
        };
        let spent = error(429, "insufficient_quota", &[("retry-after", "5")]);
        assert_eq!((spent.class(), wait(&spent)), (ErrorClass::Quota, None));
        let limited = error(429, "rate_limit_exceeded", &[("retry-after", "5")]);
        assert_eq!(
            (limited.class(), wait(&limited)),
            (ErrorClass::RateLimited, Some(Duration::from_secs(5)))
        );
        let resets = [
            ("x-ratelimit-remaining-requests", "3"),
            ("x-ratelimit-reset-requests", "9m"),
            ("x-ratelimit-remaining-tokens", "0"),
            ("x-ratelimit-reset-tokens", "6m0s"),
        ];
        assert_eq!(
            wait(&error(429, "", &resets)),
            Some(Duration::from_secs(360)),
            "of what is used up"
        );
        assert_eq!(error(401, "invalid_api_key", &[]).class(), ErrorClass::Config);
        assert_eq!(error(404, "model_not_found", &[]).class(), ErrorClass::Config);
        assert_eq!(error(503, "", &[]).class(), ErrorClass::Transient);
        assert_eq!(error(400, "moderation_blocked", &[]).class(), ErrorClass::Policy);
        assert_eq!(error(400, "", &[]).class(), ErrorClass::Permanent);
    }

    #[test]
    fn durations_are_read() {
        let seconds = |text| duration(text).map(|found| found.as_secs_f64());
        assert_eq!(seconds("12ms"), Some(0.012));
        assert_eq!(seconds("1h2m3.5s"), Some(3723.5));
        for text in ["", "soon", "5", "5x"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
