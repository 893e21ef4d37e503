//! OpenAI's shapes: completions, their streams, images, the list of models, errors.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{Asked, Refused, Said, messages, note, pieces, streamed, tokens, topic};
use crate::call::Answer;
use crate::journal::Note;

pub(super) fn refusal(refused: &Refused) -> Answer {
    let Refused { status, code, message } = refused;
    let kind = match *code {
        "insufficient_quota" => "insufficient_quota",
        "rate_limit_exceeded" => "rate_limit_error",
        _ if *status >= 500 => "server_error",
        _ => "invalid_request_error",
    };
    let code = if *status >= 500 || *code == "fault" { Value::Null } else { Value::from(*code) };
    let error = json!({ "message": message, "type": kind, "param": null, "code": code });
    Answer::json(*status, &json!({ "error": error }))
}

pub(super) fn list(models: &[String]) -> Answer {
    let model = |id: &String| json!({ "id": id, "object": "model", "created": 1_780_000_000, "owned_by": "simulator" });
    let data: Vec<Value> = models.iter().map(model).collect();
    Answer::json(200, &json!({ "object": "list", "data": data }))
}

/// Reads the body of a completion.
pub(super) fn read(body: &Value) -> Result<Asked, Refused> {
    let messages = messages(body)?;
    let format = &body["response_format"];
    let schema = match format["type"].as_str() {
        Some("json_schema") if !format["json_schema"]["name"].is_string() => {
            let message = "response_format.json_schema.name: must be a string".to_owned();
            return Err(Refused { status: 400, code: "invalid_request", message });
        }
        Some("json_schema") => Some(format["json_schema"]["schema"].clone()),
        Some("json_object") => {
            Some(json!({ "type": "object", "properties": { "text": { "type": "string" } } }))
        }
        _ => None,
    };
    let max = body["max_completion_tokens"].as_u64().or(body["max_tokens"].as_u64());
    Ok(Asked {
        model: body["model"].as_str().unwrap_or_default().to_owned(),
        topic: topic(messages),
        prompt_chars: messages.iter().map(|m| super::content(&m["content"]).chars().count()).sum(),
        schema,
        max_tokens: max.map(|max| max as usize),
    })
}

pub(super) fn answer(
    body: &Value,
    asked: &Asked,
    said: &Said,
    (number, now): (u64, DateTime<Utc>),
    piece: usize,
) -> Answer {
    let finish = if said.cut { "length" } else { "stop" };
    let usage = json!({
        "prompt_tokens": said.input_tokens,
        "completion_tokens": said.output_tokens,
        "total_tokens": said.input_tokens + said.output_tokens,
    });
    let word = if said.refused { "refusal" } else { "content" };
    let mut whole = json!({
        "id": format!("chatcmpl-{number}"),
        "object": "chat.completion",
        "created": now.timestamp(),
        "model": asked.model,
    });
    let mut answer = if body["stream"] == true {
        whole["object"] = "chat.completion.chunk".into();
        let with_usage = body["stream_options"]["include_usage"] == true;
        if with_usage {
            whole["usage"] = Value::Null;
        }
        let event = |change: Value| {
            let mut chunk = whole.clone();
            for (name, value) in change.as_object().into_iter().flatten() {
                chunk[name.as_str()] = value.clone();
            }
            format!("data: {chunk}\n\n")
        };
        let choice = |delta: Value, finish: Value| {
            event(json!({ "choices": [{
                "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish,
            }] }))
        };
        let first = json!({ "role": "assistant", "content": "", "refusal": null });
        let mut events = vec![choice(first, Value::Null)];
        let deltas = pieces(&said.text, piece).into_iter();
        events.extend(deltas.map(|text| choice(json!({ word: text }), Value::Null)));
        events.push(choice(json!({}), finish.into()));
        if with_usage {
            events.push(event(json!({ "choices": [], "usage": usage })));
        }
        events.push("data: [DONE]\n\n".to_owned());
        streamed(events)
    } else {
        let mut message = json!({ "role": "assistant", "content": null, "refusal": null });
        message[word] = said.text.as_str().into();
        whole["choices"] = json!([{
            "index": 0, "message": message, "logprobs": null, "finish_reason": finish,
        }]);
        whole["usage"] = usage;
        Answer::json(200, &whole)
    };
    answer.note = note(asked, said);
    answer.with_header("x-request-id", format!("req-{number}"))
}

/// An order for images.
pub(super) struct AskedImage {
    pub(super) prompt: String,
    pub(super) count: u64,
    pub(super) size: (u32, u32),
    model: String,
    by_url: bool,
}

/// Reads the body of an order for images.
pub(super) fn read_image(body: &Value) -> Result<AskedImage, Refused> {
    let refuse = |message: &str| Refused {
        status: 400,
        code: "invalid_request",
        message: message.to_owned(),
    };
    let prompt = body["prompt"].as_str().ok_or_else(|| refuse("prompt: must be a string"))?;
    let count = body["n"].as_u64().unwrap_or(1);
    if !(1..=10).contains(&count) {
        return Err(refuse("n: must be from 1 to 10"));
    }
    let size = match body["size"].as_str().unwrap_or("auto") {
        "auto" => (1024, 1024),
        size => {
            let sides = size.split_once('x').and_then(|(w, h)| w.parse().ok().zip(h.parse().ok()));
            let small = |(w, h): &(u32, u32)| (1..=4096).contains(w) && (1..=4096).contains(h);
            sides.filter(small).ok_or_else(|| refuse("size: is not known"))?
        }
    };
    let model = body["model"].as_str().unwrap_or("dall-e-2").to_owned();
    let base64_only = model.starts_with("gpt-image");
    if base64_only && !body["response_format"].is_null() {
        return Err(refuse("response_format: is not taken by this model"));
    }
    let by_url = !base64_only && body["response_format"] != "b64_json";
    Ok(AskedImage { prompt: prompt.to_owned(), count, size, model, by_url })
}

pub(super) fn image_answer(
    asked: &AskedImage,
    images: &[(String, Bytes)],
    host: &str,
    now: DateTime<Utc>,
) -> Answer {
    let image = |(id, bytes): &(String, Bytes)| match asked.by_url {
        true => json!({ "url": format!("http://{host}/v1/images/files/{id}") }),
        false => json!({ "b64_json": STANDARD.encode(bytes) }),
    };
    let (input, output) = (tokens(asked.prompt.chars().count()), images.len() * 272);
    let usage = json!({
        "input_tokens": input, "output_tokens": output, "total_tokens": input + output,
        "input_tokens_details": { "text_tokens": input, "image_tokens": 0 },
    });
    let data: Vec<Value> = images.iter().map(image).collect();
    let body = json!({ "created": now.timestamp(), "data": data, "usage": usage });
    let mut answer = Answer::json(200, &body);
    answer.note = Some(Note::Model {
        model: Some(asked.model.clone()),
        input_tokens: input as u64,
        output_tokens: output as u64,
        refused: None,
    });
    answer
}
