//! Content as a network's rules see it, and what a rule may say of it.
//!
//! **Invariant:** a violation names the field and what would be right.

use serde::Serialize;

/// One piece of content, ready to be checked against a network's rules.
#[derive(Clone, Debug)]
pub struct Content<'a> {
    /// The text as the person wrote it.
    pub text: &'a str,
    /// The attachments, in the order in which they are shown.
    pub media: &'a [MediaFacts],
}

/// What is known of one attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaFacts {
    /// MIME type found by looking at the bytes.
    pub mime: String,
    /// Length in bytes.
    pub size_bytes: u64,
    /// Width in pixels, where known.
    pub width: Option<u32>,
    /// Height in pixels, where known.
    pub height: Option<u32>,
}

/// One way in which content breaks a network's rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// `text` or `media[0]`, `media[1]`, …
    pub field: String,
    /// A stable word: `text_too_long`, `text_empty`, `text_invalid`, `media_type`, `media_too_large`,
    /// `media_too_many`, `media_mixed`, …
    pub code: &'static str,
    /// What is wrong and what would be right, for a person.
    pub message: String,
}
