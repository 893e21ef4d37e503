//! Posts: making and deleting them, with X's rules.
//!
//! Source: `x/openapi.trimmed.json` (the body), `PLATFORMS.md` section 3 (rules, the wording of
//! the refusal of duplicates), read 2026-11-22.
//!
//! **Invariant:** a post is made whole or not at all; two posts never share an id.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use platforms::{Content, MediaFacts, Platform};
use serde_json::{Map, Value, json};

use super::accounts::User;
use super::ids::Ids;
use super::media::{Library, Media};
use super::parameters;
use super::problem::{Outcome, Problem};
use super::settings::Metrics;
use super::shape::check_fields;
use super::text::{Attached, Shown, kept};

/// A post, also after its deletion.
#[derive(Clone, Debug)]
pub(super) struct Post {
    pub(super) id: u64,
    pub(super) author: String,
    pub(super) created_at: DateTime<Utc>,
    pub(super) deleted_at: Option<DateTime<Utc>>,
    /// As X keeps it.
    pub(super) text: String,
    pub(super) shown: Shown,
    pub(super) media_ids: Vec<String>,
    pub(super) reply_to: Option<u64>,
    pub(super) reply_settings: String,
    pub(super) metrics: Metrics,
}

/// All posts by id, and what the rule on duplicates needs.
#[derive(Debug, Default)]
pub(super) struct Posts {
    by_id: BTreeMap<u64, Post>,
    by_author: HashMap<String, Vec<u64>>,
    latest_by_text: HashMap<(String, String), u64>,
}

/// What making a post needs to know beside the posts.
pub(super) struct Making<'a> {
    pub(super) author: &'a User,
    pub(super) media: &'a Library,
    pub(super) ids: &'a mut Ids,
    pub(super) duplicate_window: chrono::TimeDelta,
    pub(super) now: DateTime<Utc>,
}

impl Posts {
    /// `POST /2/tweets`.
    pub(super) fn create(
        &mut self,
        body: &Map<String, Value>,
        making: Making<'_>,
    ) -> Outcome<&Post> {
        check_fields(parameters::CREATE_POST, true, "", body)?;
        check_access(body)?;
        let Making { author, media, ids, duplicate_window, now } = making;
        let text = kept(body.get("text").and_then(Value::as_str).unwrap_or_default());
        let attached = attachments(body, author, media, now)?;
        check_content(&text, &attached)?;
        let reply_to = self.reply_target(body, author)?;
        let key = (author.id.clone(), text.clone());
        if !text.is_empty() && self.is_duplicate(&key, duplicate_window, now) {
            return Err(Problem::duplicate());
        }
        let id = ids.next(now);
        let links: Vec<Attached<'_>> = attached
            .iter()
            .map(|media| Attached {
                media_key: media.key(),
                username: &author.username,
                post_id: id,
                kind: if media.kind() == "photo" { "photo" } else { "video" },
            })
            .collect();
        let settings = body.get("reply_settings").and_then(Value::as_str).unwrap_or("everyone");
        let post = Post {
            id,
            author: author.id.clone(),
            created_at: now,
            deleted_at: None,
            shown: Shown::new(&text, &links, || ids.next(now)),
            text,
            media_ids: attached.iter().map(|media| media.id.clone()).collect(),
            reply_to,
            reply_settings: settings.to_owned(),
            metrics: Metrics::default(),
        };
        self.latest_by_text.insert(key, id);
        self.by_author.entry(post.author.clone()).or_default().push(id);
        Ok(self.by_id.entry(id).insert_entry(post).into_mut())
    }

    fn is_duplicate(
        &self,
        key: &(String, String),
        window: chrono::TimeDelta,
        now: DateTime<Utc>,
    ) -> bool {
        let earlier = self.latest_by_text.get(key).and_then(|id| self.alive(*id));
        earlier.is_some_and(|post| now - post.created_at < window)
    }

    /// The post that is answered. Self-serve apps may only answer where they are named.
    fn reply_target(&self, body: &Map<String, Value>, author: &User) -> Outcome<Option<u64>> {
        let Some(reply) = body.get("reply") else { return Ok(None) };
        let id = reply.get("in_reply_to_tweet_id").and_then(Value::as_str).unwrap_or_default();
        let target = id.parse().ok().and_then(|id| self.alive(id)).ok_or_else(|| {
            let message = "The Tweet you are replying to is deleted or not visible to you.";
            Problem::invalid("reply.in_reply_to_tweet_id", id, message)
        })?;
        if target.author == author.id || target.shown.mentions(&author.username) {
            Ok(Some(target.id))
        } else {
            Err(Problem::forbidden(
                "Reply to this conversation is not allowed because you have not been mentioned \
                 or otherwise engaged by the author of the post you are replying to.",
            ))
        }
    }

    /// `DELETE /2/tweets/{id}`.
    pub(super) fn delete(&mut self, id: &str, user: &str, now: DateTime<Utc>) -> Outcome<Value> {
        let number: Option<u64> = id.parse().ok();
        let post = number.and_then(|number| self.by_id.get_mut(&number));
        let post = post
            .filter(|post| post.deleted_at.is_none())
            .ok_or_else(|| Problem::not_found("post", "id", id))?;
        if post.author != user {
            return Err(Problem::forbidden("You are not authorized to delete this Tweet."));
        }
        post.deleted_at = Some(now);
        Ok(json!({ "data": { "deleted": true } }))
    }

    /// A post that exists.
    pub(super) fn alive(&self, id: u64) -> Option<&Post> {
        self.by_id.get(&id).filter(|post| post.deleted_at.is_none())
    }

    /// The same, to be changed.
    pub(super) fn alive_mut(&mut self, id: u64) -> Option<&mut Post> {
        self.by_id.get_mut(&id).filter(|post| post.deleted_at.is_none())
    }

    /// An author's posts, newest first, deleted ones left out.
    pub(super) fn of(&self, author: &str) -> impl Iterator<Item = &Post> {
        let ids = self.by_author.get(author).map(Vec::as_slice).unwrap_or_default();
        ids.iter().rev().filter_map(|id| self.alive(*id))
    }

    /// All posts, oldest first, deleted ones included.
    pub(super) fn all(&self) -> impl Iterator<Item = &Post> {
        self.by_id.values()
    }

    /// Sets a post's numbers; false when there is no such post.
    pub(super) fn set_metrics(&mut self, id: u64, metrics: Metrics) -> bool {
        let post = self.by_id.get_mut(&id);
        post.map(|post| post.metrics = metrics).is_some()
    }
}

/// What the access of a self-serve app leaves out.
fn check_access(body: &Map<String, Value>) -> Outcome<()> {
    let shows: Vec<&str> = ["card_uri", "media", "poll", "quote_tweet_id"]
        .into_iter()
        .filter(|name| body.contains_key(*name))
        .collect();
    if let [first, second, ..] = shows[..] {
        let message = format!("`{first}` and `{second}` are mutually exclusive");
        return Err(Problem::invalid(second, "", message));
    }
    if body.contains_key("quote_tweet_id") {
        return Err(Problem::client_forbidden("Quote posts are not part of self-serve access."));
    }
    if body.contains_key("edit_options") {
        return Err(Problem::forbidden("You are not permitted to edit this Tweet."));
    }
    Ok(())
}

fn attachments<'a>(
    body: &Map<String, Value>,
    author: &User,
    library: &'a Library,
    now: DateTime<Utc>,
) -> Outcome<Vec<&'a Media>> {
    let ids = body.get("media").and_then(|media| media.get("media_ids")).and_then(Value::as_array);
    let mut found: Vec<&Media> = Vec::new();
    for (at, id) in ids.into_iter().flatten().filter_map(Value::as_str).enumerate() {
        let place = format!("media.media_ids[{at}]");
        let media = library
            .usable(id, &author.id, now)
            .ok_or_else(|| Problem::invalid(&place, id, "Your media IDs are invalid."))?;
        if found.iter().any(|earlier| earlier.id == media.id) {
            return Err(Problem::invalid(&place, id, "A media ID is given twice."));
        }
        found.push(media);
    }
    Ok(found)
}

/// The rules on text and attachments, as the platform's own facts tell them.
fn check_content(text: &str, media: &[&Media]) -> Outcome<()> {
    let facts: Vec<MediaFacts> = media.iter().map(|media| media.facts.clone()).collect();
    let violations = Platform::Twitter.check(&Content { text, media: &facts });
    let Some(violation) = violations.into_iter().next() else { return Ok(()) };
    if violation.code.starts_with("cashtag") {
        return Err(Problem::forbidden(&violation.message));
    }
    let place = match violation.field.strip_prefix("media") {
        Some(index) => format!("media.media_ids{index}"),
        None => violation.field,
    };
    Err(Problem::invalid(&place, "", violation.message))
}
