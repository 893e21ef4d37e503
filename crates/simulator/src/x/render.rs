//! How posts, users and attachments are told: the fields asked for, and what goes with them.
//!
//! Source: the schemas `Post`, `User`, `Media` and `Expansions` of `x/openapi.trimmed.json`, read
//! 2026-11-22. The older names (`edit_history_tweet_ids`, `retweet_count`, `referenced_tweets`)
//! are told beside the newer ones when the caller asks by the older `tweet.fields`.
//!
//! **Invariant:** what was not asked for is not told, apart from each object's fixed core.

use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use serde_json::{Map, Value, json};

use super::accounts::User;
use super::media::{Library, Media};
use super::posts::Post;
use super::settings::Metrics;

/// The field that is told to a post's author alone.
pub(super) const NON_PUBLIC: &str = "non_public_metrics";

/// What a caller wants to be told.
#[derive(Debug, Default)]
pub(super) struct Wish {
    post: Vec<String>,
    user: Vec<String>,
    media: Vec<String>,
    expansions: Vec<String>,
    /// Whether the older names were used.
    older: bool,
}

impl Wish {
    /// From a query that has been checked.
    pub(super) fn new(query: &Map<String, Value>) -> Self {
        let list = |name: &str| -> Vec<String> {
            let items = query.get(name).and_then(Value::as_array).into_iter().flatten();
            items.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let mut post = list("post.fields");
        post.extend(list("tweet.fields"));
        Self {
            post,
            user: list("user.fields"),
            media: list("media.fields"),
            expansions: list("expansions"),
            older: query.contains_key("tweet.fields"),
        }
    }

    fn post(&self, field: &str) -> bool {
        self.post.iter().any(|wanted| wanted == field)
    }

    fn expands(&self, expansion: &str) -> bool {
        self.expansions.iter().any(|wanted| wanted == expansion)
    }
}

/// Whether a post is asked for more than `reader` may know of it.
pub(super) fn withholds(post: &Post, reader: &str, wish: &Wish) -> bool {
    wish.post(NON_PUBLIC) && post.author != reader
}

/// A moment as X writes it: whole seconds, with three zeros for the milliseconds. So a post may
/// seem to be up to a second older than it is.
///
/// Source: every `created_at` of X in `webhooks/samples.json`, read 2026-11-22.
pub(super) fn moment(at: DateTime<Utc>) -> String {
    at.trunc_subsecs(0).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A post for `reader`.
pub(super) fn post(post: &Post, library: &Library, reader: &str, wish: &Wish) -> Value {
    let id = post.id.to_string();
    let mut told = json!({
        "id": id,
        "text": post.shown.text,
        "edit_history_post_ids": [id],
    });
    if wish.older {
        told["edit_history_tweet_ids"] = json!([id]);
    }
    if wish.post("created_at") {
        told["created_at"] = moment(post.created_at).into();
    }
    if wish.post("author_id") || wish.expands("author_id") {
        told["author_id"] = post.author.as_str().into();
    }
    if wish.post("conversation_id") {
        told["conversation_id"] = post.reply_to.unwrap_or(post.id).to_string().into();
    }
    if wish.post("entities")
        && let Some(entities) = post.shown.entities()
    {
        told["entities"] = entities;
    }
    if wish.post("display_text_range") {
        told["display_text_range"] = json!([0, post.shown.display_end]);
    }
    if (wish.post("attachments") || wish.expands("attachments.media_keys"))
        && !post.media_ids.is_empty()
    {
        let keys: Vec<String> = media_of(post, library).map(Media::key).collect();
        told["attachments"] = json!({ "media_keys": keys });
    }
    if let Some(parent) = post.reply_to {
        let reference = json!([{ "type": "replied_to", "id": parent.to_string() }]);
        if wish.post("referenced_tweets") {
            told["referenced_tweets"] = reference.clone();
        }
        if wish.post("referenced_tweets") || wish.expands("referenced_posts") {
            told["referenced_posts"] = reference;
        }
    }
    for (field, value) in [("lang", "und"), ("source", "Ezre Comms")] {
        if wish.post(field) {
            told[field] = value.into();
        }
    }
    if wish.post("reply_settings") {
        told["reply_settings"] = post.reply_settings.as_str().into();
    }
    if wish.post("possibly_sensitive") {
        told["possibly_sensitive"] = false.into();
    }
    metrics(&mut told, post, reader, wish);
    told
}

fn metrics(told: &mut Value, post: &Post, reader: &str, wish: &Wish) {
    let Metrics { likes, replies, reposts, quotes, bookmarks, .. } = post.metrics;
    let Metrics { impressions, url_clicks, profile_clicks, .. } = post.metrics;
    if wish.post("public_metrics") {
        told["public_metrics"] = json!({
            "repost_count": reposts,
            "reply_count": replies,
            "like_count": likes,
            "quote_count": quotes,
            "bookmark_count": bookmarks,
            "impression_count": impressions,
        });
        if wish.older {
            told["public_metrics"]["retweet_count"] = reposts.into();
        }
    }
    if wish.post(NON_PUBLIC) && !withholds(post, reader, wish) {
        told[NON_PUBLIC] = json!({
            "impression_count": impressions,
            "url_link_clicks": url_clicks,
            "user_profile_clicks": profile_clicks,
            "engagements": likes + replies + reposts + quotes + bookmarks + url_clicks,
        });
    }
}

fn media_of<'a>(post: &'a Post, library: &'a Library) -> impl Iterator<Item = &'a Media> {
    post.media_ids.iter().filter_map(|id| library.get(id))
}

/// A user with the fields asked for.
pub(super) fn user(user: &User, wish: &Wish, post_count: usize) -> Value {
    let mut told = json!({ "id": user.id, "name": user.name, "username": user.username });
    for field in &wish.user {
        let value = match field.as_str() {
            "created_at" => moment(user.created_at).into(),
            "description" | "location" => "".into(),
            "protected" | "verified" | "parody" | "is_identity_verified" => false.into(),
            "verified_type" => "none".into(),
            "public_metrics" => json!({
                "followers_count": 0,
                "following_count": 0,
                "post_count": post_count,
                "listed_count": 0,
            }),
            _ => continue,
        };
        told[field] = value;
    }
    told
}

fn attachment(media: &Media, wish: &Wish) -> Value {
    let mut told = json!({ "media_key": media.key(), "type": media.kind() });
    for field in &wish.media {
        let value = match field.as_str() {
            "alt_text" => media.alt_text.clone().map(Value::from),
            "width" => media.facts.width.map(Value::from),
            "height" => media.facts.height.map(Value::from),
            "url" if media.kind() == "photo" => {
                Some(format!("https://pbs.twimg.com/media/{}", media.id).into())
            }
            "public_metrics" if media.kind() == "video" => Some(json!({ "view_count": 0 })),
            _ => None,
        };
        if let Some(value) = value {
            told[field] = value;
        }
    }
    told
}

/// What goes with some posts: `includes`, when something was to be expanded.
pub(super) fn includes<'a>(
    posts: impl Iterator<Item = &'a Post> + Clone,
    author: impl Fn(&str) -> Option<(&'a User, usize)>,
    library: &Library,
    wish: &Wish,
) -> Option<Value> {
    let mut told = Map::new();
    let mut once = |list: &str, key: &str, value: Value| {
        let items = told.entry(list).or_insert_with(|| json!([]));
        if let Some(items) = items.as_array_mut()
            && !items.iter().any(|item| item[key] == value[key])
        {
            items.push(value);
        }
    };
    if wish.expands("author_id") {
        for (one, count) in posts.clone().filter_map(|post| author(&post.author)) {
            once("users", "id", user(one, wish, count));
        }
    }
    if wish.expands("attachments.media_keys") {
        for media in posts.flat_map(|post| media_of(post, library)) {
            once("media", "media_key", attachment(media, wish));
        }
    }
    (!told.is_empty()).then_some(Value::Object(told))
}
