//! The simulator's own checks against X's description, verdict by verdict.

use serde_json::{Value, json};

use crate::stage::{Caller, FormField, PNG, Stage, form};

/// What both must say of a request.
#[derive(Debug, PartialEq)]
enum Verdict {
    /// Right.
    Good,
    /// The description forbids it; the simulator names this parameter.
    Bad(&'static str),
    /// The description allows it and a rule of the platform does not; with the status.
    AgainstRule(u16),
    /// The simulator allows an older name that the description no longer has.
    Older,
}
use Verdict::{AgainstRule, Bad, Good, Older};

async fn judge(
    caller: &Caller,
    method: &str,
    target: &str,
    body: Option<(&str, Vec<u8>)>,
    verdict: Verdict,
) {
    let complaints = caller.complaints(method, target, body.as_ref());
    let told = body.as_ref().map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned());
    let shown = format!("{method} {target} {told:?}");
    if let Some(complaints) = complaints {
        let allowed = matches!(verdict, Good | AgainstRule(_));
        assert_eq!(complaints.is_empty(), allowed, "{shown}: {complaints:?}");
    }
    let answered = caller.send(method, target, body).await;
    match verdict {
        Good | Older => assert!(answered.status.is_success(), "{shown}: {answered:?}"),
        AgainstRule(status) => assert_eq!(answered.status, status, "{shown}: {answered:?}"),
        Bad(parameter) => assert_eq!(answered.parameter(), parameter, "{shown}"),
    }
}

#[tokio::test]
async fn bodies_of_posts() {
    let stage = Stage::new().await;
    let ada = stage.caller("ada").await;
    let media = ada.upload().await.id();
    let before = ada.say("the first").await.id();
    let five: Vec<&str> = vec!["1"; 5];
    let poll = |minutes: Value| json!({ "options": ["a", "b"], "duration_minutes": minutes });
    let cases: Vec<(Value, Verdict)> = vec![
        (json!({ "text": "hello" }), Good),
        (json!({ "text": "with media", "media": { "media_ids": [media] } }), Good),
        (json!({ "media": { "media_ids": [media], "tagged_user_ids": ["1"] } }), Good),
        (json!({ "text": "r", "reply": { "in_reply_to_tweet_id": before } }), Good),
        (json!({ "text": "p", "poll": poll(json!(60)) }), Good),
        (json!({ "text": "p5", "poll": poll(json!(5.0)) }), Good),
        (json!({ "text": "s", "reply_settings": "following", "made_with_ai": true }), Good),
        (json!({}), AgainstRule(400)),
        (json!({ "text": "" }), AgainstRule(400)),
        (json!({ "text": "hello" }), AgainstRule(403)),
        (json!({ "text": "x".repeat(281) }), AgainstRule(400)),
        (json!({ "text": "$AAPL and $MSFT" }), AgainstRule(403)),
        (json!({ "text": "m", "media": { "media_ids": ["123"] } }), AgainstRule(400)),
        (json!({ "text": "m2", "media": { "media_ids": [media, media] } }), AgainstRule(400)),
        (json!({ "text": "q", "quote_tweet_id": before }), AgainstRule(403)),
        (json!({ "text": "e", "edit_options": { "previous_post_id": before } }), AgainstRule(403)),
        (json!({ "text": "n", "reply": { "in_reply_to_tweet_id": "5" } }), AgainstRule(400)),
        (json!({ "text": 5 }), Bad("text")),
        (json!({ "text": null }), Bad("text")),
        (json!({ "texts": "hello" }), Bad("texts")),
        (json!({ "text": "a", "media": {} }), Bad("media.media_ids")),
        (json!({ "text": "a", "media": { "media_ids": [] } }), Bad("media.media_ids")),
        (json!({ "text": "a", "media": { "media_ids": five } }), Bad("media.media_ids")),
        (json!({ "text": "a", "media": { "media_ids": [1] } }), Bad("media.media_ids[0]")),
        (json!({ "text": "a", "media": { "media_ids": ["1a"] } }), Bad("media.media_ids[0]")),
        (json!({ "text": "a", "media": { "media_ids": ["1"], "alt": 1 } }), Bad("media.alt")),
        (json!({ "text": "a", "reply": {} }), Bad("reply.in_reply_to_tweet_id")),
        (json!({ "text": "a", "reply": [] }), Bad("reply")),
        (json!({ "text": "a", "poll": poll(json!(4)) }), Bad("poll.duration_minutes")),
        (json!({ "text": "a", "poll": poll(json!(5.5)) }), Bad("poll.duration_minutes")),
        (json!({ "text": "a", "reply_settings": "nobody" }), Bad("reply_settings")),
        (json!({ "text": "a", "nullcast": "no" }), Bad("nullcast")),
        (json!({ "text": "a", "quote_tweet_id": "12345678901234567890" }), Bad("quote_tweet_id")),
        (json!({ "text": "a", "geo": { "place_id": 1 } }), Bad("geo.place_id")),
        (json!(["text"]), Bad("body")),
    ];
    for (body, verdict) in cases {
        let body = ("application/json", body.to_string().into_bytes());
        judge(&ada, "POST", "/2/tweets", Some(body), verdict).await;
    }
    judge(&ada, "POST", "/2/tweets", None, Bad("body")).await;
    let broken = ("application/json", b"{\"text\":".to_vec());
    judge(&ada, "POST", "/2/tweets", Some(broken), Bad("body")).await;
}

#[tokio::test]
async fn parameters() {
    let stage = Stage::new().await;
    let ada = stage.caller("ada").await;
    let post = ada.say("hello").await.id();
    let me = |rest: &str| format!("/2/users/me{rest}");
    let one = |rest: &str| format!("/2/tweets/{post}{rest}");
    let mine = |rest: &str| format!("/2/users/{}/tweets{rest}", ada.who.id);
    let some = |rest: &str| format!("/2/tweets{rest}");
    let many = vec!["1"; 101].join(",");
    let cases = [
        (me(""), Good),
        (me("?user.fields=created_at,verified,public_metrics,description"), Good),
        (me("?user.fields=followers"), Bad("user.fields[0]")),
        (me("?fields=id"), Bad("fields")),
        (one(""), Good),
        (one("?post.fields=created_at,public_metrics,entities&expansions=author_id"), Good),
        (one("?post.fields=created_at,created_at"), Bad("post.fields")),
        (one("?post.fields="), Bad("post.fields[0]")),
        (one("?expansions=author"), Bad("expansions[0]")),
        (one("?tweet.fields=created_at,public_metrics"), Older),
        ("/2/tweets/7".to_owned(), Good),
        ("/2/tweets/abc".to_owned(), Bad("id")),
        (mine(""), Good),
        (mine("?max_results=5"), Good),
        (mine("?max_results=100&exclude=replies,retweets"), Good),
        (mine("?start_time=2026-01-01T00:00:00Z&end_time=2027-01-01T00:00:00.000Z"), Good),
        (mine("?since_id=1&until_id=9223372036854775807"), Good),
        (mine("?max_results=4"), Bad("max_results")),
        (mine("?max_results=101"), Bad("max_results")),
        (mine("?max_results=ten"), Bad("max_results")),
        (mine("?max_results=5&max_results=6"), Bad("max_results")),
        (mine("?limit=5"), Bad("limit")),
        (mine("?exclude=likes"), Bad("exclude[0]")),
        (mine("?start_time=yesterday"), Bad("start_time")),
        (mine("?start_time=2026-01-01"), Bad("start_time")),
        (mine("?since_id=x"), Bad("since_id")),
        (mine("?pagination_token="), Bad("pagination_token")),
        (mine("?pagination_token=zz"), AgainstRule(400)),
        (mine("?start_time=2010-01-01T00:00:00Z"), AgainstRule(400)),
        (mine("?start_time=2026-01-02T00:00:00Z&end_time=2026-01-01T00:00:00Z"), AgainstRule(400)),
        (mine("?since_id=9&until_id=9"), AgainstRule(400)),
        ("/2/users/ada/tweets".to_owned(), Bad("id")),
        ("/2/users/5/tweets".to_owned(), Good),
        (some(&format!("?ids={post},5")), Good),
        (some(""), Bad("ids")),
        (some("?ids=a"), Bad("ids[0]")),
        (some(&format!("?ids={many}")), Bad("ids")),
        ("/2/media/upload?command=STATUS".to_owned(), Bad("media_id")),
        ("/2/media/upload?command=FINALIZE&media_id=1".to_owned(), Bad("command")),
        ("/2/media/upload?command=STATUS&media_id=1".to_owned(), AgainstRule(404)),
    ];
    for (target, verdict) in cases {
        judge(&ada, "GET", &target, None, verdict).await;
    }
    judge(&ada, "DELETE", "/2/tweets/abc", None, Bad("id")).await;
    judge(&ada, "DELETE", "/2/tweets/7", None, AgainstRule(404)).await;
    judge(&ada, "DELETE", &one(""), None, Good).await;
}

#[tokio::test]
async fn bodies_of_uploads() {
    let stage = Stage::new().await;
    let ada = stage.caller("ada").await;
    let media = ada.upload().await.id();
    let long = "x".repeat(1001);
    let png = "iVBORw0KGgo=";
    let cases: Vec<(&str, Value, Verdict)> = vec![
        ("upload", json!({ "media": PNG, "media_category": "tweet_image" }), Good),
        ("upload", json!({ "media": PNG, "media_category": "dm_image" }), Good),
        ("upload", json!({ "media": PNG, "media_category": "tweet_gif" }), AgainstRule(400)),
        ("upload", json!({ "media": png, "media_category": "tweet_image" }), AgainstRule(400)),
        ("upload", json!({ "media": "?", "media_category": "tweet_image" }), AgainstRule(400)),
        ("upload", json!({ "media": PNG }), Bad("media_category")),
        ("upload", json!({ "media_category": "tweet_image" }), Bad("media")),
        ("upload", json!({ "media": PNG, "media_category": "image" }), Bad("media_category")),
        ("upload", json!({ "media": 1, "media_category": "tweet_image" }), Bad("media")),
        (
            "upload",
            json!({ "media": PNG, "media_category": "tweet_image", "media_type": "image/png" }),
            Bad("media_type"),
        ),
        ("metadata", json!({ "id": media, "metadata": { "alt_text": { "text": "a dot" } } }), Good),
        ("metadata", json!({ "id": media, "other": 1 }), Good),
        ("metadata", json!({ "id": "77" }), AgainstRule(404)),
        ("metadata", json!({ "metadata": {} }), Bad("id")),
        (
            "metadata",
            json!({ "id": media, "metadata": { "alt_text": { "text": long } } }),
            Bad("metadata.alt_text.text"),
        ),
        (
            "metadata",
            json!({ "id": media, "metadata": { "alt_text": "a dot" } }),
            Bad("metadata.alt_text"),
        ),
        ("upload/initialize", json!({}), Good),
        (
            "upload/initialize",
            json!({
                "media_type": "video/mp4", "media_category": "tweet_video",
                "total_bytes": 1, "shared": false, "additional_owners": ["1"]
            }),
            Good,
        ),
        ("upload/initialize", json!({ "media_type": "image/svg+xml" }), Bad("media_type")),
        ("upload/initialize", json!({ "total_bytes": -1 }), Bad("total_bytes")),
        ("upload/initialize", json!({ "total_bytes": "1" }), Bad("total_bytes")),
        ("upload/initialize", json!({ "size": 1 }), Bad("size")),
        ("upload/x/append", json!({ "media": PNG, "segment_index": 0 }), Bad("id")),
        ("upload/7/append", json!({ "media": PNG, "segment_index": 0 }), AgainstRule(404)),
        ("upload/7/append", json!({ "media": PNG, "segment_index": 1000 }), Bad("segment_index")),
        ("upload/7/append", json!({ "media": PNG }), Bad("segment_index")),
    ];
    for (path, body, verdict) in cases {
        let body = ("application/json", body.to_string().into_bytes());
        judge(&ada, "POST", &format!("/2/media/{path}"), Some(body), verdict).await;
    }
    judge(&ada, "POST", "/2/media/upload/7/finalize", None, AgainstRule(404)).await;
    judge(&ada, "POST", "/2/media/upload/x/finalize", None, Bad("id")).await;
}

#[tokio::test]
async fn forms() {
    let stage = Stage::new().await;
    let ada = stage.caller("ada").await;
    let gif: &[u8] = b"GIF89a\x02\x00\x03\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff;";
    let category = ("media_category", &b"tweet_image"[..], false);
    let cases: Vec<(&str, Vec<FormField<'_>>, Verdict)> = vec![
        ("upload", vec![("media", gif, true), category], Good),
        ("upload", vec![("media", b"text", true), category], AgainstRule(400)),
        ("upload", vec![("media", gif, true)], Bad("media_category")),
        ("upload", vec![category], Bad("media")),
        ("upload", vec![("media", gif, true), category, ("name", b"a", false)], Bad("name")),
        (
            "upload/7/append",
            vec![("media", gif, true), ("segment_index", b"0", false)],
            AgainstRule(404),
        ),
        (
            "upload/7/append",
            vec![("media", gif, true), ("segment_index", b"one", false)],
            Bad("segment_index"),
        ),
    ];
    for (path, fields, verdict) in cases {
        let body = form(&fields);
        judge(&ada, "POST", &format!("/2/media/{path}"), Some(body), verdict).await;
    }
    let answered = ada.send("POST", "/2/tweets", Some(form(&[("text", b"a", false)]))).await;
    assert_eq!(answered.status, 415);
}
