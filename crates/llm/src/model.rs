//! One configured model: where it is, how it is spoken to, what it costs.

use reqwest::{Client, RequestBuilder, Response, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::time::Duration;
use url::Url;

use crate::ask::{Answer, Ask, Usage};
use crate::error::Error;
use crate::image::{Image, ImageAsk};
use crate::{anthropic, openai};

/// How a provider is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI's chat completions with `json_schema` and `max_completion_tokens`.
    OpenAi,
    /// The same as many compatible servers know it: `json_object`, `max_tokens`; the schema is told in
    /// words.
    OpenAiOlder,
    /// Anthropic's messages.
    Anthropic,
}

/// Micro-dollars for a million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    /// Of what is read.
    pub input: u64,
    /// Of what is written.
    pub output: u64,
}

impl Prices {
    /// What so many tokens cost, in micro-dollars, rounded up.
    pub fn cost(self, usage: Usage) -> u64 {
        let parts = self.input.saturating_mul(usage.input_tokens);
        let parts = parts.saturating_add(self.output.saturating_mul(usage.output_tokens));
        parts.div_ceil(1_000_000)
    }
}

/// What a model needs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How it is spoken to.
    pub dialect: Dialect,
    /// Where it is, with the version: `https://api.openai.com/v1`.
    pub base_url: Url,
    /// The key; local servers need none.
    pub key: Option<SecretString>,
    /// Its name there.
    pub model: String,
    /// What it costs.
    pub prices: Prices,
    /// How long may pass until the answer begins, and between two pieces of it.
    pub silence: Duration,
}

/// The model cannot be spoken to.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The base URL is not one of HTTP or HTTPS.
    #[error("not an http or https base URL: {0}")]
    BaseUrl(Url),
    /// The HTTP client could not be set up.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
}

/// A model that can be asked.
#[derive(Clone, Debug)]
pub struct Model {
    settings: Settings,
    client: Client,
}

const CONNECT: Duration = Duration::from_secs(10);

impl Model {
    /// A model with its settings.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn new(settings: Settings) -> Result<Self, SetupError> {
        let url = &settings.base_url;
        if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
            return Err(SetupError::BaseUrl(url.clone()));
        }
        let builder = Client::builder()
            .user_agent(concat!("ezre-fleet/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .read_timeout(settings.silence)
            .redirect(redirect::Policy::none())
            .referer(false);
        let builder = if is_loopback(url) { builder.no_proxy() } else { builder };
        let client = builder.build().map_err(SetupError::Client)?;
        Ok(Model { settings, client })
    }

    /// Its name at the provider.
    pub fn name(&self) -> &str {
        &self.settings.model
    }

    /// What it costs.
    pub fn prices(&self) -> Prices {
        self.settings.prices
    }

    /// Asks, and tells `heard` after each piece how many characters have come.
    ///
    /// # Errors
    /// [`Error`], with what it cost.
    pub async fn ask(
        &self,
        ask: &Ask<'_>,
        heard: impl FnMut(usize) + Send,
    ) -> Result<Answer, Error> {
        match self.settings.dialect {
            Dialect::OpenAi => openai::ask(self, ask, true, heard).await,
            Dialect::OpenAiOlder => openai::ask(self, ask, false, heard).await,
            Dialect::Anthropic => anthropic::ask(self, ask, heard).await,
        }
    }

    /// Makes an image.
    ///
    /// # Errors
    /// [`Error`]; refused as configuration where the provider makes none.
    pub async fn image(&self, ask: &ImageAsk<'_>) -> Result<Image, Error> {
        crate::image::make(self, ask).await
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.settings.dialect
    }

    /// A request to a path below the base URL, with the key.
    pub(crate) fn post(&self, path: &[&str], body: &Value) -> RequestBuilder {
        let mut url = self.settings.base_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let request = self.client.post(url).json(body);
        match (&self.settings.key, self.settings.dialect) {
            (None, _) => request,
            (Some(key), Dialect::OpenAi | Dialect::OpenAiOlder) => {
                request.bearer_auth(key.expose_secret())
            }
            (Some(key), Dialect::Anthropic) => request.header("x-api-key", key.expose_secret()),
        }
    }

    /// Fetches what an answer points at.
    pub(crate) fn get(&self, url: &str) -> RequestBuilder {
        self.client.get(url)
    }

    /// Sends a request; what is no success is told without the key.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response, Error> {
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let headers = response.headers().clone();
        let body = response.bytes().await.map_err(lost)?;
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let refused = match self.settings.dialect {
            Dialect::OpenAi | Dialect::OpenAiOlder => {
                openai::refusal(status.as_u16(), &headers, &body)
            }
            Dialect::Anthropic => anthropic::refusal(status.as_u16(), &headers, &body),
        };
        Err(self.without_key(refused))
    }

    /// Providers like to repeat a key that they do not know.
    fn without_key(&self, mut error: Error) -> Error {
        if let (Error::Refused { message, .. }, Some(key)) = (&mut error, &self.settings.key)
            && !key.expose_secret().is_empty()
        {
            *message = message.replace(key.expose_secret(), "[key]");
        }
        error
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// Without the URL: it may be somebody's own.
pub(crate) fn lost(error: reqwest::Error) -> Error {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    Error::Unreachable(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_rounded_up() {
        let prices = Prices { input: 2_500_000, output: 10_000_000 };
        assert_eq!(prices.cost(Usage { input_tokens: 1_000, output_tokens: 100 }), 3_500);
        assert_eq!(prices.cost(Usage { input_tokens: 0, output_tokens: 0 }), 0);
        assert_eq!(
            Prices { input: 1, output: 0 }.cost(Usage { input_tokens: 1, output_tokens: 0 }),
            1
        );
    }
}
