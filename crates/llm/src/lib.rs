//! Language models and image models: what is asked, what they answer, what it cost.
//!
//! | file | what |
//! | --- | --- |
//! | `ask.rs` | what is asked, and what comes back |
//! | `error.rs` | what can go wrong, sorted into the classes of every network's errors |
//! | `model.rs` | one configured model: where it is, how it is spoken to, what it costs |
//! | `stream.rs` | an answer as it comes, piece by piece |
//! | `openai.rs`, `anthropic.rs` | the two ways to speak |
//! | `image.rs` | images from a prompt |
//! | `versions.rs` | versions of content for networks: asked for, judged, asked for again |
//!
//! Sources: `openai/openapi.trimmed.json` (2.3.0), `anthropic/openapi.trimmed.json`, section 14 of
//! `PLATFORMS.md` and `tables/errors.json` of the contracts, read 2026-11-22.
//!
//! **Invariant:** a key is in no error, no log and no answer; tokens that were spent are told also
//! when the answer is of no use.

mod anthropic;
mod ask;
mod error;
mod image;
mod model;
mod openai;
mod stream;
pub mod versions;

pub use ask::{Answer, Ask, Schema, Turn, Usage, Who};
pub use error::Error;
pub use image::{Image, ImageAsk};
pub use model::{Dialect, Model, Prices, Settings, SetupError};
