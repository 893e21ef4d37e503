//! `content.generate`: Lets a language model write versions of content, one for each network.

use platforms::Platform;
use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{
    Caller, ContentRequestId, ContentVersionId, JobKind, Kind, Problem, Queue, Retry, Scope, Spec,
    prose,
};

/// Longest brief, in characters.
const BRIEF_MAX: usize = 10_000;
/// Longest description of a tone, in characters.
pub(super) const TONE_MAX: usize = 200;
/// Longest name of a language, in characters.
pub(super) const LANGUAGE_MAX: usize = 50;
/// Longest name of a model, in characters.
const MODEL_MAX: usize = 200;

/// Arguments of `content.generate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GenerateContent {
    /// What the content is about, in a line; the first line of the brief when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 300)]
    pub title: Option<String>,
    /// What to write about, at most 10000 characters.
    #[schema(max_length = 10000)]
    pub brief: String,
    /// The networks to write for, each once.
    #[schema(min_items = 1)]
    pub platforms: Vec<Platform>,
    /// How it shall sound; as the organization says when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub tone: Option<String>,
    /// The language, by its name or its BCP 47 tag; the organization's when absent, or that of the
    /// brief.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 50)]
    pub language: Option<String>,
    /// One of the fleet's language models; its first one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// What `content.generate` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GeneratedContent {
    /// The request, which waits for review now.
    pub content_request_id: ContentRequestId,
    /// The versions, in the order of the networks.
    pub content_version_ids: Vec<ContentVersionId>,
    /// The model that wrote them.
    pub model: String,
    /// How often it was asked in this run.
    pub asks: u32,
    /// Tokens that it read in this run.
    pub input_tokens: u64,
    /// Tokens that it wrote in this run.
    pub output_tokens: u64,
    /// What this run cost, in millionths of a dollar.
    pub cost_microdollars: u64,
}

impl JobKind for GenerateContent {
    const KIND: Kind = Kind::GenerateContent;
    const SPEC: Spec = Spec {
        summary: "Lets a language model write versions of content, one for each network.",
        args_version: 1,
        queue: Queue::Generate,
        caller: Caller::Organization(Scope::ContentWrite),
        retry: MODEL_RETRY,
        timeout: Duration::from_secs(600),
        secrets: &[],
    };
    type Output = GeneratedContent;

    fn check(&self) -> Result<(), Problem> {
        if let Some(title) = &self.title {
            prose::check_line("title", title, 300)?;
        }
        prose::check("brief", &self.brief, BRIEF_MAX)?;
        if self.platforms.is_empty() {
            return Err(Problem::argument("platforms", "expected at least one network"));
        }
        for (index, platform) in self.platforms.iter().enumerate() {
            if self.platforms[..index].contains(platform) {
                let field = format!("platforms[{index}]");
                let message = format!("{platform} is there already: expected each network once");
                return Err(Problem::argument(&field, message));
            }
        }
        if let Some(tone) = &self.tone {
            prose::check_line("tone", tone, TONE_MAX)?;
        }
        if let Some(language) = &self.language {
            prose::check_line("language", language, LANGUAGE_MAX)?;
        }
        check_model(self.model.as_deref())
    }
}

/// An attempt at a model may cost money: few of them, and with time between them.
pub(super) const MODEL_RETRY: Retry =
    Retry { max_attempts: 5, base: Duration::from_secs(2), cap: Duration::from_secs(60) };

pub(super) fn check_model(model: Option<&str>) -> Result<(), Problem> {
    model.map_or(Ok(()), |model| prose::check_line("model", model, MODEL_MAX))
}

/// The fleet has no model of this name.
pub fn unknown_model<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Problem {
    let known: Vec<&str> = known.into_iter().collect();
    let message = format!("unknown model {name:?}: expected one of {}", known.join(", "));
    Problem::argument("model", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> GenerateContent {
        GenerateContent {
            title: None,
            brief: "Our new tea".to_owned(),
            platforms: vec![Platform::Twitter],
            tone: None,
            language: None,
            model: None,
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(args().check(), Ok(()));
        let text = |text: &str| Some(text.to_owned());
        for (wrong, field) in [
            (GenerateContent { brief: "\t".into(), ..args() }, "args.brief"),
            (GenerateContent { brief: "a".repeat(BRIEF_MAX + 1), ..args() }, "args.brief"),
            (GenerateContent { brief: "a\u{7}".into(), ..args() }, "args.brief"),
            (GenerateContent { platforms: vec![], ..args() }, "args.platforms"),
            (
                GenerateContent { platforms: vec![Platform::Twitter; 2], ..args() },
                "args.platforms[1]",
            ),
            (GenerateContent { title: text("a\nb"), ..args() }, "args.title"),
            (GenerateContent { tone: text(" "), ..args() }, "args.tone"),
            (GenerateContent { language: text(&"a".repeat(51)), ..args() }, "args.language"),
            (GenerateContent { model: text(""), ..args() }, "args.model"),
        ] {
            let problem = wrong.check().expect_err(field);
            assert_eq!(problem.field.as_deref(), Some(field));
        }
    }
}
