//! How the text of each shape is read.
//!
//! Stands between the table of variables and the typed fields of a configuration.
//!
//! **Invariant:** what is said to be wrong never repeats the text that was read.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::SecretString;
use tracing_subscriber::EnvFilter;
use url::Url;

use super::Shape;

/// Continues a sentence that begins with the variable's name.
pub(crate) type Wrong = String;

/// How one shape is read.
pub(crate) type Parse<T> = fn(Shape, &str) -> Result<T, Wrong>;

/// The queues there are, as the shape [`Shape::Queues`] names them.
const QUEUES: [&str; 8] = [
    "control",
    "interactive",
    "publish",
    "generate",
    "connect",
    "poll",
    "aggregate",
    "maintenance",
];

pub(crate) fn whole_number(shape: Shape, text: &str) -> Result<u64, Wrong> {
    let (Shape::Millis { min, max } | Shape::Bytes { min, max } | Shape::Count { min, max, .. }) =
        shape
    else {
        unreachable!("only numbers are read as numbers; a test reads every example");
    };
    let number: u64 = text.parse().map_err(|_| "is not a whole number".to_owned())?;
    if (min..=max).contains(&number) {
        return Ok(number);
    }
    Err(if number < min { "is too small" } else { "is too large" }.to_owned())
}

pub(crate) fn count(shape: Shape, text: &str) -> Result<u32, Wrong> {
    u32::try_from(whole_number(shape, text)?).map_err(|_| "is too large".to_owned())
}

pub(crate) fn bytes(shape: Shape, text: &str) -> Result<usize, Wrong> {
    usize::try_from(whole_number(shape, text)?).map_err(|_| "is too large".to_owned())
}

pub(crate) fn millis(shape: Shape, text: &str) -> Result<Duration, Wrong> {
    whole_number(shape, text).map(Duration::from_millis)
}

pub(crate) fn flag(_: Shape, text: &str) -> Result<bool, Wrong> {
    text.parse().map_err(|_| "is neither `true` nor `false`".to_owned())
}

pub(crate) fn address(_: Shape, text: &str) -> Result<SocketAddr, Wrong> {
    text.parse().map_err(|_| "is not an IP address with a port".to_owned())
}

pub(crate) fn secret(_: Shape, text: &str) -> Result<SecretString, Wrong> {
    Ok(text.into())
}

pub(crate) fn secrets(_: Shape, text: &str) -> Result<Vec<SecretString>, Wrong> {
    let secrets = text.split(',').map(str::trim).enumerate().map(|(index, secret)| {
        if secret.len() < 16 {
            return Err(format!("is too short (secret {})", index + 1));
        }
        Ok(secret.into())
    });
    secrets.collect()
}

pub(crate) fn text(_: Shape, text: &str) -> Result<String, Wrong> {
    Ok(text.to_owned())
}

pub(crate) fn name(_: Shape, text: &str) -> Result<String, Wrong> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
    if let Some(odd) = text.chars().find(|&c| !fits(c)) {
        return Err(format!("contains {odd:?}"));
    }
    if text.len() > 100 { Err("is too long".to_owned()) } else { Ok(text.to_owned()) }
}

fn url(text: &str, schemes: &[&str]) -> Result<Url, Wrong> {
    let url = Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
    if !schemes.contains(&url.scheme()) {
        return Err(format!("does not begin with `{}://`", schemes.join("://` or `")));
    }
    Ok(url)
}

pub(crate) fn http_url(_: Shape, text: &str) -> Result<Url, Wrong> {
    url(text, &["https", "http"])
}

pub(crate) fn http_urls(shape: Shape, text: &str) -> Result<Vec<Url>, Wrong> {
    let urls = text.split(',').enumerate().map(|(index, text)| {
        http_url(shape, text.trim()).map_err(|wrong| format!("{wrong} (URL {})", index + 1))
    });
    urls.collect()
}

pub(crate) fn postgres_url(_: Shape, text: &str) -> Result<SecretString, Wrong> {
    let url = url(text, &["postgres", "postgresql"])?;
    if url.path().trim_matches('/').is_empty() {
        return Err("names no database".to_owned());
    }
    Ok(text.into())
}

pub(crate) fn redis_url(_: Shape, text: &str) -> Result<SecretString, Wrong> {
    url(text, &["redis", "rediss"]).map(|_| text.into())
}

/// The SHA-256 of a token, to be compared in constant time; `Debug` does not show it.
#[derive(Clone)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The bytes of the hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash")
    }
}

pub(crate) fn sha256(_: Shape, text: &str) -> Result<TokenHash, Wrong> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes)
        .map_err(|_| "is not 64 hexadecimal digits".to_owned())?;
    Ok(TokenHash(bytes))
}

/// Reads the shape of keys only; the crate that uses them reads them for good.
pub(crate) fn keys(_: Shape, text: &str) -> Result<SecretString, Wrong> {
    let base64 = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let mut ids = Vec::new();
    for (index, entry) in text.split(',').map(str::trim).enumerate() {
        let nth = index + 1;
        let (id, key) =
            entry.split_once(':').ok_or_else(|| format!("has no `<id>:` before key {nth}"))?;
        let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if !(1..=32).contains(&id.len()) || !id.bytes().all(fits) {
            return Err(format!("has an id of key {nth} beyond 1 to 32 letters, digits, `-`, `_`"));
        }
        if ids.contains(&id) {
            return Err(format!("gives key {nth} the id of a key before it"));
        }
        ids.push(id);
        match base64.decode(key).map(|bytes| bytes.len()) {
            Ok(32) => {}
            Ok(length) => return Err(format!("has {length} bytes in key {nth} instead of 32")),
            Err(_) => return Err(format!("has a key {nth} that is not base64")),
        }
    }
    Ok(text.into())
}

/// The two kinds of media store, before the variables of S3 are read.
pub(crate) enum Place {
    Local(PathBuf),
    S3(String),
}

pub(crate) fn media_store(_: Shape, text: &str) -> Result<Place, Wrong> {
    match text.split_once(':') {
        Some(("local", folder)) if !folder.is_empty() => Ok(Place::Local(folder.into())),
        Some(("s3", bucket)) if !bucket.is_empty() => Ok(Place::S3(bucket.to_owned())),
        Some(("local", _)) => Err("names no folder".to_owned()),
        Some(("s3", _)) => Err("names no bucket".to_owned()),
        _ => Err("begins with neither `local:` nor `s3:`".to_owned()),
    }
}

/// The slots of one queue in this worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSlots {
    /// The queue's name.
    pub queue: String,
    /// How many of its jobs run at once here.
    pub slots: usize,
}

pub(crate) fn queues(_: Shape, text: &str) -> Result<Vec<QueueSlots>, Wrong> {
    let mut queues: Vec<QueueSlots> = Vec::new();
    for (index, entry) in text.split(',').map(str::trim).enumerate() {
        let nth = index + 1;
        let (queue, slots) =
            entry.split_once('=').ok_or_else(|| format!("has no `=` in entry {nth}"))?;
        if !QUEUES.contains(&queue) {
            return Err(format!("names an unknown queue in entry {nth}"));
        }
        if queues.iter().any(|other| other.queue == queue) {
            return Err(format!("names `{queue}` twice"));
        }
        let slots = slots.parse().ok().filter(|slots| (1..=1000).contains(slots));
        let slots = slots.ok_or_else(|| format!("gives `{queue}` no number from 1 to 1000"))?;
        queues.push(QueueSlots { queue: queue.to_owned(), slots });
    }
    Ok(queues)
}

/// How a language model is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI's chat completions.
    OpenAi,
    /// The same as older compatible servers know them.
    OpenAiOlder,
    /// Anthropic's messages.
    Anthropic,
}

pub(crate) fn dialect(_: Shape, text: &str) -> Result<Dialect, Wrong> {
    match text {
        "openai" => Ok(Dialect::OpenAi),
        "openai-older" => Ok(Dialect::OpenAiOlder),
        "anthropic" => Ok(Dialect::Anthropic),
        _ => Err("is none of `openai`, `openai-older` and `anthropic`".to_owned()),
    }
}

/// A model, and what it costs in millionths of a dollar for a million tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricedModel {
    /// Its name at the provider.
    pub name: String,
    /// What is read.
    pub input_price: u64,
    /// What is written.
    pub output_price: u64,
}

pub(crate) fn models(_: Shape, text: &str) -> Result<Vec<PricedModel>, Wrong> {
    let mut models: Vec<PricedModel> = Vec::new();
    for (index, entry) in text.split(',').map(str::trim).enumerate() {
        let nth = index + 1;
        let (name, prices) =
            entry.split_once('=').ok_or_else(|| format!("has no `=` in entry {nth}"))?;
        if !(1..=200).contains(&name.len()) || !name.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(format!("names no model in entry {nth}"));
        }
        if models.iter().any(|other| other.name == name) {
            return Err(format!("names a model twice in entry {nth}"));
        }
        let prices = prices
            .split_once('/')
            .and_then(|(input, output)| Some((input.parse().ok()?, output.parse().ok()?)));
        let (input_price, output_price) =
            prices.ok_or_else(|| format!("has no two prices in entry {nth}"))?;
        models.push(PricedModel { name: name.to_owned(), input_price, output_price });
    }
    Ok(models)
}

pub(crate) fn log_filter(_: Shape, text: &str) -> Result<String, Wrong> {
    EnvFilter::try_new(text).map_err(|_| "is not a filter of log lines".to_owned())?;
    Ok(text.to_owned())
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

pub(crate) fn log_format(_: Shape, text: &str) -> Result<LogFormat, Wrong> {
    match text {
        "json" => Ok(LogFormat::Json),
        "text" => Ok(LogFormat::Text),
        _ => Err("is neither `json` nor `text`".to_owned()),
    }
}
