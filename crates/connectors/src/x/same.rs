//! Whether two texts are the same post.
//!
//! **Invariant:** errs towards "the same": a post taken for missing is published twice.

use platforms::x::links;
use unicode_normalization::UnicodeNormalization;
use url::Url;

/// Whether X would show both texts alike: normalised, spaces trimmed and joined, links by where
/// they lead.
pub(super) fn same_text(a: &str, b: &str) -> bool {
    canonical(a) == canonical(b)
}

fn canonical(text: &str) -> String {
    let text: String = text.nfc().collect();
    let mut plain = String::with_capacity(text.len());
    let mut at = 0;
    for link in links(&text) {
        plain.push_str(&text[at..link.start]);
        plain.push_str(&target(&text[link.clone()]));
        at = link.end;
    }
    plain.push_str(&text[at..]);
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Where a link leads, without what X adds or changes: the scheme, the case of the host, its
/// encoding, a slash at the end.
fn target(link: &str) -> String {
    let has_scheme = link.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("http"))
        && link.contains("://");
    let address = if has_scheme { link.to_owned() } else { format!("http://{link}") };
    let Ok(url) = Url::parse(&address) else {
        return link.to_owned();
    };
    let mut target = url.host_str().unwrap_or_default().to_owned();
    if let Some(port) = url.port() {
        target.push_str(&format!(":{port}"));
    }
    target.push_str(url.path().trim_end_matches('/'));
    for (mark, part) in [('?', url.query()), ('#', url.fragment())] {
        if let Some(part) = part {
            target.push(mark);
            target.push_str(part);
        }
    }
    target
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_x_changes_makes_no_difference() {
        for (written, shown) in [
            (" Hello\r\nworld \n", "Hello\nworld"),
            ("cre\u{300}me", "crème"),
            ("see example.com", "see http://example.com"),
            ("see https://Example.com/", "see https://example.com"),
            ("see https://example.com/a/", "see https://example.com/a"),
            ("http://example.com/é?q=1", "http://example.com/%C3%A9?q=1"),
            ("見てhttps://example.com/xね", "見てhttps://example.com/xね"),
        ] {
            assert!(same_text(written, shown), "{written:?} {shown:?}");
        }
    }

    #[test]
    fn another_text_or_target_is_another_post() {
        for (a, b) in [
            ("Hello", "hello"),
            ("Hello", "Hello!"),
            ("see example.com/a", "see example.com/A"),
            ("see example.com:81", "see example.com"),
            ("see example.com?a", "see example.com#a"),
        ] {
            assert!(!same_text(a, b), "{a:?} {b:?}");
        }
    }
}
