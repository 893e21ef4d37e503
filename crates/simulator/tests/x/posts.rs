//! What is posted and uploaded, and how it is told.

use serde_json::{Value, json};
use simulator::{Metrics, SettingsPatch, What};

use crate::stage::{Stage, form};

#[tokio::test]
async fn me_is_the_tokens_user() {
    let stage = Stage::new().await;
    let ada = stage.caller("ada").await;
    let body = ada.get("/2/users/me").await.body();
    assert_eq!(body["data"], json!({ "id": ada.who.id, "name": "ada", "username": "ada" }));
    let asked = ada.get("/2/users/me?user.fields=created_at,public_metrics").await.body();
    assert_eq!(asked["data"]["public_metrics"]["post_count"], 0);
}

#[tokio::test]
async fn a_post_comes_back_with_short_links_and_escaped_signs() {
    let stage = Stage::new().await;
    let ada = stage.caller("ada").await;
    let media = ada.upload().await.id();
    let alt = json!({ "id": media, "metadata": { "alt_text": { "text": "a dot" } } });
    assert_eq!(ada.post_json("/2/media/metadata", &alt).await.status, 200);
    let text = "  you & <me> at https://example.com/a?b=1 #now ";
    let body = json!({ "text": text, "media": { "media_ids": [media] } });
    let made = ada.post_json("/2/tweets", &body).await;
    let id = made.id();
    let query = "post.fields=created_at,entities,attachments,display_text_range\
                 &expansions=author_id,attachments.media_keys&media.fields=alt_text,width";
    let body = ada.get(&format!("/2/tweets/{id}?{query}")).await.body();
    let data = &body["data"];
    let shown = data["text"].as_str().unwrap();
    assert_eq!(data["text"], made.body()["data"]["text"]);
    assert!(shown.starts_with("you &amp; &lt;me&gt; at https://t.co/"), "{shown}");
    let urls = data["entities"]["urls"].as_array().unwrap();
    assert_eq!(urls[0]["expanded_url"], "https://example.com/a?b=1");
    assert_eq!(urls[0]["display_url"], "example.com/a?b=1");
    assert_eq!(urls[1]["expanded_url"], format!("https://x.com/ada/status/{id}/photo/1"));
    for url in urls {
        let (start, end) = (url["start"].as_u64().unwrap(), url["end"].as_u64().unwrap());
        let part = shown.chars().skip(start as usize).take((end - start) as usize);
        assert_eq!(part.collect::<String>(), url["url"].as_str().unwrap());
    }
    assert_eq!(data["author_id"], ada.who.id);
    let created = data["created_at"].as_str().unwrap();
    assert!(created.len() == 24 && created.ends_with(".000Z"), "{created}");
    assert_eq!(body["includes"]["users"][0]["username"], "ada");
    let media = &body["includes"]["media"][0];
    assert_eq!((&media["alt_text"], &media["width"]), (&json!("a dot"), &json!(1)));
    assert_eq!(data["attachments"]["media_keys"][0], media["media_key"]);
    let told = &stage.control.posts("ada").await.unwrap()[0];
    assert_eq!(told.text, text.trim());
    assert_eq!(told.media[0].alt_text.as_deref(), Some("a dot"));
}

#[tokio::test]
async fn a_timeline_has_pages_and_bounds() {
    let stage = Stage::new().await;
    let ada = stage.caller("ada").await;
    let mut made = Vec::new();
    for at in 0..12 {
        made.push(ada.say(&format!("post {at}")).await.id());
    }
    made.reverse();
    let ids = |body: &Value| -> Vec<String> {
        let posts = body["data"].as_array().into_iter().flatten();
        posts.map(|post| post["id"].as_str().unwrap().to_owned()).collect()
    };
    let (mut seen, mut query) = (Vec::new(), "?max_results=5".to_owned());
    let pages = loop {
        let body = ada.timeline(&query).await.body();
        seen.push(ids(&body));
        match body["meta"]["next_token"].as_str() {
            Some(token) => query = format!("?max_results=5&pagination_token={token}"),
            None => break seen,
        }
    };
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [5, 5, 2]);
    assert_eq!(pages.concat(), made);
    assert_eq!(ids(&ada.timeline("").await.body()).len(), 10);
    let query = format!("?since_id={}&until_id={}", made[4], made[1]);
    assert_eq!(ids(&ada.timeline(&query).await.body()), made[2..4]);
    let posts = stage.control.posts("ada").await.unwrap();
    let at = |index: usize| posts[index].created_at.to_rfc3339().replace("+00:00", "Z");
    let query = format!("?max_results=100&start_time={}&end_time={}", at(3), at(5));
    let found = ids(&ada.timeline(&query).await.body());
    assert!(found.contains(&posts[3].id) && !found.contains(&posts[5].id), "{found:?}");
    let none = ada.timeline("?end_time=2020-01-01T00:00:00Z").await.body();
    assert_eq!(none, json!({ "meta": { "result_count": 0 } }));
}

#[tokio::test]
async fn a_post_is_missing_from_the_timeline_until_the_lag_is_over() {
    let stage = Stage::new().await;
    let ada = stage.caller("ada").await;
    let lag = |ms| SettingsPatch { lookup_lag_ms: Some(ms), ..SettingsPatch::default() };
    stage.control.change(&lag(3_600_000)).await.unwrap();
    let id = ada.say("hello").await.id();
    assert_eq!(ada.timeline("").await.body()["meta"]["result_count"], 0);
    assert_eq!(ada.get(&format!("/2/tweets/{id}")).await.body()["data"]["id"], id);
    stage.control.change(&lag(0)).await.unwrap();
    assert_eq!(ada.timeline("").await.body()["meta"]["newest_id"], id);
}

#[tokio::test]
async fn a_deleted_post_is_gone() {
    let stage = Stage::new().await;
    let (ada, bob) = (stage.caller("ada").await, stage.caller("bob").await);
    let id = ada.say("hello").await.id();
    assert_eq!(bob.delete(&id).await.status, 403);
    assert_eq!(ada.delete(&id).await.body(), json!({ "data": { "deleted": true } }));
    assert_eq!(ada.delete(&id).await.status, 404);
    let single = ada.get(&format!("/2/tweets/{id}")).await;
    assert_eq!((single.status.as_u16(), &single.body()["data"]), (200, &Value::Null));
    assert_eq!(single.body()["errors"][0]["resource_id"], id);
    assert_eq!(ada.timeline("").await.body()["meta"]["result_count"], 0);
    let effects = stage.control.effects(0).await.unwrap();
    assert_eq!(effects[1].what, What::PostDeleted { post_id: id });
    assert!(stage.control.posts("ada").await.unwrap()[0].deleted_at.is_some());
}

#[tokio::test]
async fn numbers_are_told_and_the_private_ones_to_the_author_alone() {
    let stage = Stage::new().await;
    let (ada, bob) = (stage.caller("ada").await, stage.caller("bob").await);
    let id = ada.say("hello").await.id();
    let metrics = Metrics { likes: 3, reposts: 2, url_clicks: 1, ..Metrics::default() };
    stage.control.set_metrics(&id, metrics).await.unwrap();
    let target = |name: &str| {
        format!("/2/tweets?ids={id},5&{name}.fields=public_metrics,non_public_metrics")
    };
    let body = ada.get(&target("post")).await.body();
    let post = &body["data"][0];
    assert_eq!(post["public_metrics"]["like_count"], 3);
    assert_eq!(post["public_metrics"]["repost_count"], 2);
    assert_eq!(post["public_metrics"]["retweet_count"], Value::Null);
    assert_eq!(post["non_public_metrics"]["url_link_clicks"], 1);
    assert_eq!(body["errors"][0]["value"], "5");
    let body = bob.get(&target("tweet")).await.body();
    assert_eq!(body["data"][0]["public_metrics"]["retweet_count"], 2);
    assert_eq!(body["data"][0]["non_public_metrics"], Value::Null);
    let errors = body["errors"].as_array().unwrap();
    let told = errors.iter().map(|error| (&error["value"], &error["field"]));
    let field = json!("non_public_metrics");
    assert_eq!(told.collect::<Vec<_>>(), [(&json!("5"), &Value::Null), (&json!(id), &field)]);
}

#[tokio::test]
async fn a_file_can_be_uploaded_in_parts_and_is_processed() {
    let stage = Stage::new().await;
    let ada = stage.caller("ada").await;
    let processing = |ms| SettingsPatch { media_processing_ms: Some(ms), ..Default::default() };
    stage.control.change(&processing(3_600_000)).await.unwrap();
    let video = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom";
    let begin = json!({
        "media_type": "video/mp4", "media_category": "tweet_video", "total_bytes": video.len()
    });
    let mut ids = Vec::new();
    for slow in [true, false] {
        if !slow {
            stage.control.change(&processing(0)).await.unwrap();
        }
        let id = ada.post_json("/2/media/upload/initialize", &begin).await.id();
        for (index, part) in video.chunks(12).enumerate() {
            let index = index.to_string();
            let body = form(&[("media", part, true), ("segment_index", index.as_bytes(), false)]);
            let target = format!("/2/media/upload/{id}/append");
            assert_eq!(ada.send("POST", &target, Some(body)).await.status, 200);
        }
        let done = ada.send("POST", &format!("/2/media/upload/{id}/finalize"), None).await;
        let state = &done.body()["data"]["processing_info"]["state"];
        assert_eq!(state, &if slow { json!("pending") } else { Value::Null });
        let status = ada.get(&format!("/2/media/upload?command=STATUS&media_id={id}")).await;
        let state = &status.body()["data"]["processing_info"]["state"];
        assert_eq!(state, if slow { "in_progress" } else { "succeeded" });
        ids.push(id);
    }
    let post = |id: &String| json!({ "text": "v", "media": { "media_ids": [id] } });
    let early = ada.post_json("/2/tweets", &post(&ids[0])).await;
    assert_eq!(early.parameter(), "media.media_ids[0]");
    assert_eq!(ada.post_json("/2/tweets", &post(&ids[1])).await.status, 201);
    let begun = ada.post_json("/2/media/upload/initialize", &begin).await.id();
    let short = ada.send("POST", &format!("/2/media/upload/{begun}/finalize"), None).await;
    assert_eq!(short.status, 400);
}
