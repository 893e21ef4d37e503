//! What X tells by webhook: likes, replies, quotes, reposts, deletions, access taken back.
//!
//! Source: `webhooks/samples.json` of the contracts and X's page "X Activity API event payload
//! examples", read 2026-11-23.
//!
//! **Invariant:** a post's numbers move by what is told to have happened, whether it is sent or not.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::World;
use super::render::moment;
use super::settings::Metrics;
use crate::deliveries::{Deliver, Event, How, scattered};

/// Most deliveries that one call may cause.
const MOST: u64 = 100_000;

/// Something that people do with a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reaction {
    /// Told by webhook.
    Like,
    /// Told by webhook.
    Reply,
    /// Told by webhook.
    Quote,
    /// Told by webhook.
    Repost,
    /// Found by looking alone.
    Bookmark,
    /// Found by looking alone.
    Impression,
    /// Found by the author's looking alone.
    Click,
}

/// What is done with a post, and how it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewEngagement {
    /// What.
    #[serde(rename = "type")]
    pub reaction: Reaction,
    /// How often; below zero it is taken back, which X does not tell.
    #[serde(default = "once")]
    pub count: i64,
    /// Whether it is sent.
    #[serde(default)]
    pub deliver: Deliver,
    /// How often each event is sent.
    #[serde(default = "one_copy")]
    pub copies: u32,
}

const fn once() -> i64 {
    1
}

const fn one_copy() -> u32 {
    1
}

impl NewEngagement {
    /// So many of them, each sent once and at once.
    pub const fn of(reaction: Reaction, count: i64) -> Self {
        Self { reaction, count, deliver: Deliver::Now, copies: 1 }
    }
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Engaged {
    /// The post's numbers afterwards.
    pub metrics: Metrics,
    /// The ids of the events that are sent, one for each time it was done.
    pub event_ids: Vec<String>,
}

impl World {
    /// Moves a post's numbers and tells the events.
    ///
    /// # Errors
    /// The field that is wrong and what would be right.
    pub(crate) fn engage(
        &mut self,
        id: &str,
        told: &NewEngagement,
        now: DateTime<Utc>,
    ) -> Result<(Metrics, Vec<Event>, How), (&'static str, &'static str)> {
        let how = How { deliver: told.deliver, copies: told.copies };
        if told.count == 0
            || told.count.unsigned_abs().saturating_mul(u64::from(told.copies.max(1))) > MOST
        {
            return Err(("count", "must not be 0, nor make more than 100,000 deliveries"));
        }
        if told.copies == 0 {
            return Err(("copies", "must be at least 1"));
        }
        let post = id.parse().ok().and_then(|id| self.posts.alive_mut(id));
        let post = post.ok_or(("id", "there is no such post"))?;
        let moved = post.metrics.moved(told.reaction, told.count);
        post.metrics = moved.ok_or(("count", "there are not so many to be taken back"))?;
        let (metrics, post, author) = (post.metrics, post.id, post.author.clone());
        let times = if told.count > 0 { told.count } else { 0 };
        let events = (0..times).filter_map(|_| self.reacted(told.reaction, post, &author, now));
        Ok((metrics, events.collect(), how))
    }

    /// The event of one reaction; `None` where X sends none.
    fn reacted(
        &mut self,
        reaction: Reaction,
        post: u64,
        author: &str,
        now: DateTime<Utc>,
    ) -> Option<Event> {
        let (post, id) = (post.to_string(), self.ids.next(now));
        let mut filter = json!({ "user_id": author });
        let refers = |how: &str| json!([{ "type": how, "id": post }]);
        // Somebody whom nobody here knows.
        let somebody = (scattered(id) >> 1).to_string();
        let mut payload = json!({
            "id": id.to_string(), "author_id": somebody, "created_at": moment(now),
        });
        let (kind, tag) = match reaction {
            Reaction::Like => {
                filter["direction"] = "inbound".into();
                payload = json!({
                    "id": format!("{:016x}{:016x}", scattered(id), id),
                    "liked_tweet_id": post,
                    "liked_tweet_author_id": author,
                    "created_at": moment(now),
                    "timestamp_ms": now.timestamp_millis().to_string(),
                });
                ("like.create", "likes")
            }
            Reaction::Reply => {
                payload["in_reply_to_tweet_id"] = post.as_str().into();
                payload["in_reply_to_user_id"] = author.into();
                payload["referenced_tweets"] = refers("replied_to");
                payload["conversation_id"] = post.as_str().into();
                payload["text"] = "Well said.".into();
                ("post.reply.create", "replies")
            }
            Reaction::Quote => {
                payload["referenced_tweets"] = refers("quoted");
                payload["conversation_id"] = id.to_string().into();
                payload["text"] = "Look at this.".into();
                ("post.quote.create", "quotes")
            }
            Reaction::Repost => {
                payload["referenced_tweets"] = refers("retweeted");
                payload["conversation_id"] = id.to_string().into();
                payload["text"] = "RT".into();
                ("post.repost.create", "reposts")
            }
            Reaction::Bookmark | Reaction::Impression | Reaction::Click => return None,
        };
        Some(event(id, kind, &filter, Some(tag), payload))
    }

    /// The event of a post's deletion.
    pub(crate) fn told_deletion(&mut self, post: &str, author: &str, now: DateTime<Utc>) -> Event {
        let payload = json!({ "id": post, "author_id": author });
        let filter = json!({ "user_id": author });
        event(self.ids.next(now), "post.delete", &filter, Some("post-deletes"), payload)
    }

    /// Deletes a post as its author does by hand.
    pub(crate) fn delete_by_hand(&mut self, post: &str, now: DateTime<Utc>) -> Option<Event> {
        let author = self.posts.alive(post.parse().ok()?)?.author.clone();
        self.posts.delete(post, &author, now).ok()?;
        Some(self.told_deletion(post, &author, now))
    }

    /// The event of access that a user has taken back.
    pub(crate) fn told_revocation(&mut self, name: &str, now: DateTime<Utc>) -> Option<Event> {
        let user = self.accounts.find(name)?.id.clone();
        let payload = json!({ "date_time": now.to_rfc3339(), "user_id": user, "app_id": "999" });
        Some(event(self.ids.next(now), "oauth.revoke", &json!({}), None, payload))
    }
}

/// An event with an id that no other has, of either sign.
fn event(id: u64, kind: &str, filter: &Value, tag: Option<&str>, payload: Value) -> Event {
    let uuid = scattered(id).cast_signed().to_string();
    let mut data = json!({
        "event_uuid": uuid, "filter": filter, "event_type": kind, "payload": payload,
    });
    if let Some(tag) = tag {
        data["tag"] = tag.into();
        data["includes"] = json!({});
    }
    Event { id: uuid, kind: kind.to_owned(), body: json!({ "data": data }).to_string() }
}

impl Metrics {
    /// These numbers after so many reactions; `None` when one would be below zero.
    fn moved(mut self, reaction: Reaction, count: i64) -> Option<Self> {
        let number = match reaction {
            Reaction::Like => &mut self.likes,
            Reaction::Reply => &mut self.replies,
            Reaction::Quote => &mut self.quotes,
            Reaction::Repost => &mut self.reposts,
            Reaction::Bookmark => &mut self.bookmarks,
            Reaction::Impression => &mut self.impressions,
            Reaction::Click => &mut self.url_clicks,
        };
        *number = number.checked_add_signed(count)?;
        Some(self)
    }
}
