//! How long X counts a text to be, and whether X takes its characters.
//!
//! Counting as twitter-text does with its configuration 3: the text is normalised to NFC; a link
//! counts 23 and an emoji sequence 2; of the rest, the ranges below count 1 and all others 2.
//! Counted here because the one crate for it (`twitter-text` 0.3.1) misses links without a scheme
//! and needs a C++ library at run time.
//!
//! Source: `text/length-vectors.json` of the contracts (`x_config_v3`), read 2026-11-22.
//!
//! **Invariant:** every length vector of the contracts is counted as it says.

use unicode_normalization::UnicodeNormalization;

use super::emoji::leading_emoji;
use super::links::{is_punctuation, is_space, links};
use super::{LINK_LENGTH, TEXT_MAX};

/// Ranges of characters that weigh one; every other character weighs two.
const LIGHT: [(u32, u32); 4] = [(0, 4351), (8192, 8205), (8208, 8223), (8242, 8247)];

/// What an emoji sequence counts.
const EMOJI_WEIGHT: u32 = 2;

/// What X counts and thinks of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measure {
    /// Length in weighted characters, to be compared with [`TEXT_MAX`].
    pub weighted_length: u32,
    /// The first character that X never takes.
    pub invalid_character: Option<char>,
}

impl Measure {
    /// Whether X takes the text as that of a post without attachments.
    pub fn is_valid(&self) -> bool {
        self.invalid_character.is_none() && (1..=TEXT_MAX).contains(&self.weighted_length)
    }

    /// Thousandths of the allowed length, for a progress ring.
    pub fn permillage(&self) -> u32 {
        self.weighted_length.saturating_mul(1000) / TEXT_MAX
    }
}

/// Measures a text as X does.
pub fn measure(text: &str) -> Measure {
    let text: String = text.nfc().collect();
    let mut links = links(&text).into_iter().peekable();
    let mut weighted_length = 0u32;
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let (weight, length) = if let Some(link) = links.next_if(|link| link.start == at) {
            (LINK_LENGTH, link.len())
        } else if let Some(length) = leading_emoji(&text[at..]) {
            (EMOJI_WEIGHT, length)
        } else {
            (weight(c), c.len_utf8())
        };
        weighted_length = weighted_length.saturating_add(weight);
        at += length;
    }
    Measure { weighted_length, invalid_character: text.chars().find(|c| is_invalid(*c)) }
}

fn weight(c: char) -> u32 {
    let code = u32::from(c);
    if LIGHT.iter().any(|(from, to)| (*from..=*to).contains(&code)) { 1 } else { 2 }
}

/// Whether X refuses a post because of this character.
pub(super) fn is_invalid(c: char) -> bool {
    matches!(c, '\u{FFFE}' | '\u{FEFF}' | '\u{FFFF}')
}

/// The cashtags of a text, such as `$TSLA`, without the dollar sign, in order.
pub fn cashtags(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices('$') {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| !is_space(c)) {
            continue;
        }
        if let Some(length) = symbol_length(&text[at + 1..]) {
            found.push(&text[at + 1..at + 1 + length]);
        }
    }
    found
}

/// The length of a ticker symbol at the start: one to six letters, perhaps a dot or underscore
/// and one or two more, then a space, punctuation or the end.
fn symbol_length(text: &str) -> Option<usize> {
    let letters = |text: &str| text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let ends =
        |at: usize| text[at..].chars().next().is_none_or(|c| is_space(c) || is_punctuation(c));
    let head = letters(text);
    if !(1..=6).contains(&head) {
        return None;
    }
    if text[head..].starts_with(['.', '_']) {
        let tail = letters(&text[head + 1..]);
        if (1..=2).contains(&tail) && ends(head + 1 + tail) {
            return Some(head + 1 + tail);
        }
    }
    ends(head).then_some(head)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::print_stdout, reason = "a skipped test says so")]

    use super::*;
    use crate::contracts;

    #[test]
    fn every_length_vector_of_the_contracts_is_met() {
        let vectors = match contracts::json("text/length-vectors.json") {
            Ok(file) => file["vectors"].as_array().cloned().unwrap_or_default(),
            Err(absent) => return println!("skipped: {absent}"),
        };
        assert!(vectors.len() > 30, "the vectors are there");
        for vector in vectors {
            let measure = measure(vector["text"].as_str().unwrap_or_default());
            let name = &vector["name"];
            assert_eq!(u64::from(measure.weighted_length), vector["x_weighted_length"], "{name}");
            assert_eq!(measure.is_valid(), vector["x_valid"], "{name}");
            assert_eq!(u64::from(measure.permillage()), vector["x_permillage"], "{name}");
        }
    }

    #[test]
    fn links_emoji_and_scripts_have_their_weights() {
        for (text, length) in [
            ("", 0),
            ("Hello, world", 12),
            ("のの", 4),
            ("cre\u{300}me", 5),
            ("👨‍👩‍👧‍👦!", 3),
            ("see example.com", 27),
            ("🐱https://example.com/a/b?c=d", 25),
            ("“quoted”", 8),
        ] {
            assert_eq!(measure(text).weighted_length, length, "{text}");
        }
    }

    #[test]
    fn cashtags_are_told_from_money() {
        assert_eq!(cashtags("$TSLA, $BRK.B and\n$x"), ["TSLA", "BRK.B", "x"]);
        assert_eq!(cashtags("$5 US$ a$TSLA $TOOLONGX $TSLA2 $$A $"), <[&str; 0]>::default());
    }
}
