//! `media.generate`: Lets an image model make an image and attaches it to a content version.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use super::generate_content::{MODEL_RETRY, check_model};
use crate::{
    AttachmentId, Caller, ContentVersionId, JobKind, Kind, Problem, Queue, Scope, Spec, prose,
};

/// Longest prompt, in characters.
const PROMPT_MAX: usize = 4_000;
/// Longest description, in characters.
const ALT_TEXT_MAX: usize = 1_000;

/// Arguments of `media.generate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GenerateMedia {
    /// The version that the image shall go with.
    pub content_version_id: ContentVersionId,
    /// What the image shows, at most 4000 characters; what the version suggests when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4000)]
    pub prompt: Option<String>,
    /// Its size in pixels, as the model's provider spells it.
    #[serde(default = "square")]
    #[schema(example = "1024x1024")]
    pub size: String,
    /// Description for people who do not see the image, at most 1000 characters; the prompt when
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1000)]
    pub alt_text: Option<String>,
    /// One of the fleet's image models; its first one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// What `media.generate` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GeneratedMedia {
    /// The attachment.
    pub media_attachment_id: AttachmentId,
    /// Pixels across.
    pub width: Option<u32>,
    /// Pixels down.
    pub height: Option<u32>,
    /// The model that made it.
    pub model: String,
}

impl JobKind for GenerateMedia {
    const KIND: Kind = Kind::GenerateMedia;
    const SPEC: Spec = Spec {
        summary: "Lets an image model make an image and attaches it to a content version.",
        args_version: 1,
        queue: Queue::Generate,
        caller: Caller::Organization(Scope::ContentWrite),
        retry: MODEL_RETRY,
        timeout: Duration::from_secs(600),
        secrets: &[],
    };
    type Output = GeneratedMedia;

    fn check(&self) -> Result<(), Problem> {
        if let Some(prompt) = &self.prompt {
            prose::check("prompt", prompt, PROMPT_MAX)?;
        }
        if !is_size(&self.size) {
            let message = "expected pixels across and down such as 1024x1024, or auto";
            return Err(Problem::argument("size", message));
        }
        if let Some(text) = &self.alt_text {
            prose::check("altText", text, ALT_TEXT_MAX)?;
        }
        check_model(self.model.as_deref())
    }
}

fn square() -> String {
    "1024x1024".to_owned()
}

fn is_size(size: &str) -> bool {
    let side = |side: &str| {
        (2..=4).contains(&side.len()) && side.bytes().all(|digit| digit.is_ascii_digit())
    };
    size == "auto"
        || size.split_once('x').is_some_and(|(width, height)| side(width) && side(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_two_numbers_of_pixels() {
        for right in ["1024x1024", "1792x1024", "auto"] {
            assert!(is_size(right), "{right}");
        }
        for wrong in ["", "large", "1024", "1024x", "1x1", "10240x1024", "1024X1024", "-10x10"] {
            assert!(!is_size(wrong), "{wrong}");
        }
    }
}
