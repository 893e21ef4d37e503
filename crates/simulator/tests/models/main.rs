//! The simulated models over HTTP: against the makers' own descriptions, and their faults.

#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod stage;

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use simulator::{Action, ModelSettings, Note, Rule};

use stage::{Answered, Stage, anthropic, hold_posts, openai, posts};

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
const IMAGES: &str = "/v1/images/generations";
const PROMPT: &str = "Write posts.\nTopic: winter sale\nBe kind.";

fn chat() -> Value {
    json!({
        "model": "gpt-simulated",
        "messages": [{ "role": "user", "content": PROMPT }],
        "response_format": { "type": "json_schema", "json_schema": {
            "name": "posts", "strict": true, "schema": posts(),
        } },
    })
}

fn message() -> Value {
    json!({
        "model": "claude-simulated", "max_tokens": 1000,
        "messages": [{ "role": "user", "content": PROMPT }],
        "output_config": { "format": { "type": "json_schema", "schema": posts() } },
    })
}

fn with(mut body: Value, changes: Value) -> Value {
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    body
}

fn parsed(text: &Value) -> Value {
    serde_json::from_str(text.as_str().unwrap()).unwrap()
}

async fn faulted(path: &str, body: &Value, action: Action) -> (Stage, Answered) {
    let stage = Stage::new().await;
    stage.control.fault(Rule::on("POST", path, action)).await.unwrap();
    let answered = stage.post(path, body).await;
    (stage, answered)
}

#[tokio::test]
async fn a_completion_fits_the_schema_and_the_description() {
    let stage = Stage::new().await;
    let body = stage.post(CHAT, &chat()).await.body();
    openai("CreateChatCompletionRequest", &chat());
    openai("CreateChatCompletionResponse", &body);
    hold_posts(&parsed(&body["choices"][0]["message"]["content"]));
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    let Note::Model { model, input_tokens, output_tokens, refused } = stage.note().await else {
        panic!("a note of another kind");
    };
    assert_eq!(model.as_deref(), Some("gpt-simulated"));
    assert_eq!(body["usage"]["prompt_tokens"], input_tokens);
    assert_eq!(body["usage"]["completion_tokens"], output_tokens);
    assert!(refused.is_none() && output_tokens > 0);
    let again = stage.post(CHAT, &chat()).await.body();
    assert_eq!(again["choices"], body["choices"]);
}

#[tokio::test]
async fn the_length_of_texts_can_be_set_and_the_maximum_cuts() {
    let stage = Stage::new().await;
    let settings = ModelSettings { text_chars: 30, ..ModelSettings::default() };
    stage.control.set_models(&settings).await.unwrap();
    let body = stage.post(CHAT, &chat()).await.body();
    let output = parsed(&body["choices"][0]["message"]["content"]);
    assert_eq!(output["posts"][0]["text"].as_str().unwrap().len(), 30);
    let cut = with(chat(), json!({ "max_completion_tokens": 5 }));
    let body = stage.post(CHAT, &cut).await.body();
    assert_eq!(body["choices"][0]["finish_reason"], "length");
    assert_eq!(body["usage"]["completion_tokens"], 5);
}

#[tokio::test]
async fn a_completion_streams() {
    let stage = Stage::new().await;
    let options = json!({ "stream": true, "stream_options": { "include_usage": true } });
    let answered = stage.post(CHAT, &with(chat(), options)).await;
    assert!(answered.headers["content-type"].to_str().unwrap().starts_with("text/event-stream"));
    assert!(answered.text.ends_with("data: [DONE]\n\n"));
    let mut events = answered.events();
    for event in &events {
        openai("CreateChatCompletionStreamResponse", event);
    }
    let last = events.pop().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert!(last["usage"]["total_tokens"].as_u64().unwrap() > 0);
    assert_eq!(events.last().unwrap()["choices"][0]["finish_reason"], "stop");
    let deltas = events.iter().filter_map(|e| e["choices"][0]["delta"]["content"].as_str());
    hold_posts(&serde_json::from_str(&deltas.collect::<String>()).unwrap());
    let without = stage.post(CHAT, &with(chat(), json!({ "stream": true }))).await.events();
    assert!(without.iter().all(|event| event.get("usage").is_none()));
}

#[tokio::test]
async fn images_are_real() {
    let stage = Stage::new().await;
    let base64 = json!({ "model": "gpt-image-simulated", "prompt": "a cat", "n": 2 });
    let body = stage.post(IMAGES, &base64).await.body();
    openai("ImagesResponse", &body);
    assert_eq!(body["data"].as_array().unwrap().len(), 2);
    let bytes = STANDARD.decode(body["data"][0]["b64_json"].as_str().unwrap()).unwrap();
    let size = imagesize::blob_size(&bytes).unwrap();
    assert_eq!((size.width, size.height), (1024, 1024));
    let url = json!({ "model": "dall-e-3", "prompt": "a cat", "size": "256x256" });
    let body = stage.post(IMAGES, &url).await.body();
    openai("ImagesResponse", &body);
    let url = body["data"][0]["url"].as_str().unwrap();
    let path = url.strip_prefix(stage.running.base_url()).unwrap();
    let image = stage.get(path, ("accept", "image/png")).await;
    assert_eq!(image.headers()["content-type"], "image/png");
    assert_eq!(imagesize::blob_size(&image.bytes().await.unwrap()).unwrap().width, 256);
    let many = json!({ "model": "dall-e-3", "prompt": "a cat", "n": 11 });
    assert_eq!(stage.post(IMAGES, &many).await.status, 400);
}

#[tokio::test]
async fn a_message_fits_the_schema_and_the_description() {
    let stage = Stage::new().await;
    anthropic("CreateMessageParams", &message());
    let body = stage.post(MESSAGES, &message()).await.body();
    anthropic("Message", &body);
    assert_eq!(body["stop_reason"], "end_turn");
    hold_posts(&parsed(&body["content"][0]["text"]));
    let tool = json!({
        "tools": [{ "name": "save", "input_schema": posts() }],
        "tool_choice": { "type": "tool", "name": "save" },
    });
    let asked = with(message(), tool);
    anthropic("CreateMessageParams", &asked);
    let body = stage.post(MESSAGES, &asked).await.body();
    anthropic("Message", &body);
    assert_eq!(body["stop_reason"], "tool_use");
    hold_posts(&body["content"][0]["input"]);
    let streamed = stage.post(MESSAGES, &with(asked, json!({ "stream": true }))).await.events();
    let kinds: Vec<&str> = streamed.iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!(kinds[..3], ["message_start", "content_block_start", "ping"]);
    let end = ["content_block_stop", "message_delta", "message_stop"];
    assert_eq!(kinds[kinds.len() - 3..], end);
    anthropic("Message", &streamed[0]["message"]);
    let deltas = streamed.iter().filter_map(|e| e["delta"]["partial_json"].as_str());
    hold_posts(&serde_json::from_str(&deltas.collect::<String>()).unwrap());
    assert_eq!(streamed[kinds.len() - 2]["delta"]["stop_reason"], "tool_use");
}

#[tokio::test]
async fn keys_are_checked_and_models_are_listed() {
    let stage = Stage::new().await;
    let good = stage.get("/v1/models", ("authorization", "Bearer sk-secret")).await;
    openai("ListModelsResponse", &serde_json::from_str(&good.text().await.unwrap()).unwrap());
    let bad = stage.get("/v1/models", ("authorization", "Bearer other")).await;
    assert_eq!(bad.status(), 401);
    let bad: Value = serde_json::from_str(&bad.text().await.unwrap()).unwrap();
    openai("ErrorResponse", &bad);
    assert_eq!(bad["error"]["code"], "invalid_api_key");
    let good = stage.get("/v1/models", ("x-api-key", "sk-secret")).await;
    assert_eq!(good.status(), 400, "the version is missing");
    let bad = stage.get("/v1/models", ("x-api-key", "other")).await;
    assert_eq!(bad.status(), 401);
    let bad: Value = serde_json::from_str(&bad.text().await.unwrap()).unwrap();
    anthropic("ErrorResponse", &bad);
    assert_eq!(bad["error"]["type"], "authentication_error");
    let missing = with(chat(), json!({ "model": "missing-1" }));
    assert_eq!(stage.post(CHAT, &missing).await.body()["error"]["code"], "model_not_found");
    let none = with(message(), json!({ "messages": [] }));
    assert_eq!(stage.post(MESSAGES, &none).await.status, 400);
}

#[tokio::test]
async fn outputs_can_be_spoiled() {
    let (_, answered) = faulted(CHAT, &chat(), Action::MalformedOutput {}).await;
    openai("CreateChatCompletionResponse", &answered.body());
    let body = answered.body();
    let text = body["choices"][0]["message"]["content"].as_str().unwrap();
    serde_json::from_str::<Value>(text).unwrap_err();
    let (_, answered) = faulted(CHAT, &chat(), Action::LongOutput { chars: 900 }).await;
    let output = parsed(&answered.body()["choices"][0]["message"]["content"]);
    assert_eq!(output["posts"][0]["text"].as_str().unwrap().len(), 900);
    let (stage, answered) = faulted(CHAT, &chat(), Action::Refusal {}).await;
    openai("CreateChatCompletionResponse", &answered.body());
    let told = &answered.body()["choices"][0]["message"];
    assert!(told["content"].is_null() && told["refusal"].is_string());
    assert!(matches!(stage.note().await, Note::Model { refused: Some(_), .. }));
    let (_, answered) = faulted(MESSAGES, &message(), Action::Refusal {}).await;
    anthropic("Message", &answered.body());
    assert_eq!(answered.body()["stop_reason"], "refusal");
}

#[tokio::test]
async fn streams_can_be_cut_and_slow() {
    for (path, body) in [(CHAT, chat()), (MESSAGES, message())] {
        let streamed = with(body, json!({ "stream": true }));
        let stage = Stage::new().await;
        stage.control.fault(Rule::on("POST", path, Action::CutStream { events: 3 })).await.unwrap();
        stage.try_chat(path, &streamed).await.unwrap_err();
        let start = Instant::now();
        stage.control.fault(Rule::on("POST", path, Action::SlowStream { ms: 5 })).await.unwrap();
        let events = stage.post(path, &streamed).await.events().len();
        let least = Duration::from_millis(5 * (events as u64 - 1));
        assert!(start.elapsed() >= least);
        let entry = stage.control.journal(0).await.unwrap().pop().unwrap();
        let took = (entry.ended_at.unwrap() - entry.at).to_std().unwrap();
        assert!(took >= least, "the journal has a stream of {took:?}");
    }
}

#[tokio::test]
async fn limits_spending_and_trouble_have_their_shapes() {
    let limited = || Action::RateLimited { reset_in_ms: 1_500 };
    let (_, answered) = faulted(CHAT, &chat(), limited()).await;
    openai("ErrorResponse", &answered.body());
    assert_eq!((answered.status, &answered.headers["retry-after"]), (429, &"2".parse().unwrap()));
    assert_eq!(answered.body()["error"]["code"], "rate_limit_exceeded");
    let (_, answered) = faulted(CHAT, &chat(), Action::status(429)).await;
    assert!(answered.headers.get("retry-after").is_none());
    assert_eq!(answered.body()["error"]["code"], "rate_limit_exceeded");
    let (stage, answered) = faulted(CHAT, &chat(), Action::SpendLimit {}).await;
    assert_eq!(answered.body()["error"]["code"], "insufficient_quota");
    let spent = Some("insufficient_quota".to_owned());
    assert!(matches!(stage.note().await, Note::Model { refused, .. } if refused == spent));
    let (_, answered) = faulted(MESSAGES, &message(), Action::SpendLimit {}).await;
    anthropic("ErrorResponse", &answered.body());
    let details = answered.body()["error"]["details"]["error_code"].clone();
    assert_eq!((answered.status, details), (429, json!("enforced_spend_limit_reached")));
    assert!(answered.headers.get("retry-after").is_none());
    for (status, kind) in [
        (429, "rate_limit_error"),
        (402, "billing_error"),
        (500, "api_error"),
        (529, "overloaded_error"),
    ] {
        let (_, answered) = faulted(MESSAGES, &message(), Action::status(status)).await;
        anthropic("ErrorResponse", &answered.body());
        assert_eq!(
            (answered.status, answered.body()["error"]["type"].as_str()),
            (status, Some(kind))
        );
    }
    let (_, answered) = faulted(CHAT, &chat(), Action::status(503)).await;
    openai("ErrorResponse", &answered.body());
}
