//! Language and image models: OpenAI-compatible, and Anthropic's messages, with answers that are
//! the same whenever the same is asked.
//!
//! Source: `openai/openapi.trimmed.json`, `anthropic/openapi.trimmed.json`, `tables/errors.json`
//! and `PLATFORMS.md` section 14, read 2026-11-22. The events of Anthropic's streams are not in
//! the contracts; they are as its clients read them.
//!
//! **Invariant:** a call without a registered key gets nothing; every call leaves a note.

mod anthropic;
mod invent;
mod openai;
mod png;

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::call::{Answer, Call, Payload, Stream};
use crate::fault::Action;
use crate::journal::{Note, Who};

/// A key to be registered, of both makers' interfaces.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewKey {
    /// The key.
    pub key: String,
    /// How journal and faults name its holder.
    pub name: String,
}

impl std::fmt::Debug for NewKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewKey").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How models answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ModelSettings {
    /// How long a text is, in characters, where the schema allows it.
    pub text_chars: usize,
    /// How much of an answer one event of a stream carries, in characters.
    pub piece_chars: usize,
    /// The models that are listed. A model whose name begins with `missing` is never there.
    pub models: Vec<String>,
}

impl Default for ModelSettings {
    fn default() -> Self {
        let models = ["gpt-simulated", "gpt-image-simulated", "claude-simulated"];
        Self { text_chars: 120, piece_chars: 24, models: models.map(str::to_owned).into() }
    }
}

/// The keys, and the images that are told by their address.
#[derive(Default)]
pub(crate) struct Models {
    settings: ModelSettings,
    keys: BTreeMap<String, String>,
    images: BTreeMap<String, Bytes>,
    made: u64,
}

impl std::fmt::Debug for Models {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Models").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// A refusal, by the words of both makers.
struct Refused {
    status: u16,
    /// The word of OpenAI's `code`, and of the journal.
    code: &'static str,
    message: String,
}

/// What a model is asked for, in either interface.
struct Asked {
    model: String,
    /// What the prompt is about.
    topic: String,
    prompt_chars: usize,
    schema: Option<Value>,
    max_tokens: Option<usize>,
}

/// What a model says.
struct Said {
    text: String,
    cut: bool,
    refused: bool,
    input_tokens: usize,
    output_tokens: usize,
}

/// How many tokens so many characters count.
fn tokens(chars: usize) -> usize {
    chars.div_ceil(4)
}

fn is_anthropic(call: &Call) -> bool {
    call.path == "/v1/messages" || call.api_key.is_some()
}

/// Whether a path belongs to models.
pub(crate) fn is_model(path: &str) -> bool {
    path.starts_with("/v1/")
}

/// The answer with an error, in the shape of the interface that was called.
pub(crate) fn error(call: &Call, status: u16) -> Answer {
    let code = if status == 429 { "rate_limit_exceeded" } else { "fault" };
    refusal(call, &Refused { status, code, message: format!("refused with {status}") })
}

/// The answer when no money is left.
pub(crate) fn spend_limit(call: &Call) -> Answer {
    let message = "The spend limit is reached.".to_owned();
    refusal(call, &Refused { status: 429, code: "insufficient_quota", message })
}

fn refusal(call: &Call, refused: &Refused) -> Answer {
    let mut answer =
        if is_anthropic(call) { anthropic::refusal(refused) } else { openai::refusal(refused) };
    answer.note = Some(Note::Model {
        model: call.json_text("model").map(str::to_owned),
        input_tokens: 0,
        output_tokens: 0,
        refused: Some(refused.code.to_owned()),
    });
    answer
}

impl Models {
    pub(crate) fn settings(&self) -> &ModelSettings {
        &self.settings
    }

    pub(crate) fn change(&mut self, settings: ModelSettings) {
        self.settings = settings;
    }

    pub(crate) fn put_key(&mut self, NewKey { key, name }: NewKey) {
        self.keys.insert(key, name);
    }

    /// Whose key a call carries.
    pub(crate) fn owner(&self, call: &Call) -> Option<Who> {
        let key = call.api_key.as_ref().or(call.bearer.as_ref())?;
        let name = self.keys.get(key)?;
        Some(Who { id: name.clone(), username: name.clone() })
    }

    /// Answers a call; a fault may change what the model says.
    pub(crate) fn act(
        &mut self,
        call: &Call,
        fault: Option<&Action>,
        now: DateTime<Utc>,
    ) -> Answer {
        let image = call.path.strip_prefix("/v1/images/files/");
        if let Some(body) = image.and_then(|id| self.images.get(id)) {
            let answer = Answer::json(200, &Value::Null);
            return Answer { content_type: "image/png", body: body.clone(), ..answer };
        }
        match self.operate(call, fault, now) {
            Ok(answer) => answer,
            Err(refused) => refusal(call, &refused),
        }
    }

    fn operate(
        &mut self,
        call: &Call,
        fault: Option<&Action>,
        now: DateTime<Utc>,
    ) -> Result<Answer, Refused> {
        let refuse =
            |status, code, message: &str| Refused { status, code, message: message.into() };
        let anthropic = is_anthropic(call);
        let key = if anthropic { call.api_key.as_ref() } else { call.bearer.as_ref() };
        if key.is_none_or(|key| !self.keys.contains_key(key)) {
            return Err(refuse(401, "invalid_api_key", "The key is missing or not known."));
        }
        if anthropic && call.anthropic_version.is_none() {
            return Err(refuse(400, "invalid_request", "anthropic-version: header is required"));
        }
        if call.method == "GET" && call.path == "/v1/models" {
            let models = &self.settings.models;
            return Ok(if anthropic { anthropic::list(models) } else { openai::list(models) });
        }
        if call.method != "POST" {
            return Err(refuse(404, "not_found", "There is no such address."));
        }
        let Payload::Json(body @ Value::Object(_)) = &call.payload else {
            return Err(refuse(400, "invalid_request", "The body must be a JSON object."));
        };
        if call.json_text("model").is_some_and(|model| model.starts_with("missing")) {
            return Err(refuse(404, "model_not_found", "The model does not exist."));
        }
        self.made += 1;
        let number = self.made;
        match call.path.as_str() {
            "/v1/chat/completions" => {
                let asked = openai::read(body)?;
                let said = self.say(&asked, fault);
                Ok(openai::answer(body, &asked, &said, (number, now), self.settings.piece_chars))
            }
            "/v1/messages" => {
                let asked = anthropic::read(body)?;
                let said = self.say(&asked, fault);
                Ok(anthropic::answer(body, &asked, &said, number, self.settings.piece_chars))
            }
            "/v1/images/generations" => self.images(call, body, fault, (number, now)),
            _ => Err(refuse(404, "not_found", "There is no such address.")),
        }
    }

    fn images(
        &mut self,
        call: &Call,
        body: &Value,
        fault: Option<&Action>,
        (number, now): (u64, DateTime<Utc>),
    ) -> Result<Answer, Refused> {
        let asked = openai::read_image(body)?;
        if matches!(fault, Some(Action::Refusal {})) {
            let (status, code) = (400, "content_policy_violation");
            return Err(Refused { status, code, message: "The image is refused.".to_owned() });
        }
        let images: Vec<(String, Bytes)> = (0..asked.count)
            .map(|at| {
                let id = format!("image-{number}-{at}.png");
                (id, Bytes::from(png::plain(&format!("{} {at}", asked.prompt), asked.size)))
            })
            .collect();
        let host = call.host.as_deref().unwrap_or("localhost");
        let answer = openai::image_answer(&asked, &images, host, now);
        self.images.extend(images);
        Ok(answer)
    }

    /// What the model says, and what a fault makes of it.
    fn say(&self, asked: &Asked, fault: Option<&Action>) -> Said {
        let input_tokens = tokens(asked.prompt_chars);
        let done = |text: String, cut, refused| Said {
            output_tokens: tokens(text.chars().count()),
            text,
            cut,
            refused,
            input_tokens,
        };
        if matches!(fault, Some(Action::Refusal {})) {
            return done("I cannot help with that.".to_owned(), false, true);
        }
        let forced = match fault {
            Some(Action::LongOutput { chars }) => Some(*chars),
            _ => None,
        };
        let length = invent::Length { wanted: self.settings.text_chars, forced };
        let mut text = match &asked.schema {
            Some(schema) => invent::value(schema, &asked.topic, length).to_string(),
            None => invent::text(&asked.topic, forced.unwrap_or(self.settings.text_chars)),
        };
        if matches!(fault, Some(Action::MalformedOutput {})) {
            let half = text.chars().count() / 2;
            return done(text.chars().take(half).collect(), false, false);
        }
        let max = asked.max_tokens.unwrap_or(usize::MAX);
        let cut = tokens(text.chars().count()) > max;
        if cut {
            text = text.chars().take(max.saturating_mul(4)).collect();
        }
        done(text, cut, false)
    }
}

/// The pieces of a text, for a stream.
fn pieces(text: &str, length: usize) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(length.max(1)).map(|piece| piece.iter().collect()).collect()
}

/// An answer that comes in events.
fn streamed(events: Vec<String>) -> Answer {
    let pieces = events.into_iter().map(Bytes::from).collect();
    let answer = Answer::json(200, &Value::Null);
    let stream = Some(Stream { pieces, ..Stream::default() });
    Answer {
        content_type: "text/event-stream; charset=utf-8",
        body: Bytes::new(),
        stream,
        ..answer
    }
}

/// The note of an answer.
fn note(asked: &Asked, said: &Said) -> Option<Note> {
    Some(Note::Model {
        model: Some(asked.model.clone()),
        input_tokens: said.input_tokens as u64,
        output_tokens: said.output_tokens as u64,
        refused: said.refused.then(|| "refusal".to_owned()),
    })
}

/// The text of a message's content: a string, or the texts among its parts.
fn content(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts = parts.iter().filter_map(|part| part["text"].as_str());
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

/// What a conversation is about: the line `Topic: …` of its last user message, the first text where the
/// message is a JSON object, or all of it.
fn topic(messages: &[Value]) -> String {
    let last = messages.iter().rev().find(|message| message["role"] == "user");
    let text = last.map(|message| content(&message["content"])).unwrap_or_default();
    let line = text.lines().find_map(|line| {
        let (head, rest) = line.split_once(':')?;
        head.trim().eq_ignore_ascii_case("topic").then(|| rest.trim().to_owned())
    });
    let first = || match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(fields)) => {
            fields.values().find_map(|field| field.as_str().map(str::to_owned))
        }
        _ => None,
    };
    let words = line.or_else(first).unwrap_or(text);
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().take(80).collect()
}

/// The messages of a body.
fn messages(body: &Value) -> Result<&Vec<Value>, Refused> {
    let bad = |message: &str| Refused {
        status: 400,
        code: "invalid_request",
        message: message.to_owned(),
    };
    if !body["model"].is_string() {
        return Err(bad("model: must be a string"));
    }
    let messages = body["messages"].as_array().filter(|messages| !messages.is_empty());
    let messages = messages.ok_or_else(|| bad("messages: must be a list with an entry"))?;
    if messages.iter().any(|message| !message["role"].is_string()) {
        return Err(bad("messages: every entry needs a role"));
    }
    Ok(messages)
}
