//! Anthropic's shapes: messages, their streams, the list of models, errors.

use serde_json::{Value, json};

use super::{Asked, Refused, Said, messages, note, pieces, streamed, topic};
use crate::call::Answer;

pub(super) fn refusal(refused: &Refused) -> Answer {
    let Refused { status, code, message } = refused;
    let kind = match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        400..500 => "invalid_request_error",
        _ => "api_error",
    };
    let mut error = json!({ "type": kind, "message": message });
    if *code == "insufficient_quota" {
        error["details"] = json!({ "error_code": "enforced_spend_limit_reached" });
    }
    let body = json!({ "type": "error", "error": error, "request_id": "req_simulated" });
    Answer::json(*status, &body).with_header("request-id", "req_simulated")
}

pub(super) fn list(models: &[String]) -> Answer {
    let model = |id: &String| {
        json!({
            "id": id, "type": "model", "display_name": id, "created_at": "2026-01-01T00:00:00Z",
            "capabilities": null, "max_input_tokens": null, "max_tokens": null,
        })
    };
    let data: Vec<Value> = models.iter().map(model).collect();
    let (first, last) = (models.first(), models.last());
    let body = json!({ "data": data, "first_id": first, "last_id": last, "has_more": false });
    Answer::json(200, &body)
}

/// The tool that the model shall use.
fn tool(body: &Value) -> Option<&Value> {
    let tools = body["tools"].as_array()?;
    match body["tool_choice"]["type"].as_str() {
        Some("none") => None,
        Some("tool") => tools.iter().find(|tool| tool["name"] == body["tool_choice"]["name"]),
        _ => tools.first(),
    }
}

/// Reads the body of a message.
pub(super) fn read(body: &Value) -> Result<Asked, Refused> {
    let messages = messages(body)?;
    let max = body["max_tokens"].as_u64().ok_or_else(|| Refused {
        status: 400,
        code: "invalid_request",
        message: "max_tokens: field required".to_owned(),
    })?;
    let schema = match tool(body) {
        Some(tool) => Some(tool["input_schema"].clone()),
        None => body.pointer("/output_config/format/schema").cloned(),
    };
    let system = super::content(&body["system"]).chars().count();
    let rest: usize = messages.iter().map(|m| super::content(&m["content"]).chars().count()).sum();
    Ok(Asked {
        model: body["model"].as_str().unwrap_or_default().to_owned(),
        topic: topic(messages),
        prompt_chars: system + rest,
        schema,
        max_tokens: Some(max as usize),
    })
}

pub(super) fn answer(
    body: &Value,
    asked: &Asked,
    said: &Said,
    number: u64,
    piece: usize,
) -> Answer {
    let tool = tool(body).filter(|_| !said.refused);
    let stop = match (said.refused, said.cut, tool) {
        (true, ..) => "refusal",
        (_, true, _) => "max_tokens",
        (.., Some(_)) => "tool_use",
        _ => "end_turn",
    };
    let usage = |output: usize| {
        json!({
            "input_tokens": said.input_tokens, "output_tokens": output, "cache_creation": null,
            "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
            "inference_geo": null, "server_tool_use": null, "service_tier": "standard",
        })
    };
    let block = |text: &str| match tool {
        // What cannot be read arrives as an object without the fields.
        Some(tool) => json!({
            "type": "tool_use", "id": format!("toolu_{number}"), "name": tool["name"],
            "input": serde_json::from_str(text).unwrap_or_else(|_| json!({})),
            "caller": { "type": "direct" },
        }),
        None => json!({ "type": "text", "text": text, "citations": null }),
    };
    let mut message = json!({
        "id": format!("msg_{number}"), "type": "message", "role": "assistant",
        "model": asked.model, "content": [], "stop_reason": null, "stop_sequence": null,
        "stop_details": null, "container": null, "usage": usage(0),
    });
    let details = match said.refused {
        true => json!({ "type": "refusal", "category": null, "explanation": said.text }),
        false => Value::Null,
    };
    let mut answer = if body["stream"] == true {
        let event = |kind: &str, mut data: Value| {
            data["type"] = kind.into();
            format!("event: {kind}\ndata: {data}\n\n")
        };
        let delta = |piece: String| match tool {
            Some(_) => json!({ "type": "input_json_delta", "partial_json": piece }),
            None => json!({ "type": "text_delta", "text": piece }),
        };
        let mut events = vec![
            event("message_start", json!({ "message": message })),
            event("content_block_start", json!({ "index": 0, "content_block": block("") })),
            event("ping", json!({})),
        ];
        events.extend(pieces(&said.text, piece).into_iter().map(|piece| {
            event("content_block_delta", json!({ "index": 0, "delta": delta(piece) }))
        }));
        let end = json!({ "stop_reason": stop, "stop_sequence": null, "stop_details": details });
        events.push(event("content_block_stop", json!({ "index": 0 })));
        let end = json!({ "delta": end, "usage": usage(said.output_tokens) });
        events.push(event("message_delta", end));
        events.push(event("message_stop", json!({})));
        streamed(events)
    } else {
        message["content"] = json!([block(&said.text)]);
        message["stop_reason"] = stop.into();
        message["stop_details"] = details;
        message["usage"] = usage(said.output_tokens);
        Answer::json(200, &message)
    };
    answer.note = note(asked, said);
    answer.with_header("request-id", format!("req_{number}"))
}
