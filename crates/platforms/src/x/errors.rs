//! Sorting X's answers into error classes.
//!
//! Source: `tables/errors.json` of the contracts (platform X), read 2026-11-22.
//!
//! **Invariant:** an answer to the publishing call that does not say for certain that there is no
//! post is [`ErrorClass::Ambiguous`].

use serde_json::Value;

use super::Endpoint;
use crate::ErrorClass;

const PROBLEMS: &str = "https://api.x.com/2/problems/";

/// Sorts an answer that is not a plain success: any status outside 2xx, and 2xx with errors or
/// with a file still in work. `body` is [`Value::Null`] when it was not readable JSON.
pub fn classify(status: u16, body: &Value, endpoint: Endpoint) -> ErrorClass {
    match status {
        200..=299 => success(body, endpoint),
        400 if endpoint == Endpoint::Token => refused_token(body),
        401 if endpoint == Endpoint::Token => ErrorClass::Config,
        401 => ErrorClass::AuthRefresh,
        402 => ErrorClass::Quota,
        403 if says(body, "duplicate content") => ErrorClass::Duplicate,
        403 if is_problem(body, "client-forbidden") => ErrorClass::Permission,
        403 if is_problem(body, "not-authorized-for-resource") => ErrorClass::Permission,
        404 if endpoint == Endpoint::DeletePost => ErrorClass::Ignore,
        408 => lost(endpoint),
        409 => ErrorClass::Config,
        429 if is_problem(body, "usage-capped") => ErrorClass::Quota,
        429 => ErrorClass::RateLimited,
        400..=499 => ErrorClass::Permanent,
        _ => lost(endpoint),
    }
}

/// X's own words about an answer, the most telling first; empty when it has none.
pub fn message(body: &Value) -> String {
    let processing = &body["data"]["processing_info"]["error"];
    let spoken = [body, &body["errors"][0], processing, &body["processing_info"]["error"]];
    spoken
        .into_iter()
        .flat_map(|part| {
            ["detail", "message", "error_description", "title", "error"].map(|k| &part[k])
        })
        .find_map(|word| word.as_str().filter(|word| !word.is_empty()))
        .unwrap_or_default()
        .to_owned()
}

fn success(body: &Value, endpoint: Endpoint) -> ErrorClass {
    let states = [&body["processing_info"]["state"], &body["data"]["processing_info"]["state"]];
    match states.into_iter().find_map(Value::as_str) {
        Some("failed") => ErrorClass::Permanent,
        Some("pending" | "in_progress") => ErrorClass::Pending,
        _ if endpoint.publishes() => ErrorClass::Ambiguous,
        _ if endpoint == Endpoint::DeletePost && is_problem(body, "resource-not-found") => {
            ErrorClass::Ignore
        }
        _ if body.get("errors").is_some() => ErrorClass::Permanent,
        _ => ErrorClass::Transient,
    }
}

/// What a refusal of a code or a refresh token means.
fn refused_token(body: &Value) -> ErrorClass {
    match body["error"].as_str() {
        // X says this of a refresh token that was used twice, revoked, or has expired.
        Some("invalid_request") if says(body, "token was invalid") => ErrorClass::AuthReconnect,
        Some("invalid_grant") => ErrorClass::AuthReconnect,
        Some("invalid_client" | "unauthorized_client") => ErrorClass::Config,
        _ => ErrorClass::Permanent,
    }
}

fn lost(endpoint: Endpoint) -> ErrorClass {
    if endpoint.publishes() { ErrorClass::Ambiguous } else { ErrorClass::Transient }
}

fn is_problem(body: &Value, name: &str) -> bool {
    [body, &body["errors"][0]]
        .into_iter()
        .filter_map(|part| part["type"].as_str())
        .any(|kind| kind.strip_prefix(PROBLEMS) == Some(name))
}

fn says(body: &Value, words: &str) -> bool {
    [body, &body["errors"][0]]
        .into_iter()
        .flat_map(|part| ["detail", "message", "title", "error_description"].map(|k| &part[k]))
        .filter_map(Value::as_str)
        .any(|said| said.to_ascii_lowercase().contains(words))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::print_stdout, reason = "a skipped test says so")]

    use super::*;
    use crate::contracts;
    use serde_json::json;

    /// A body that a rule of the table matches.
    fn body_for(rule: &Value) -> Vec<Value> {
        let mut bodies = vec![json!({})];
        for (key, wanted) in rule["match"].as_object().into_iter().flatten() {
            let text = wanted.as_str().unwrap_or_default();
            let parts: Vec<Value> = match key.as_str() {
                "token_endpoint" => vec![json!({})],
                "type" | "error" => vec![json!({ key: wanted })],
                "detail_contains" => vec![json!({ "detail": format!("No: {text}.") })],
                "error_description_contains" => {
                    vec![json!({ "error_description": format!("No: {text}.") })]
                }
                "errors[0].code" => {
                    vec![json!({ "errors": [{ "code": wanted, "message": "no" }] })]
                }
                "has" => vec![json!({ text: [{ "title": "Not Found Error" }], "data": {} })],
                "processing_info.state" => text
                    .split('|')
                    .map(|state| json!({ "data": { "processing_info": { "state": state } } }))
                    .collect(),
                other => panic!("the table has a new way to match: {other}"),
            };
            bodies = bodies
                .iter()
                .flat_map(|body| parts.iter().map(|part| merged(body, part)))
                .collect();
        }
        bodies
    }

    fn merged(a: &Value, b: &Value) -> Value {
        let fields = [a, b].into_iter().filter_map(Value::as_object).flatten();
        Value::Object(fields.map(|(k, v)| (k.clone(), v.clone())).collect())
    }

    #[test]
    fn every_rule_of_the_table_classifies_as_it_says() {
        let table = match contracts::json("tables/errors.json") {
            Ok(table) => table,
            Err(absent) => return println!("skipped: {absent}"),
        };
        let rules = table["rules"].as_array().cloned().unwrap_or_default();
        let rules: Vec<Value> = rules.into_iter().filter(|r| r["platform"] == "X").collect();
        assert!(rules.len() >= 20, "the rules are there");
        for rule in &rules {
            let endpoint = if rule["match"]["token_endpoint"] == true {
                Endpoint::Token
            } else {
                Endpoint::UserPosts
            };
            let status = u16::try_from(rule["http"].as_u64().unwrap_or_default()).unwrap_or(0);
            for body in body_for(rule) {
                let class = classify(status, &body, endpoint);
                assert_eq!(class.as_str(), rule["class"], "{rule}");
                let note = rule["note"].as_str().unwrap_or_default();
                if note.contains("on POST /2/tweets: ambiguous") {
                    let class = classify(status, &body, Endpoint::CreatePost);
                    assert_eq!(class, ErrorClass::Ambiguous, "{rule}");
                }
            }
        }
    }

    #[test]
    fn what_the_table_leaves_open_is_settled() {
        use Endpoint::{CreatePost, DeletePost, Token, UserPosts};
        for (status, body, endpoint, class) in [
            (404, json!({}), DeletePost, ErrorClass::Ignore),
            (404, Value::Null, UserPosts, ErrorClass::Permanent),
            (408, Value::Null, CreatePost, ErrorClass::Ambiguous),
            (408, Value::Null, UserPosts, ErrorClass::Transient),
            (307, Value::Null, CreatePost, ErrorClass::Ambiguous),
            (429, Value::Null, CreatePost, ErrorClass::RateLimited),
            (403, Value::Null, CreatePost, ErrorClass::Permanent),
            (201, json!({ "errors": [] }), CreatePost, ErrorClass::Ambiguous),
            (400, json!({ "error": "invalid_grant" }), Token, ErrorClass::AuthReconnect),
            (400, json!({ "error": "unsupported_grant_type" }), Token, ErrorClass::Permanent),
            (401, json!({ "error": "invalid_client" }), Token, ErrorClass::Config),
        ] {
            assert_eq!(classify(status, &body, endpoint), class, "{status} {body}");
        }
    }

    #[test]
    fn the_most_telling_words_are_shown() {
        for (body, words) in [
            (json!({ "title": "Forbidden", "detail": "No duplicates." }), "No duplicates."),
            (
                json!({ "errors": [{ "code": 88, "message": "Rate limit exceeded" }] }),
                "Rate limit exceeded",
            ),
            (json!({ "error": "invalid_request", "error_description": "Bad." }), "Bad."),
            (json!({ "title": "Forbidden", "detail": "" }), "Forbidden"),
            (Value::Null, ""),
        ] {
            assert_eq!(message(&body), words);
        }
    }
}
