//! What X turns into a link: with a scheme any domain, without one an ASCII domain.
//!
//! **Invariant:** ranges are in order, do not overlap, and end on character boundaries.

use regex::Regex;
use std::ops::Range;
use std::sync::LazyLock;

use super::text::is_invalid;

/// Longest address that X takes for a link, with its scheme.
const ADDRESS_MAX: usize = 4096;
/// Longest label of a domain, encoded.
const LABEL_MAX: usize = 63;
/// Longest slug of an address that X itself shortened.
const SLUG_MAX: usize = 40;
/// Longest text that is looked at, in characters: more than twelve links and 280 characters.
const TEXT_SCANNED: usize = 50_000;
/// Longest internationalised top-level domain that we look for, in characters.
const WIDE_TLD_MAX: usize = 24;

/// Port, path and query after a domain.
static TAIL: LazyLock<Regex> = LazyLock::new(|| {
    let latin = "\u{C0}-\u{D6}\u{D8}-\u{F6}\u{F8}-\u{FF}\u{100}-\u{24F}\u{253}\u{254}\u{256}\
                 \u{257}\u{259}\u{25B}\u{263}\u{268}\u{26F}\u{272}\u{289}\u{28B}\u{2BB}\
                 \u{300}-\u{36F}\u{1E00}-\u{1EFF}";
    let general =
        format!(r"[a-zA-Z\u{{400}}-\u{{4FF}}0-9!*';:=+,.$/%#\[\]\-\u{{2013}}_~@|&{latin}]");
    let parens = format!(r"\((?:{general}+|(?:{general}*\({general}+\){general}*))\)");
    let ending = format!(r"(?:[+\-a-zA-Z\u{{400}}-\u{{4FF}}0-9=_#/{latin}]|(?:{parens}))");
    let path = format!(r"(?:(?:{general}*(?:{parens}{general}*)*{ending})|(?:@{general}+/))");
    let pattern = format!(r"^(?::[0-9]+)?(/{path}*)?(?:\?{QUERY}*{QUERY_END})?");
    Regex::new(&pattern).expect("the pattern is fixed and tested")
});

/// An address that X itself shortened ends with its slug and perhaps a query.
static SHORTENED: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = format!(r"^(?i:https?://t\.co/([a-z0-9]+))(?:\?{QUERY}*{QUERY_END})?");
    Regex::new(&pattern).expect("the pattern is fixed and tested")
});

const QUERY: &str = r"[a-zA-Z0-9!?*'@();:&=+$/%#\[\]\-_.,~|]";
const QUERY_END: &str = r"[a-zA-Z0-9\-_&=#/]";

/// The byte ranges of `text` that X turns into links. `text` should be NFC, as X makes it.
pub fn links(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    // So long a text is no post, whatever its links count; and looking would take long.
    if !text.contains('.') || text.chars().nth(TEXT_SCANNED).is_some() {
        return found;
    }
    let scan = Scan::new(text);
    let mut at = 0;
    while at <= scan.chars.len() {
        at = match scan.address_at(at) {
            Some(address) => {
                scan.collect(&address, &mut found);
                address.end
            }
            None => at + 1,
        };
    }
    found
}

/// Something shaped like an address; positions count characters.
struct Address {
    before: Option<char>,
    start: usize,
    domain: Range<usize>,
    has_path: bool,
    end: usize,
}

/// Which characters a label of a domain may have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Labels {
    /// Any script; a hyphen or underscore only inside.
    AnyScript,
    /// ASCII, accented Latin and hyphens.
    Latin,
}

/// A text by characters, with what is asked of many positions worked out once.
struct Scan<'a> {
    text: &'a str,
    chars: Vec<char>,
    /// Where each character, and the end, starts in bytes.
    starts: Vec<usize>,
    /// For each position, the next one that ends a label of any script.
    stops: Vec<usize>,
    /// For each dot, where the top-level domain after it ends, if there is one.
    tops: Vec<Option<usize>>,
}

impl<'a> Scan<'a> {
    fn new(text: &'a str) -> Self {
        let (mut starts, chars): (Vec<usize>, Vec<char>) = text.char_indices().unzip();
        starts.push(text.len());
        let mut stops = vec![chars.len(); chars.len() + 1];
        let mut tops = vec![None; chars.len()];
        for (at, c) in chars.iter().copied().enumerate().rev() {
            let in_label = is_domain_char(c) || matches!(c, '-' | '_');
            stops[at] = if in_label { stops[at + 1] } else { at };
            if c == '.' {
                tops[at] = top_level(&chars, at + 1);
            }
        }
        Scan { text, chars, starts, stops, tops }
    }

    fn slice(&self, range: Range<usize>) -> &'a str {
        &self.text[self.bytes(range)]
    }

    fn bytes(&self, range: Range<usize>) -> Range<usize> {
        self.starts[range.start]..self.starts[range.end]
    }

    /// An address after the character at `at`, or at the very start of the text.
    fn address_at(&self, at: usize) -> Option<Address> {
        let preceding = self.chars.get(at).copied().filter(|c| may_precede(*c));
        let after = preceding.and_then(|c| self.address(Some(c), at + 1));
        after.or_else(|| (at == 0).then(|| self.address(None, 0)).flatten())
    }

    fn address(&self, before: Option<char>, start: usize) -> Option<Address> {
        let limit = self.chars.len().min(start + ADDRESS_MAX);
        let domain = [self.scheme_length(start), 0]
            .into_iter()
            .find_map(|scheme| self.domain(start + scheme, limit, Labels::AnyScript))?;
        let tail = TAIL.captures(&self.text[self.starts[domain.end]..])?;
        Some(Address {
            before,
            start,
            has_path: tail.get(1).is_some(),
            end: domain.end + tail[0].chars().count(),
            domain,
        })
    }

    fn scheme_length(&self, at: usize) -> usize {
        ["https://", "http://"]
            .into_iter()
            .find(|scheme| {
                let shown = self.chars[at..].iter().take(scheme.len());
                shown.map(char::to_ascii_lowercase).eq(scheme.chars())
            })
            .map_or(0, str::len)
    }

    /// The longest domain from `start`: labels, dots, and a top-level domain that exists.
    fn domain(&self, start: usize, limit: usize, labels: Labels) -> Option<Range<usize>> {
        let mut end = None;
        let mut label = start;
        while label < limit {
            let stop = match labels {
                Labels::AnyScript => self.stops[label],
                Labels::Latin => {
                    (label..limit).find(|at| !is_latin_label_char(self.chars[*at])).unwrap_or(limit)
                }
            };
            if stop >= limit || self.chars[stop] != '.' {
                break;
            }
            let shown = &self.chars[label..stop];
            let joins = |c: Option<&char>| {
                labels == Labels::AnyScript && c.is_some_and(|c| matches!(c, '-' | '_'))
            };
            if shown.is_empty() || joins(shown.first()) || joins(shown.last()) {
                break;
            }
            // An underscore is fine in a subdomain, not in the name before the top-level domain.
            if !shown.contains(&'_') {
                end = self.tops[stop].or(end);
            }
            label = stop + 1;
        }
        end.map(|end| start..end)
    }

    /// Adds the links in an address, or none when X would not link it.
    fn collect(&self, address: &Address, found: &mut Vec<Range<usize>>) {
        let has_scheme = address.domain.start > address.start;
        let assumed_scheme = if has_scheme { 0 } else { "https://".len() };
        let length = address.end - address.start + assumed_scheme;
        let domain = self.slice(address.domain.clone());
        // A domain that claims to be encoded must hold one that is.
        let mut starts = address.domain.clone();
        let misnamed = domain.starts_with("xn--")
            && !starts.any(|at| self.domain(at, address.domain.end, Labels::Latin).is_some());
        if length > ADDRESS_MAX || misnamed || !labels_fit(domain) {
            return;
        }
        if has_scheme {
            found.extend(self.with_scheme(address));
        } else if !matches!(address.before, Some('-' | '_' | '.' | '/')) {
            self.without_scheme(address, found);
        }
    }

    fn with_scheme(&self, address: &Address) -> Option<Range<usize>> {
        let range = self.bytes(address.start..address.end);
        let Some(shortened) = SHORTENED.captures(&self.text[range.clone()]) else {
            return Some(range);
        };
        let fits = shortened[1].len() <= SLUG_MAX;
        fits.then(|| range.start..range.start + shortened[0].len())
    }

    /// Without a scheme only ASCII (and accented Latin) domains are linked, each for itself; the
    /// last one takes the path.
    fn without_scheme(&self, address: &Address, found: &mut Vec<Range<usize>>) {
        let mut last: Option<Range<usize>> = None;
        let mut at = address.domain.start;
        while at < address.domain.end {
            match self.domain(at, address.domain.end, Labels::Latin) {
                Some(ascii) => {
                    at = ascii.end;
                    found.extend(last.replace(ascii).map(|range| self.bytes(range)));
                }
                None => at += 1,
            }
        }
        if let Some(mut ascii) = last {
            if address.has_path {
                ascii.end = address.end;
            }
            found.push(self.bytes(ascii));
        }
    }
}

/// Where the top-level domain that starts at `at` ends.
fn top_level(chars: &[char], at: usize) -> Option<usize> {
    let rest = &chars[at..chars.len().min(at + LABEL_MAX)];
    let closes = |length: usize| {
        chars
            .get(at + length)
            .is_none_or(|c| !c.is_ascii_alphanumeric() && !matches!(c, '@' | '+' | '-'))
    };
    let text = |length: usize| rest[..length].iter().collect::<String>();
    let plain = rest.iter().take_while(|c| c.is_ascii_alphanumeric()).count();
    if plain > 0 && closes(plain) && tld::exist(&text(plain).to_ascii_lowercase()) {
        return Some(at + plain);
    }
    let encoded = rest.iter().take_while(|c| c.is_ascii_alphanumeric() || **c == '-').count();
    if encoded > 4 && text(4).eq_ignore_ascii_case("xn--") {
        return Some(at + encoded);
    }
    let wide = rest.iter().take(WIDE_TLD_MAX).take_while(|c| is_domain_char(**c)).count();
    (plain + 1..=wide)
        .rev()
        .filter(|length| closes(*length))
        .find(|length| is_wide_top_level(&text(*length)))
        .map(|length| at + length)
}

/// Whether this is an internationalised top-level domain as it is written, so that `™`, which
/// would be read as `tm`, is none.
fn is_wide_top_level(shown: &str) -> bool {
    let shown = shown.to_lowercase();
    idna::domain_to_ascii(&shown)
        .is_ok_and(|encoded| tld::exist(&encoded) && idna::domain_to_unicode(&encoded).0 == shown)
}

/// Whether every label can be encoded for the domain name system, and is not too long for it.
fn labels_fit(domain: &str) -> bool {
    domain.split('.').all(|label| {
        let length = if label.is_ascii() {
            Some(label.len())
        } else {
            idna::punycode::encode_str(label).map(|encoded| "xn--".len() + encoded.len())
        };
        length.is_some_and(|length| (1..=LABEL_MAX).contains(&length))
    })
}

fn may_precede(c: char) -> bool {
    !(c.is_ascii_alphanumeric() || matches!(c, '@' | '＠' | '$' | '#' | '＃') || is_invalid(c))
}

fn is_domain_char(c: char) -> bool {
    !(is_punctuation(c) || is_space(c) || is_invalid(c) || is_directional(c))
}

fn is_latin_label_char(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(c, '-'
            | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{24F}'
            | '\u{253}' | '\u{254}' | '\u{256}' | '\u{257}' | '\u{259}' | '\u{25B}' | '\u{263}'
            | '\u{268}' | '\u{26F}' | '\u{272}' | '\u{289}' | '\u{28B}' | '\u{2BB}'
            | '\u{300}'..='\u{36F}' | '\u{1E00}'..='\u{1EFF}')
}

/// What X takes for punctuation.
pub(super) fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation() && !matches!(c, '"' | '`')
}

/// What X takes for a space.
pub(super) fn is_space(c: char) -> bool {
    matches!(c, '\u{9}'..='\u{D}' | ' ' | '\u{85}' | '\u{A0}' | '\u{1680}' | '\u{180E}'
        | '\u{2000}'..='\u{200A}' | '\u{2028}' | '\u{2029}' | '\u{202F}' | '\u{205F}' | '\u{3000}')
}

/// Marks that steer the direction of text.
fn is_directional(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{61C}' | '\u{200E}' | '\u{200F}'
        | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<&str> {
        links(text).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn links_are_found_as_x_finds_them() {
        let cases: [(&str, &[&str]); 15] = [
            ("example.com", &["example.com"]),
            ("(https://example.com/a_(b)).", &["https://example.com/a_(b)"]),
            ("見てhttps://example.com/xね", &["https://example.com/x"]),
            ("見てexample.comね", &["example.com"]),
            ("a.com見b.org/x", &["a.com", "b.org/x"]),
            ("HTTPS://EXAMPLE.COM:8080?q=1.", &["HTTPS://EXAMPLE.COM:8080?q=1"]),
            ("http://日本語.jp/", &["http://日本語.jp/"]),
            ("日本語.jp", &[]),
            ("me@example.com #example.com $example.com", &[]),
            ("foo.notatld brand.™", &[]),
            ("http://xn--はじめよう.com/ http://пример.рфx", &[]),
            ("-example.com", &[]),
            ("http://a_b.example.com http://exa_mple.com", &["http://a_b.example.com"]),
            ("https://t.co/abcDEF123日本", &["https://t.co/abcDEF123"]),
            ("http://пример.рф/путь", &["http://пример.рф/путь"]),
        ];
        for (text, links) in cases {
            assert_eq!(shown(text), links, "{text}");
        }
    }

    #[test]
    fn an_endless_label_is_no_link() {
        let label = "a".repeat(64);
        assert_eq!(shown(&format!("http://{label}.com x.org")), ["x.org"]);
    }
}
