//! Posts as X lists them, turned back into what their author wrote.
//!
//! **Invariant:** a list that cannot be read whole is an error, never a shorter list: a missing
//! post would be published again.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::Error as _;
use serde_json::Value;

use super::posted;
use crate::{FoundPost, PostPage};

#[derive(Deserialize)]
struct Page {
    data: Option<Vec<Post>>,
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    next_token: Option<String>,
}

#[derive(Deserialize)]
struct Post {
    id: String,
    text: String,
    created_at: DateTime<Utc>,
    entities: Option<Entities>,
    attachments: Option<Attachments>,
    /// The whole text of a post longer than 280 characters.
    #[serde(alias = "note_tweet")]
    note_post: Option<Note>,
}

#[derive(Deserialize)]
struct Note {
    text: String,
    entities: Option<Entities>,
}

#[derive(Default, Deserialize)]
struct Entities {
    urls: Option<Vec<Link>>,
}

#[derive(Deserialize)]
struct Attachments {
    media_keys: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Link {
    url: Option<String>,
    expanded_url: Option<String>,
    media_key: Option<String>,
}

impl Link {
    /// Whether this is the link to the post's own attachment that X appends to the text.
    fn shows_attachment(&self) -> bool {
        let address = self.expanded_url.as_deref().unwrap_or_default();
        let own =
            ["https://x.com/", "https://twitter.com/"].iter().any(|at| address.starts_with(at));
        let shown = ["/photo/", "/video/"].iter().any(|part| address.contains(part));
        self.media_key.is_some() || own && shown && address.contains("/status/")
    }
}

/// Reads one page.
pub(super) fn page(body: Value) -> Result<PostPage, serde_json::Error> {
    let page: Page = serde_json::from_value(body)?;
    if page.data.is_none() && page.meta.is_none() {
        return Err(serde_json::Error::missing_field("data"));
    }
    Ok(PostPage {
        posts: page.data.unwrap_or_default().into_iter().map(Post::found).collect(),
        next: page.meta.and_then(|meta| meta.next_token).filter(|token| !token.is_empty()),
    })
}

impl Post {
    fn found(self) -> FoundPost {
        let media_count =
            self.attachments.and_then(|shown| shown.media_keys).map_or(0, |keys| keys.len());
        let (text, entities) = match self.note_post {
            Some(note) => (note.text, note.entities),
            None => (self.text, self.entities),
        };
        let links = entities.unwrap_or_default().urls.unwrap_or_default();
        FoundPost {
            posted: posted(&self.id),
            created_at: self.created_at,
            text: as_written(&text, &links, media_count > 0),
            media_count,
        }
    }
}

/// Undoes what X does to a text: escapes, shortened links, the link to the attachments.
fn as_written(text: &str, links: &[Link], has_media: bool) -> String {
    // The ampersand last, or `&amp;lt;` would become `<`.
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    let mut rest = text.as_str();
    if has_media {
        let shown = links.iter().filter(|link| link.shows_attachment());
        for short in shown.filter_map(|link| link.url.as_deref()) {
            rest = rest.trim_end().strip_suffix(short).map_or(rest, str::trim_end);
        }
    }
    let mut written = String::with_capacity(text.len());
    let pairs: Vec<(&str, &str)> = links
        .iter()
        .filter_map(|link| Some((link.url.as_deref()?, link.expanded_url.as_deref()?)))
        .filter(|(short, _)| !short.is_empty())
        .collect();
    while let Some((at, (short, long))) = pairs
        .iter()
        .filter_map(|pair| Some((rest.find(pair.0)?, pair)))
        .min_by_key(|(at, (short, _))| (*at, usize::MAX - short.len()))
    {
        written.push_str(&rest[..at]);
        written.push_str(long);
        rest = &rest[at + short.len()..];
    }
    written.push_str(rest);
    written
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use super::*;
    use serde_json::json;

    fn read(post: Value) -> FoundPost {
        page(json!({ "data": [post] })).unwrap().posts.remove(0)
    }

    #[test]
    fn a_text_is_read_as_it_was_written() {
        let found = read(json!({
            "id": "7",
            "created_at": "2026-11-22T10:00:00.000Z",
            "text": "1 &lt; 2 &amp;amp; https://t.co/abc and https://t.co/abcd https://t.co/pic",
            "entities": { "urls": [
                { "start": 0, "end": 1, "url": "https://t.co/abc", "expanded_url": "https://a.example/?x=1&amp;y" },
                { "start": 0, "end": 1, "url": "https://t.co/abcd", "expanded_url": "http://b.example" },
                { "start": 0, "end": 1, "url": "https://t.co/pic", "media_key": "3_1",
                  "expanded_url": "https://x.com/a/status/7/photo/1" },
                { "start": 0, "end": 1, "url": "https://t.co/pic", "media_key": "3_2",
                  "expanded_url": "https://x.com/a/status/7/photo/2" },
            ] },
            "attachments": { "media_keys": ["3_1", "3_2"] },
        }));
        assert_eq!(found.text, "1 < 2 &amp; https://a.example/?x=1&amp;y and http://b.example");
        assert_eq!(found.media_count, 2);
        assert_eq!(found.posted.url, "https://x.com/i/web/status/7");
    }

    #[test]
    fn a_link_to_someone_elses_photo_stays() {
        let found = read(json!({
            "id": "7", "created_at": "2026-11-22T10:00:00.000Z", "text": "look https://t.co/pic",
            "entities": { "urls": [{ "start": 5, "end": 21, "url": "https://t.co/pic",
                "expanded_url": "https://x.com/b/status/6/photo/1" }] },
        }));
        assert_eq!(found.text, "look https://x.com/b/status/6/photo/1");
    }

    #[test]
    fn a_long_post_is_read_whole_under_either_name() {
        for name in ["note_post", "note_tweet"] {
            let found = read(json!({
                "id": "7", "created_at": "2026-11-22T10:00:00.000Z", "text": "a long…",
                name: { "text": "a long text" },
            }));
            assert_eq!(found.text, "a long text");
        }
    }

    #[test]
    fn a_post_that_cannot_be_read_is_an_error() {
        assert!(page(json!({ "data": [{ "id": "7", "text": "no time" }] })).is_err());
        assert!(page(json!({})).is_err() && page(Value::Null).is_err());
        let empty = page(json!({ "meta": { "result_count": 0 } })).unwrap();
        assert!(empty.posts.is_empty() && empty.next.is_none());
    }
}
