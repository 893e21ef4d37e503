//! A simulator, its two model interfaces, and the comparison with their descriptions.

use fleet_tests::contract::{Contract, folder};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use simulator::{Client, Note, Running};

/// A description's schema by name; absence is said.
fn schema(file: &str, name: &str) -> Option<Contract> {
    let path = folder().join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        #[expect(clippy::print_stderr, reason = "a skipped comparison must be seen")]
        {
            eprintln!("skipped: no {} (see EZRE_CONTRACTS)", path.display());
        }
        return None;
    };
    let mut document: Value = serde_json::from_str(&text).unwrap();
    let reference = json!({ "$ref": format!("#/components/schemas/{name}") });
    let content = json!({ "application/json": { "schema": reference } });
    document["paths"] =
        json!({ "/it": { "get": { "responses": { "200": { "content": content } } } } });
    Some(Contract::new(&document))
}

/// Holds a value to a schema of OpenAI's description.
pub(crate) fn openai(name: &str, value: &Value) {
    hold("openai/openapi.trimmed.json", name, value);
}

/// Holds a value to a schema of Anthropic's description.
pub(crate) fn anthropic(name: &str, value: &Value) {
    hold("anthropic/openapi.trimmed.json", name, value);
}

fn hold(file: &str, name: &str, value: &Value) {
    let Some(contract) = schema(file, name) else { return };
    let complaints = contract.answer("GET", "/it", 200, value);
    assert!(complaints.is_empty(), "{name}: {complaints:?} {value}");
}

/// The schema of posts that the tests ask for.
pub(crate) fn posts() -> Value {
    json!({
        "type": "object", "additionalProperties": false, "required": ["posts"],
        "properties": { "posts": { "type": "array", "minItems": 1, "items": {
            "type": "object", "additionalProperties": false,
            "required": ["platform", "text", "hashtags"],
            "properties": {
                "platform": { "type": "string", "enum": ["TWITTER", "BLUESKY"] },
                "text": { "type": "string", "maxLength": 100 },
                "hashtags": { "type": "array", "items": { "type": "string" } },
            },
        } } },
    })
}

/// Holds a model's output to [`posts`].
pub(crate) fn hold_posts(value: &Value) {
    let content = json!({ "application/json": { "schema": posts() } });
    let paths = json!({ "/it": { "get": { "responses": { "200": { "content": content } } } } });
    let contract = Contract::new(&json!({ "paths": paths, "components": {} }));
    let complaints = contract.answer("GET", "/it", 200, value);
    assert!(complaints.is_empty(), "{complaints:?} {value}");
    let text = value["posts"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("winter sale"), "{text}");
}

pub(crate) struct Stage {
    pub(crate) running: Running,
    pub(crate) control: Client,
    http: reqwest::Client,
}

#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answered {
    pub(crate) fn body(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// The data of the events of a stream.
    pub(crate) fn events(&self) -> Vec<Value> {
        let lines = self.text.lines().filter_map(|line| line.strip_prefix("data: "));
        lines.filter_map(|data| serde_json::from_str(data).ok()).collect()
    }
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let running = Running::start().await.unwrap();
        let control = running.client();
        control.register_key("sk-secret", "fleet").await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { running, control, http }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.running.base_url())
    }

    pub(crate) async fn get(&self, path: &str, header: (&str, &str)) -> reqwest::Response {
        self.http.get(self.url(path)).header(header.0, header.1).send().await.unwrap()
    }

    pub(crate) async fn try_chat(&self, path: &str, body: &Value) -> reqwest::Result<Answered> {
        let request = self.http.post(self.url(path)).json(body);
        let request = match path {
            "/v1/messages" => {
                request.header("x-api-key", "sk-secret").header("anthropic-version", "2023-06-01")
            }
            _ => request.bearer_auth("sk-secret"),
        };
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answered { status, headers, text: response.text().await? })
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answered {
        self.try_chat(path, body).await.unwrap()
    }

    /// The note of the last request.
    pub(crate) async fn note(&self) -> Note {
        let entry = self.control.journal(0).await.unwrap().pop().unwrap();
        assert!(!serde_json::to_string(&entry).unwrap().contains("sk-secret"));
        entry.note.unwrap()
    }
}
