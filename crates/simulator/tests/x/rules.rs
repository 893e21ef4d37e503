//! X's rules: tokens, scopes, duplicates, expiry, rate limits.

use std::collections::BTreeMap;

use serde_json::json;
use simulator::{LimitSetting, NewToken, NewUser, SettingsPatch};

use crate::stage::Stage;

#[tokio::test]
async fn a_token_must_be_known_alive_and_have_the_scopes() {
    let stage = Stage::new().await;
    let ada = stage.caller("ada").await;
    let scoped = |token: &str, scopes: &[&str], expires_in_secs| NewToken {
        token: token.into(),
        scopes: scopes.iter().map(|scope| scope.to_string()).collect(),
        expires_in_secs,
    };
    let tokens = vec![
        scoped("reader", &["tweet.read", "users.read"], None),
        scoped("ended", &["tweet.read", "users.read"], Some(0)),
    ];
    let more = NewUser { username: "ada".into(), name: "Ada".into(), id: None, tokens };
    assert_eq!(stage.control.register(&more).await.unwrap(), ada.who);
    let status = async |token: &str| ada.with_token(token).get("/2/users/me").await.status.as_u16();
    assert_eq!(status("reader").await, 200);
    assert_eq!(status("ended").await, 401);
    assert_eq!(status("unknown").await, 401);
    let refused = ada.with_token("reader").say("hello").await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.body()["type"], "https://api.x.com/2/problems/not-authorized-for-resource");
    assert!(stage.control.effects(0).await.unwrap().is_empty());
    assert_eq!(stage.control.revoke("ada").await.unwrap(), 3);
    assert_eq!(status("reader").await, 401);
}

#[tokio::test]
async fn the_same_text_is_refused_while_the_earlier_post_exists() {
    let stage = Stage::new().await;
    let (ada, bob) = (stage.caller("ada").await, stage.caller("bob").await);
    let first = ada.say("hello").await.id();
    let refused = ada.say(" hello\n").await;
    assert_eq!(
        refused.body(),
        json!({
            "detail": "You are not allowed to create a Tweet with duplicate content.",
            "type": "about:blank",
            "title": "Forbidden",
            "status": 403
        })
    );
    assert_eq!(bob.say("hello").await.status, 201);
    ada.delete(&first).await;
    assert_eq!(ada.say("hello").await.status, 201);
    let patch = SettingsPatch { duplicate_window_ms: Some(0), ..Default::default() };
    stage.control.change(&patch).await.unwrap();
    assert_eq!(ada.say("hello").await.status, 201);
}

#[tokio::test]
async fn media_must_be_ones_own_and_not_expired() {
    let stage = Stage::new().await;
    let (ada, bob) = (stage.caller("ada").await, stage.caller("bob").await);
    let uploaded = ada.upload().await;
    assert_eq!(uploaded.body()["data"]["expires_after_secs"], 86_400);
    let post = |id: String| json!({ "text": "hi", "media": { "media_ids": [id] } });
    let stolen = bob.post_json("/2/tweets", &post(uploaded.id())).await;
    assert_eq!(stolen.parameter(), "media.media_ids[0]");
    let patch = SettingsPatch { media_lifetime_ms: Some(0), ..Default::default() };
    stage.control.change(&patch).await.unwrap();
    let expired = ada.post_json("/2/tweets", &post(ada.upload().await.id())).await;
    assert_eq!(expired.parameter(), "media.media_ids[0]");
    assert_eq!(ada.post_json("/2/tweets", &post(uploaded.id())).await.status, 201);
}

#[tokio::test]
async fn a_reply_needs_a_mention() {
    let stage = Stage::new().await;
    let (ada, bob) = (stage.caller("ada").await, stage.caller("bob").await);
    let open = ada.say("hello @bob").await.id();
    let closed = ada.say("hello all").await.id();
    let reply = |to: &str| json!({ "text": "yes", "reply": { "in_reply_to_tweet_id": to } });
    assert_eq!(bob.post_json("/2/tweets", &reply(&open)).await.status, 201);
    assert_eq!(bob.post_json("/2/tweets", &reply(&closed)).await.status, 403);
    assert_eq!(bob.timeline("").await.body()["meta"]["result_count"], 1);
    assert_eq!(bob.timeline("?exclude=replies").await.body()["meta"]["result_count"], 0);
}

#[tokio::test]
async fn a_used_up_budget_is_refused_with_its_reset() {
    let stage = Stage::new().await;
    let (ada, bob) = (stage.caller("ada").await, stage.caller("bob").await);
    assert_eq!(ada.get("/2/users/me").await.header("x-rate-limit-limit"), 75);
    let limit = LimitSetting { limit: 2, window_ms: 3_600_000 };
    let limits = BTreeMap::from([("POST /2/tweets".to_owned(), limit)]);
    let settings = stage.control.change(&SettingsPatch { limits, ..Default::default() }).await;
    assert_eq!(settings.unwrap().limits["POST /2/tweets"], limit);
    let first = ada.say("one").await;
    assert_eq!(first.header("x-rate-limit-limit"), 2);
    assert_eq!(first.header("x-rate-limit-remaining"), 1);
    assert_eq!(ada.say("one").await.status, 403, "refusals count too");
    let refused = ada.say("two").await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.body()["type"], "https://api.x.com/2/problems/rate-limit-exceeded");
    assert_eq!(refused.header("x-rate-limit-remaining"), 0);
    assert_eq!(refused.header("x-rate-limit-reset"), first.header("x-rate-limit-reset"));
    assert_eq!(bob.say("two").await.status, 201);
    assert_eq!(ada.timeline("").await.status, 200);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused() {
    let stage = Stage::new().await;
    let ada = stage.caller("ada").await;
    assert_eq!(ada.get("/2/nothing").await.status, 404);
    assert_eq!(ada.send("PUT", "/2/tweets", None).await.status, 405);
}
