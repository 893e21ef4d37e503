//! Answers that fit a JSON schema and quote the topic.
//!
//! **Invariant:** the same schema, topic and length always give the same answer.

use serde_json::{Map, Value};

/// How long texts are, in characters.
#[derive(Clone, Copy)]
pub(super) struct Length {
    pub(super) wanted: usize,
    /// Whatever the schema says.
    pub(super) forced: Option<usize>,
}

const FILLER: &str = " Here is what you should know about it today.";

/// A text of so many characters that begins with the topic.
pub(super) fn text(topic: &str, chars: usize) -> String {
    topic.chars().chain(".".chars()).chain(FILLER.chars().cycle()).take(chars).collect()
}

/// A value that fits the schema.
pub(super) fn value(schema: &Value, topic: &str, length: Length) -> Value {
    Inventor { root: schema, topic, length }.fill(schema, "", 0)
}

struct Inventor<'a> {
    root: &'a Value,
    topic: &'a str,
    length: Length,
}

impl Inventor<'_> {
    /// `at` tells entries of a list apart.
    fn fill(&self, schema: &Value, name: &str, at: usize) -> Value {
        if let Some(pointer) = schema["$ref"].as_str() {
            let found = self.root.pointer(pointer.trim_start_matches('#'));
            return found.map_or(Value::Null, |schema| self.fill(schema, name, at));
        }
        if let Some(only) = schema.get("const") {
            return only.clone();
        }
        if let Some(words) = schema["enum"].as_array().filter(|words| !words.is_empty()) {
            return words[at % words.len()].clone();
        }
        for word in ["anyOf", "oneOf", "allOf"] {
            if let Some(ways) = schema[word].as_array() {
                let way = ways.iter().find(|way| way["type"] != "null");
                return way.map_or(Value::Null, |way| self.fill(way, name, at));
            }
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null"),
            kind => Some(kind),
        };
        let whole = |word: &str| schema[word].as_u64().map(|number| number as usize);
        match kind.and_then(Value::as_str) {
            Some("string") => {
                let most = whole("maxLength").unwrap_or(usize::MAX);
                let least = whole("minLength").unwrap_or_default();
                let chars = self.length.wanted.clamp(least.min(most), most);
                let chars = self.length.forced.unwrap_or(chars);
                Value::from(self.words(name, at, chars))
            }
            Some("integer" | "number") => {
                schema.get("minimum").or(schema.get("maximum")).cloned().unwrap_or(1.into())
            }
            Some("boolean") => Value::Bool(true),
            Some("null") => Value::Null,
            Some("array") => {
                let most = whole("maxItems").unwrap_or(usize::MAX);
                let count = whole("minItems").unwrap_or_default().max(2).min(most);
                (0..count).map(|at| self.fill(&schema["items"], name, at)).collect()
            }
            _ => {
                let fields = schema["properties"].as_object().into_iter().flatten();
                let fields = fields.map(|(name, field)| (name.clone(), self.fill(field, name, at)));
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }

    fn words(&self, name: &str, at: usize, chars: usize) -> String {
        if name.to_ascii_lowercase().contains("hashtag") && self.length.forced.is_none() {
            let mut words =
                self.topic.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty());
            let word = words.clone().nth(at).or_else(|| words.next()).unwrap_or("news");
            return if at == 0 { word.to_owned() } else { format!("{word}{at}") };
        }
        match at {
            0 => text(self.topic, chars),
            at => text(&format!("{} ({at})", self.topic), chars),
        }
    }
}
