//! What is asked of a model, and what comes back.

use serde_json::Value;

/// One ask: a conversation that shall go on with JSON of a given shape.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// What the model is to be and to do; ours alone, never a user's words.
    pub system: &'a str,
    /// What was said so far; the last turn is the user's.
    pub turns: &'a [Turn],
    /// The shape of the answer.
    pub schema: &'a Schema,
    /// At most so many tokens of answer.
    pub max_tokens: u32,
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Who speaks.
    pub who: Who,
    /// What is said.
    pub text: String,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Whoever asks.
    User,
    /// The model.
    Model,
}

impl Who {
    pub(crate) const fn role(self) -> &'static str {
        match self {
            Who::User => "user",
            Who::Model => "assistant",
        }
    }
}

/// The shape of an answer.
#[derive(Clone, Debug)]
pub struct Schema {
    /// At most 64 characters of `A-Za-z0-9_-`.
    pub name: String,
    /// JSON Schema. Strict providers want every object closed and every property required.
    pub schema: Value,
}

/// Tokens that an ask has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens read, those from a cache included.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, more: Usage) {
        self.input_tokens += more.input_tokens;
        self.output_tokens += more.output_tokens;
    }
}

/// An answer that is JSON. Whether it keeps to the schema, and to our own rules, is for the caller to
/// see: not every provider holds a model to it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The JSON.
    pub value: Value,
    /// As the model wrote it.
    pub text: String,
    /// What it cost.
    pub usage: Usage,
    /// The model that answered, as the provider names it.
    pub model: String,
}
