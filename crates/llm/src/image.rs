//! Images from a prompt.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::StreamExt;
use serde_json::{Value, json};

use crate::ask::Usage;
use crate::error::Error;
use crate::model::{Dialect, Model, lost};
use platforms::ErrorClass;

/// What image is wanted.
#[derive(Clone, Debug)]
pub struct ImageAsk<'a> {
    /// What it shows.
    pub prompt: &'a str,
    /// Its size in pixels, as the provider spells it: `1024x1024`.
    pub size: &'a str,
}

/// An image.
#[derive(Clone, Debug)]
pub struct Image {
    /// The file: PNG unless the model makes others.
    pub bytes: Bytes,
    /// What the model made of the prompt, where it says so.
    pub revised_prompt: Option<String>,
    /// What it cost, where that is counted in tokens.
    pub usage: Usage,
}

/// The most that is read of an image, in bytes.
const MOST: usize = 32 * 1024 * 1024;

pub(crate) async fn make(model: &Model, ask: &ImageAsk<'_>) -> Result<Image, Error> {
    if model.dialect() == Dialect::Anthropic {
        return Err(Error::refused(ErrorClass::Config, "this provider makes no images"));
    }
    let body = json!({ "model": model.name(), "prompt": ask.prompt, "size": ask.size, "n": 1 });
    let response = model.send(model.post(&["images", "generations"], &body)).await?;
    let whole: Value = response.json().await.map_err(lost)?;
    let image = &whole["data"][0];
    let count = |name: &str| whole["usage"][name].as_u64().unwrap_or_default();
    let usage =
        Usage { input_tokens: count("input_tokens"), output_tokens: count("output_tokens") };
    let bytes = match (image["b64_json"].as_str(), image["url"].as_str()) {
        (Some(text), _) => {
            STANDARD.decode(text).map(Bytes::from).map_err(|error| Error::Malformed {
                text: String::new(),
                why: format!("the image is not base64: {error}"),
                usage,
            })?
        }
        (None, Some(url)) => fetch(model, url).await?,
        (None, None) => {
            return Err(Error::Unreachable("the answer has no image".to_owned()));
        }
    };
    let revised_prompt = image["revised_prompt"].as_str().map(str::to_owned);
    Ok(Image { bytes, revised_prompt, usage })
}

/// Reads an image from the address that was answered, which lives an hour.
async fn fetch(model: &Model, url: &str) -> Result<Bytes, Error> {
    let response = model.get(url).send().await.map_err(lost)?;
    if !response.status().is_success() {
        return Err(Error::Unreachable(format!("the image answers HTTP {}", response.status())));
    }
    let mut pieces = response.bytes_stream();
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await {
        bytes.extend_from_slice(&piece.map_err(lost)?);
        if bytes.len() > MOST {
            return Err(Error::Unreachable(format!("the image has more than {MOST} bytes")));
        }
    }
    Ok(bytes.into())
}
