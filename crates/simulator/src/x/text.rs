//! What X makes of a post's text: links shortened, signs escaped, entities found.
//!
//! Source: `PLATFORMS.md` section 3 ("links come back as t.co") and the schema of a post's
//! entities in `x/openapi.trimmed.json`, read 2026-11-22. That the text is normalized and trimmed
//! before it is kept, and that positions count characters of the text as served, is observed of X
//! and not in the contracts.
//!
//! **Invariant:** every entity's range lies in the text as it is served.

use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;

/// Characters of a shortened address behind the slash.
const SLUG_LENGTH: usize = 10;
/// Characters of a display address before it is cut.
const DISPLAY_LENGTH: usize = 26;

/// A link as X serves it; positions count characters of the served text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) url: String,
    pub(super) expanded_url: String,
    pub(super) display_url: String,
    pub(super) media_key: Option<String>,
}

/// A `#tag` or an `@name`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    sign: char,
    start: usize,
    end: usize,
    word: String,
}

/// A text as X serves it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) text: String,
    pub(super) links: Vec<Link>,
    words: Vec<Word>,
    /// Where the author's own text ends and the media link begins.
    pub(super) display_end: usize,
}

/// An attachment, as the trailing link names it.
pub(super) struct Attached<'a> {
    pub(super) media_key: String,
    pub(super) username: &'a str,
    pub(super) post_id: u64,
    /// `photo` or `video`.
    pub(super) kind: &'static str,
}

/// The text as X keeps it: composed, without white space at its ends.
pub(super) fn kept(text: &str) -> String {
    text.trim().nfc().collect()
}

impl Shown {
    /// The served form of a kept text. `slug` gives a new number for each shortened address.
    pub(super) fn new(text: &str, media: &[Attached<'_>], mut slug: impl FnMut() -> u64) -> Self {
        let mut shown = Shown::default();
        let mut at = 0;
        for range in platforms::x::links(text) {
            shown.push_plain(&text[at..range.start]);
            let written = &text[range.clone()];
            let start = shown.length();
            let url = shortened(slug());
            shown.text.push_str(&url);
            shown.links.push(Link {
                start,
                end: shown.length(),
                url,
                expanded_url: with_scheme(written),
                display_url: display(written),
                media_key: None,
            });
            at = range.end;
        }
        shown.push_plain(&text[at..]);
        shown.display_end = shown.length();
        shown.push_media(media, slug);
        shown
    }

    /// The length in characters.
    fn length(&self) -> usize {
        self.text.chars().count()
    }

    fn push_plain(&mut self, plain: &str) {
        let offset = self.length();
        let escaped = plain.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        self.words.extend(words(&escaped).into_iter().map(|word| Word {
            start: word.start + offset,
            end: word.end + offset,
            ..word
        }));
        self.text.push_str(&escaped);
    }

    /// All attachments share one trailing link.
    fn push_media(&mut self, media: &[Attached<'_>], mut slug: impl FnMut() -> u64) {
        if media.is_empty() {
            return;
        }
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        let start = self.length();
        let url = shortened(slug());
        self.text.push_str(&url);
        let end = self.length();
        for (at, attached) in media.iter().enumerate() {
            let Attached { media_key, username, post_id, kind } = attached;
            let number = at + 1;
            self.links.push(Link {
                start,
                end,
                expanded_url: format!("https://x.com/{username}/status/{post_id}/{kind}/{number}"),
                display_url: url.replacen("https://t.co", "pic.x.com", 1),
                url: url.clone(),
                media_key: Some(media_key.clone()),
            });
        }
    }

    /// Whether the text names this user.
    pub(super) fn mentions(&self, username: &str) -> bool {
        let mut mentions = self.words.iter().filter(|word| word.sign == '@');
        mentions.any(|word| word.word.eq_ignore_ascii_case(username))
    }

    /// The `entities` of the post; `None` when there are none.
    pub(super) fn entities(&self) -> Option<Value> {
        let mut entities = serde_json::Map::new();
        if !self.links.is_empty() {
            entities.insert("urls".into(), self.links.iter().map(Link::as_entity).collect());
        }
        for (sign, list, name) in [('#', "hashtags", "tag"), ('@', "mentions", "username")] {
            let found: Vec<Value> = self
                .words
                .iter()
                .filter(|word| word.sign == sign)
                .map(|word| json!({ "start": word.start, "end": word.end, name: word.word }))
                .collect();
            if !found.is_empty() {
                entities.insert(list.into(), found.into());
            }
        }
        (!entities.is_empty()).then_some(Value::Object(entities))
    }
}

impl Link {
    fn as_entity(&self) -> Value {
        let mut entity = json!({
            "start": self.start,
            "end": self.end,
            "url": self.url,
            "expanded_url": self.expanded_url,
            "display_url": self.display_url,
        });
        if let Some(key) = &self.media_key {
            entity["media_key"] = key.as_str().into();
        }
        entity
    }
}

/// An address of X's shortener for a number.
fn shortened(number: u64) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = number;
    let slug = (0..SLUG_LENGTH).map(|_| {
        let digit = DIGITS[(rest % 62) as usize];
        rest /= 62;
        char::from(digit)
    });
    let slug: Vec<char> = slug.collect();
    format!("https://t.co/{}", slug.into_iter().rev().collect::<String>())
}

fn has_scheme(written: &str) -> bool {
    let start = written.get(..8).unwrap_or(written).to_ascii_lowercase();
    start.starts_with("http://") || start.starts_with("https://")
}

fn with_scheme(written: &str) -> String {
    if has_scheme(written) { written.to_owned() } else { format!("http://{written}") }
}

fn display(written: &str) -> String {
    let bare = match written.split_once("://") {
        Some((_, bare)) if has_scheme(written) => bare,
        _ => written,
    };
    let bare = bare.strip_prefix("www.").unwrap_or(bare);
    match bare.char_indices().nth(DISPLAY_LENGTH) {
        Some((end, _)) => format!("{}…", &bare[..end]),
        None => bare.to_owned(),
    }
}

/// The `#tags` and `@names` of an escaped text.
fn words(text: &str) -> Vec<Word> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let sign = chars[at];
        let free = at == 0 || !(chars[at - 1].is_alphanumeric() || "_&#@".contains(chars[at - 1]));
        let belongs = |c: &char| match sign {
            '#' => c.is_alphanumeric() || *c == '_',
            _ => c.is_ascii_alphanumeric() || *c == '_',
        };
        let start = at;
        at += 1;
        if !free || !matches!(sign, '#' | '@') {
            continue;
        }
        let word: String = chars[at..].iter().take_while(|c| belongs(c)).collect();
        let length = word.chars().count();
        let counts = match sign {
            '#' => word.chars().any(char::is_alphabetic),
            _ => (1..=15).contains(&length),
        };
        at += length;
        if counts {
            found.push(Word { sign, start, end: at, word });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &str, start: usize, end: usize) -> String {
        text.chars().skip(start).take(end - start).collect()
    }

    #[test]
    fn links_are_shortened_signs_escaped_and_ranges_right() {
        let mut number = 0;
        let media =
            [Attached { media_key: "3_9".into(), username: "ada", post_id: 7, kind: "photo" }];
        let shown = Shown::new(
            "é & <b> #Ätag see https://example.com/a?b=1&c=2 and @bob",
            &media,
            || {
                number += 1;
                number
            },
        );
        assert_eq!(
            shown.text,
            "é &amp; &lt;b&gt; #Ätag see https://t.co/0000000001 and @bob https://t.co/0000000002"
        );
        for link in &shown.links {
            assert_eq!(part(&shown.text, link.start, link.end), link.url);
        }
        assert_eq!(shown.links[0].expanded_url, "https://example.com/a?b=1&c=2");
        assert_eq!(shown.links[0].display_url, "example.com/a?b=1&c=2");
        assert_eq!(shown.links[1].expanded_url, "https://x.com/ada/status/7/photo/1");
        let words: Vec<_> = shown.words.iter().map(|w| part(&shown.text, w.start, w.end)).collect();
        assert_eq!(words, ["#Ätag", "@bob"]);
        assert!(shown.mentions("Bob"));
    }

    #[test]
    fn a_plain_text_has_no_entities() {
        let shown = Shown::new("hello you", &[], || 0);
        assert_eq!((shown.text.as_str(), shown.entities()), ("hello you", None));
    }

    #[test]
    fn a_text_is_composed_and_trimmed() {
        assert_eq!(kept(" e\u{301}\n"), "é");
    }
}
