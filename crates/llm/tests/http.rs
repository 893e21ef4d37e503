//! Models over HTTP: a small server stands in for a provider.

#![expect(clippy::unwrap_used, reason = "tests")]

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use futures::StreamExt;
use llm::versions::{self, Brief};
use llm::{Ask, Dialect, Error, ImageAsk, Model, Prices, Schema, Settings, Turn, Usage, Who};
use platforms::{ErrorClass, Platform};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const KEY: &str = "sk-very-secret";

/// The headers and the body of a request.
type Asked = (Vec<String>, Value);

/// What a server was asked, and its address.
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// A server that answers every request to a path like this.
async fn serve(path: &'static str, answer: fn(&str) -> Response) -> Server {
    let asked: Arc<Mutex<Vec<_>>> = Arc::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let kept = asked.clone();
    let own = url.clone();
    let handler = move |State(()): State<()>, request: Request| async move {
        let names = ["authorization", "x-api-key", "anthropic-version"];
        let headers = names
            .into_iter()
            .filter_map(|name| {
                Some(format!("{name}: {}", request.headers().get(name)?.to_str().unwrap()))
            })
            .collect();
        let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap();
        kept.lock().unwrap().push((headers, serde_json::from_slice(&body).unwrap()));
        answer(&own)
    };
    let image = get(async || Bytes::from_static(b"an image"));
    let routes = Router::new().route(path, post(handler)).route("/v1/image.png", image);
    tokio::spawn(async move { axum::serve(listener, routes.with_state(())).await });
    Server { url, asked }
}

impl Server {
    fn model(&self, dialect: Dialect) -> Model {
        Model::new(Settings {
            dialect,
            base_url: self.url.parse().unwrap(),
            key: Some(SecretString::from(KEY)),
            model: "a-model".into(),
            prices: Prices::default(),
            silence: Duration::from_millis(500),
        })
        .unwrap()
    }

    fn asked(&self) -> Asked {
        self.asked.lock().unwrap().pop().unwrap()
    }
}

async fn ask(model: &Model) -> (Result<llm::Answer, Error>, Vec<usize>) {
    let schema = Schema { name: "versions".into(), schema: json!({ "type": "object" }) };
    let turns = [Turn { who: Who::User, text: "Say a.".into() }];
    let ask = Ask { system: "Be brief.", turns: &turns, schema: &schema, max_tokens: 100 };
    let mut heard = Vec::new();
    let answer = model.ask(&ask, |characters| heard.push(characters)).await;
    (answer, heard)
}

fn events(text: &'static str) -> Response {
    ([("content-type", "text/event-stream; charset=utf-8")], text).into_response()
}

#[tokio::test]
async fn each_provider_is_given_its_key_in_its_own_way_and_progress_is_told() {
    let server = serve("/v1/chat/completions", |_| {
        events(concat!(
            "data: {\"choices\":[{\"delta\":{\"content\":\"{\\\"a\"}}]}\n\n",
            "data: {\"choices\":[{\"delta\":{\"content\":\"\\\":1}\"},\"finish_reason\":\"stop\"}]}\n\n",
            "data: [DONE]\n\n",
        ))
    })
    .await;
    let (answer, heard) = ask(&server.model(Dialect::OpenAi)).await;
    assert_eq!((answer.unwrap().value, heard), (json!({ "a": 1 }), vec![3, 7]));
    let (headers, body) = server.asked();
    assert_eq!(headers, [format!("authorization: Bearer {KEY}")]);
    assert_eq!(body["messages"][1]["content"], "Say a.");

    let server = serve("/v1/messages", |_| {
        events(concat!(
            "data: {\"type\":\"message_start\",\"message\":{\"model\":\"m\",\"usage\":{}}}\n\n",
            "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"{}\"}}\n\n",
            "data: {\"type\":\"message_stop\"}\n\n",
        ))
    })
    .await;
    let (answer, _) = ask(&server.model(Dialect::Anthropic)).await;
    assert_eq!(answer.unwrap().value, json!({}));
    let (headers, body) = server.asked();
    assert_eq!(headers, [format!("x-api-key: {KEY}"), "anthropic-version: 2023-06-01".to_owned()]);
    assert_eq!(body["system"], "Be brief.");
    assert_eq!(body["output_config"]["format"]["type"], "json_schema");
}

#[tokio::test]
async fn a_server_that_knows_no_streams_is_understood() {
    let server = serve("/v1/chat/completions", |_| {
        let message = json!({ "role": "assistant", "content": "```json\n{\"a\":2}\n```" });
        Json(json!({ "model": "local", "choices": [{ "message": message, "finish_reason": "stop" }] }))
            .into_response()
    })
    .await;
    let (answer, _) = ask(&server.model(Dialect::OpenAiOlder)).await;
    let answer = answer.unwrap();
    assert_eq!((answer.value, answer.model.as_str()), (json!({ "a": 2 }), "local"));
    assert_eq!(server.asked().1["response_format"]["type"], "json_object");
}

#[tokio::test]
async fn an_error_says_how_long_to_wait_and_never_the_key() {
    let server = serve("/v1/chat/completions", |_| {
        let error = json!({ "error": { "message": format!("no {KEY} here"), "code": "rate_limit_exceeded" } });
        (axum::http::StatusCode::TOO_MANY_REQUESTS, [("retry-after", "7")], Json(error)).into_response()
    })
    .await;
    let (answer, _) = ask(&server.model(Dialect::OpenAi)).await;
    let error = answer.unwrap_err();
    assert_eq!(
        (error.class(), error.to_string().as_str()),
        (ErrorClass::RateLimited, "no [key] here")
    );
    assert!(matches!(error, Error::Refused { wait: Some(wait), .. } if wait.as_secs() == 7));
    assert!(!format!("{:?}", server.model(Dialect::OpenAi)).contains(KEY));
}

#[tokio::test]
async fn a_stream_that_falls_silent_or_breaks_off_is_no_answer() {
    let server = serve("/v1/chat/completions", |_| {
        let piece = "data: {\"choices\":[{\"delta\":{\"content\":\"{}\"}}]}\n\n";
        let first = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from(piece))]);
        let body = Body::from_stream(first.chain(futures::stream::pending()));
        ([("content-type", "text/event-stream")], body).into_response()
    })
    .await;
    let (answer, heard) = ask(&server.model(Dialect::OpenAi)).await;
    assert!(matches!(answer, Err(Error::Unreachable(_))), "{answer:?}");
    assert_eq!(heard, [2], "what came was told");
    let server = serve("/v1/chat/completions", |_| {
        events(
            "data: {\"choices\":[{\"delta\":{\"content\":\"{}\"},\"finish_reason\":\"stop\"}]}\n\n",
        )
    })
    .await;
    let (answer, _) = ask(&server.model(Dialect::OpenAi)).await;
    assert!(matches!(answer, Err(Error::Unreachable(_))), "{answer:?}");
}

fn chat(content: &str) -> Response {
    let message = json!({ "role": "assistant", "content": content });
    let usage = json!({ "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15 });
    let choice = json!({ "message": message, "finish_reason": "stop" });
    Json(json!({ "model": "m", "choices": [choice], "usage": usage })).into_response()
}

const BRIEF: Brief<'_> = Brief {
    about: "tea",
    tone: None,
    language: None,
    brand_notes: None,
    platforms: &[Platform::Twitter],
};

#[tokio::test]
async fn what_cannot_be_kept_is_asked_for_once_more_with_what_was_wrong() {
    static TURN: AtomicUsize = AtomicUsize::new(0);
    let server = serve("/v1/chat/completions", |_| {
        let long = "tea ".repeat(100);
        let text = if TURN.fetch_add(1, Ordering::Relaxed) == 0 { &long } else { "Tea." };
        let version = json!({ "text": text, "hashtags": ["tea"], "imagePrompt": "a cup" });
        chat(&json!({ "TWITTER": version }).to_string())
    })
    .await;
    let written = versions::write(&server.model(Dialect::OpenAi), &BRIEF, |_, _| ()).await.unwrap();
    assert_eq!((written.versions[0].text.as_str(), written.asks), ("Tea.", 2));
    assert_eq!(written.usage, Usage { input_tokens: 20, output_tokens: 10 }, "both asks are paid");
    let (_, body) = server.asked();
    let said = body["messages"][3]["content"].as_str().unwrap();
    assert!(said.contains("TWITTER.text") && said.contains("280"), "{said}");
}

#[tokio::test]
async fn what_is_still_wrong_after_the_second_ask_is_refused_with_the_reason() {
    let server = serve("/v1/chat/completions", |_| chat("Here you are: tea!")).await;
    let unwritten =
        versions::write(&server.model(Dialect::OpenAi), &BRIEF, |_, _| ()).await.unwrap_err();
    assert_eq!(unwritten.usage, Usage { input_tokens: 20, output_tokens: 10 });
    assert_eq!((unwritten.error.class(), unwritten.asks), (ErrorClass::Permanent, 2));
    assert!(unwritten.to_string().contains("not JSON"), "{unwritten}");
    assert_eq!(server.asked.lock().unwrap().len(), 2);
    let server = serve("/v1/chat/completions", |_| chat("{\"TWITTER\":{}}")).await;
    let unwritten =
        versions::write(&server.model(Dialect::OpenAi), &BRIEF, |_, _| ()).await.unwrap_err();
    assert!(unwritten.to_string().contains("TWITTER: missing field `text`"), "{unwritten}");
}

#[tokio::test]
async fn an_image_comes_as_text_or_from_an_address() {
    let prompt = ImageAsk { prompt: "a cat", size: "1024x1024" };
    let server = serve("/v1/images/generations", |_| {
        Json(json!({ "data": [{ "b64_json": "YSBjYXQ=" }], "usage": { "input_tokens": 3, "output_tokens": 9 } }))
            .into_response()
    })
    .await;
    let image = server.model(Dialect::OpenAi).image(&prompt).await.unwrap();
    assert_eq!((&image.bytes[..], image.usage.output_tokens), (&b"a cat"[..], 9));
    assert_eq!(server.asked().1["prompt"], "a cat");
    let server = serve("/v1/images/generations", |own| {
        let url = format!("{own}/image.png");
        Json(json!({ "data": [{ "url": url, "revised_prompt": "a small cat" }] })).into_response()
    })
    .await;
    let image = server.model(Dialect::OpenAi).image(&prompt).await.unwrap();
    assert_eq!(&image.bytes[..], b"an image");
    assert_eq!(image.revised_prompt.as_deref(), Some("a small cat"));
    let refused = server.model(Dialect::Anthropic).image(&prompt).await.unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Config);
}
