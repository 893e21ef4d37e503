//! What a delivery of X's Activity API means.
//!
//! [`envelope()`] is for the door, which keeps a delivery under its id; [`read`] for whoever looks at
//! it later. Both take bodies whose signature was checked, and neither trusts them further.
//!
//! Source: section 3 of `PLATFORMS.md`, `webhooks/samples.json` and the event types of
//! `x/openapi.trimmed.json` of the contracts; X's page "X Activity API event payload examples" for
//! `post.delete`, `oauth.revoke` and the times of likes; read 2026-11-23.
//!
//! **Invariant:** whatever the bytes are, they mean something or [`Meaning::Unknown`]; the id of an
//! engagement depends on nothing that differs between two deliveries of it.

mod envelope;

use chrono::{DateTime, Datelike, Utc};
use serde_json::Value;

use crate::EngagementType;
use crate::webhooks::Meaning;

pub use envelope::{Envelope, Malformed, envelope};

/// Longest text that is taken for an id or a word, in bytes.
const TEXT_MAX: usize = 200;

/// The first moment that an id can tell, in milliseconds of unix time.
const EPOCH_MS: i64 = 1_288_834_974_657;
/// Bits of an id below its time.
const COUNTER_BITS: u32 = 22;

/// Event types that we know and need nothing of.
const NOT_FOR_US: [&str; 37] = [
    "profile.update.bio",
    "profile.update.profile_picture",
    "profile.update.banner_picture",
    "profile.update.screenname",
    "profile.update.geo",
    "profile.update.url",
    "profile.update.verified_badge",
    "profile.update.affiliate_badge",
    "profile.update.handle",
    "news.new",
    "follow.follow",
    "follow.unfollow",
    "spaces.start",
    "spaces.end",
    "broadcast.start",
    "broadcast.end",
    "broadcast.chat",
    "chat.received",
    "chat.sent",
    "chat.conversation.join",
    "chat.conversation_join",
    "chat.conversation.member_added",
    "chat.conversation.member_removed",
    "chat.conversation.admin_added",
    "chat.conversation.admin_removed",
    "chat.update.group_name",
    "chat.update.restrictions",
    "dm.sent",
    "dm.received",
    "dm.indicate_typing",
    "dm.read",
    "post.create",
    "post.mention.create",
    "mute.mute",
    "mute.unmute",
    "block.block",
    "block.unblock",
];

/// All that a delivery tells.
pub fn read(body: &str) -> Vec<Meaning> {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    vec![meaning(&body["data"]).unwrap_or(Meaning::Unknown)]
}

/// `None` when it is not understood.
fn meaning(data: &Value) -> Option<Meaning> {
    let payload = &data["payload"];
    match text(&data["event_type"])?.as_str() {
        "post.reply.create" => {
            let answered = post_id(&payload["in_reply_to_tweet_id"])
                .or_else(|| referred(payload, "replied_to"));
            by_post(EngagementType::Comment, "reply", answered?, payload)
        }
        "post.quote.create" => {
            by_post(EngagementType::Share, "quote", referred(payload, "quoted")?, payload)
        }
        "post.repost.create" => {
            by_post(EngagementType::Share, "repost", referred(payload, "retweeted")?, payload)
        }
        // What the account itself likes, which is somebody else's post or told inbound as well.
        "like.create" if data["filter"]["direction"] == "outbound" => Some(Meaning::Nothing),
        "like.create" => Some(Meaning::Engagement {
            of: EngagementType::Like,
            post_id: post_id(&payload["liked_tweet_id"])?,
            id: format!("like:{}", text(&payload["id"])?),
            // X's page calls `created_at` the time of the post.
            occurred_at: milliseconds(&payload["timestamp_ms"]),
        }),
        "post.delete" => Some(Meaning::PostDeleted { post_id: post_id(&payload["id"])? }),
        "oauth.revoke" => Some(Meaning::AccessRevoked {
            account_id: post_id(&payload["user_id"])
                .or_else(|| post_id(&data["filter"]["user_id"]))?,
            occurred_at: moment(&payload["date_time"]),
        }),
        known if NOT_FOR_US.contains(&known) => Some(Meaning::Nothing),
        _ => None,
    }
}

/// An engagement that is a post itself.
fn by_post(of: EngagementType, word: &str, post_id: String, payload: &Value) -> Option<Meaning> {
    let id = self::post_id(&payload["id"])?;
    let told = moment(&payload["created_at"]).or_else(|| milliseconds(&payload["timestamp_ms"]));
    let occurred_at = told.or_else(|| made_at(&id));
    Some(Meaning::Engagement { of, post_id, id: format!("{word}:{id}"), occurred_at })
}

/// The post to which a post refers in this way, under either name of the list.
fn referred(payload: &Value, how: &str) -> Option<String> {
    let lists = ["referenced_tweets", "referenced_posts"].map(|name| payload[name].as_array());
    let mut references = lists.into_iter().flatten().flatten();
    references.find(|one| one["type"] == how).and_then(|one| post_id(&one["id"]))
}

/// A short text, or a whole number as text.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if (1..=TEXT_MAX).contains(&text.len()) => Some(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

/// An id of a post or an account: 1 to 19 digits.
fn post_id(value: &Value) -> Option<String> {
    let digits = |id: &String| id.len() <= 19 && id.bytes().all(|byte| byte.is_ascii_digit());
    text(value).filter(digits)
}

fn moment(value: &Value) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(value.as_str()?).ok()?;
    plausible(time.to_utc())
}

fn milliseconds(value: &Value) -> Option<DateTime<Utc>> {
    plausible(DateTime::from_timestamp_millis(text(value)?.parse().ok()?)?)
}

/// When a post was made, by its id.
fn made_at(id: &str) -> Option<DateTime<Utc>> {
    let elapsed = id.parse::<i64>().ok()? >> COUNTER_BITS;
    // The ids before the epoch were counted, and tell no time.
    let told = elapsed > 0;
    plausible(DateTime::from_timestamp_millis(EPOCH_MS + elapsed)?).filter(|_| told)
}

/// A time at which X was there, or may still be.
fn plausible(time: DateTime<Utc>) -> Option<DateTime<Utc>> {
    (2006..2100).contains(&time.year()).then_some(time)
}

#[cfg(test)]
mod tests;
