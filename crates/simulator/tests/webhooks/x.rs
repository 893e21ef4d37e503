//! What X tells of posts.

use std::collections::BTreeSet;
use std::time::Duration;

use platforms::EngagementType;
use platforms::webhooks::{self, Meaning};
use platforms::x::activity;
use serde_json::{Value, json};
use simulator::{
    ClientError, Deliver, Delivery, DeliveryState, NewEngagement, Order, Reaction, Sender,
};

use crate::receiver::{Got, SECRET};
use crate::{DEADLINE, Stage};

/// What a webhook means, once its signature is right.
fn meaning(got: &Got) -> Meaning {
    let header = got.header(webhooks::x::HEADER);
    webhooks::x::verify(&[SECRET.as_bytes()], header, &got.body).unwrap();
    webhooks::x::verify(&[b"another"], header, &got.body).unwrap_err();
    activity::read(std::str::from_utf8(&got.body).unwrap()).remove(0)
}

fn uuid(got: &Got) -> String {
    let body = std::str::from_utf8(&got.body).unwrap();
    activity::envelope(body).unwrap().event_id.unwrap()
}

async fn settle(stage: &Stage) -> Vec<Got> {
    stage.control.wait_deliveries(Sender::X, DEADLINE).await.unwrap();
    stage.receiver.got()
}

#[tokio::test]
async fn a_webhook_is_challenged_before_it_is_set() {
    let stage = Stage::new().await;
    let wrong = stage.control.set_x_webhook(&stage.receiver.url, "another").await;
    let nowhere = stage.control.set_x_webhook("http://127.0.0.1:1/", SECRET).await;
    for refused in [wrong, nowhere] {
        match refused {
            Err(ClientError::Refused { field, message, .. }) => {
                assert_eq!(field, "url");
                assert!(message.starts_with("CrcValidationFailed: "), "{message}");
            }
            other => panic!("{other:?}"),
        }
    }
    let told = stage.control.engage(&stage.post, NewEngagement::of(Reaction::Like, 1)).await;
    assert!(told.unwrap().event_ids.is_empty(), "there is nobody to be told");
    stage.control.set_x_webhook(&stage.receiver.url, SECRET).await.unwrap();
    stage.control.engage(&stage.post, NewEngagement::of(Reaction::Like, 1)).await.unwrap();
    assert_eq!(settle(&stage).await.len(), 1);
}

#[tokio::test]
async fn every_like_is_told_as_often_as_wanted_and_counts_once() {
    let stage = Stage::of_x().await;
    let likes = NewEngagement { copies: 2, ..NewEngagement::of(Reaction::Like, 3) };
    let told = stage.control.engage(&stage.post, likes).await.unwrap();
    assert_eq!((told.metrics.likes, told.event_ids.len()), (3, 3));
    let got = settle(&stage).await;
    assert_eq!(got.len(), 6);
    let uuids: BTreeSet<String> = got.iter().map(uuid).collect();
    assert_eq!(uuids, told.event_ids.into_iter().collect());
    let mut ids = BTreeSet::new();
    for one in &got {
        let Meaning::Engagement { of, post_id, id, occurred_at } = meaning(one) else {
            panic!("{one:?}")
        };
        assert_eq!((of, &post_id), (EngagementType::Like, &stage.post));
        assert!((chrono::Utc::now() - occurred_at.unwrap()).num_seconds() < 60);
        assert_eq!(one.json()["data"]["filter"]["user_id"], stage.ada.id);
        ids.insert(id);
    }
    assert_eq!(ids.len(), 3);
    assert!(stage.control.undelivered(Sender::X).await.unwrap().is_empty());
}

#[tokio::test]
async fn each_reaction_moves_its_number_and_some_are_told() {
    let stage = Stage::of_x().await;
    let reactions = [
        (Reaction::Reply, Some(EngagementType::Comment)),
        (Reaction::Quote, Some(EngagementType::Share)),
        (Reaction::Repost, Some(EngagementType::Share)),
        (Reaction::Bookmark, None),
        (Reaction::Impression, None),
        (Reaction::Click, None),
    ];
    for (count, (reaction, of)) in (1..).zip(reactions) {
        let before = stage.receiver.got().len();
        let told = stage.control.engage(&stage.post, NewEngagement::of(reaction, count)).await;
        assert_eq!(told.unwrap().event_ids.len(), of.map_or(0, |_| count as usize));
        for one in &settle(&stage).await[before..] {
            match meaning(one) {
                Meaning::Engagement { of: told, post_id, occurred_at, .. } => {
                    assert_eq!((Some(told), &post_id), (of, &stage.post));
                    assert!(occurred_at.is_some());
                }
                other => panic!("{other:?}"),
            }
        }
    }
    let fields = "post.fields=public_metrics,non_public_metrics";
    let url = format!("{}/2/tweets?ids={}&{fields}", stage.running.base_url(), stage.post);
    let answer = stage.http().get(url).bearer_auth("token-of-ada").send().await.unwrap();
    let post = answer.json::<Value>().await.unwrap()["data"][0].take();
    let public = &post["public_metrics"];
    let numbers = ["reply_count", "quote_count", "repost_count", "bookmark_count"];
    assert_eq!(numbers.map(|name| public[name].as_i64().unwrap()), [1, 2, 3, 4]);
    assert_eq!((&public["impression_count"], &public["like_count"]), (&json!(5), &json!(0)));
    assert_eq!(post["non_public_metrics"]["url_link_clicks"], 6);
}

#[tokio::test]
async fn a_like_is_taken_back_without_a_word_and_never_below_zero() {
    let stage = Stage::of_x().await;
    let likes = |count| NewEngagement::of(Reaction::Like, count);
    stage.control.engage(&stage.post, likes(2)).await.unwrap();
    let told = stage.control.engage(&stage.post, likes(-2)).await.unwrap();
    assert_eq!((told.metrics.likes, told.event_ids.len()), (0, 0));
    assert_eq!(settle(&stage).await.len(), 2);
    let field = stage
        .refused(
            "POST",
            &format!("x/posts/{}/engagement", stage.post),
            &json!({ "type": "like", "count": -1 }),
        )
        .await;
    assert_eq!(field, "count");
}

#[tokio::test]
async fn what_is_held_goes_in_the_order_of_its_release() {
    let stage = Stage::of_x().await;
    let held = NewEngagement {
        deliver: Deliver::Hold,
        copies: 2,
        ..NewEngagement::of(Reaction::Like, 10)
    };
    let seqs = |released: &[Delivery]| released.iter().map(|one| one.seq).collect::<Vec<_>>();
    let ids = |released: &[Delivery]| -> Vec<String> {
        released.iter().map(|one| one.event_id.clone()).collect()
    };
    let mut orders = Vec::new();
    for (order, seed) in
        [(Order::Kept, 0), (Order::Reverse, 0), (Order::Shuffle, 7), (Order::Shuffle, 7)]
    {
        stage.control.engage(&stage.post, held).await.unwrap();
        let before = settle(&stage).await.len();
        let waiting = stage.control.undelivered(Sender::X).await.unwrap();
        assert_eq!(waiting.len(), 20);
        assert!(waiting.iter().all(|one| one.state == DeliveryState::Held));
        stage.receiver.most_at_once();
        let released = stage.control.release_deliveries(Sender::X, order, seed).await.unwrap();
        let got: Vec<String> = settle(&stage).await[before..].iter().map(uuid).collect();
        assert_eq!(got, ids(&released), "{order:?}");
        assert_eq!(stage.receiver.most_at_once(), 1);
        let first = seqs(&waiting)[0];
        orders.push(seqs(&released).iter().map(|seq| seq - first).collect::<Vec<u64>>());
    }
    assert!(orders[0].is_sorted() && orders[1].iter().rev().is_sorted());
    assert_eq!(orders[2], orders[3]);
    assert!(!orders[2].is_sorted());
}

#[tokio::test]
async fn what_is_not_taken_is_sent_again_until_it_is() {
    let stage = Stage::of_x().await;
    stage.receiver.answer([500, 302]);
    stage.control.engage(&stage.post, NewEngagement::of(Reaction::Like, 1)).await.unwrap();
    let got = settle(&stage).await;
    assert_eq!(got.len(), 3);
    assert!(got.iter().all(|one| one.body == got[0].body && meaning(one) == meaning(&got[0])));
    let delivery = stage.control.deliveries(Sender::X, 0).await.unwrap().remove(0);
    let statuses: Vec<_> = delivery.attempts.iter().map(|attempt| attempt.status).collect();
    assert_eq!(statuses, [Some(500), Some(302), Some(200)]);
    assert_eq!(delivery.state, DeliveryState::Delivered);
    assert!(stage.control.deliveries(Sender::X, delivery.seq).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_nobody_takes_is_waited_for_given_up_or_forgotten() {
    let stage = Stage::of_x().await;
    stage.receiver.always(Some(503));
    stage.control.engage(&stage.post, NewEngagement::of(Reaction::Like, 1)).await.unwrap();
    let waited = stage.control.wait_deliveries(Sender::X, Duration::ZERO).await;
    assert!(matches!(waited, Err(ClientError::TimedOut(_))), "{waited:?}");
    stage.control.unset_webhook(Sender::X).await.unwrap();
    settle(&stage).await;
    let given_up = stage.control.undelivered(Sender::X).await.unwrap();
    assert_eq!(given_up[0].state, DeliveryState::GivenUp);

    stage.control.set_x_webhook(&stage.receiver.url, SECRET).await.unwrap();
    stage.control.engage(&stage.post, NewEngagement::of(Reaction::Like, 1)).await.unwrap();
    stage.control.reset().await.unwrap();
    settle(&stage).await;
    assert!(stage.control.deliveries(Sender::X, 0).await.unwrap().is_empty());
}

#[tokio::test]
async fn deletions_and_revocations_are_told() {
    let stage = Stage::of_x().await;
    let second = stage.say("second").await;
    let url = format!("{}/2/tweets/{}", stage.running.base_url(), stage.post);
    stage.http().delete(url).bearer_auth("token-of-ada").send().await.unwrap();
    settle(&stage).await;
    stage.control.delete_post(&second).await.unwrap();
    settle(&stage).await;
    stage.control.revoke("ada").await.unwrap();
    let got = settle(&stage).await;
    assert_eq!(got.len(), 3);
    assert_eq!(meaning(&got[0]), Meaning::PostDeleted { post_id: stage.post.clone() });
    assert_eq!(meaning(&got[1]), Meaning::PostDeleted { post_id: second });
    let Meaning::AccessRevoked { account_id, occurred_at } = meaning(&got[2]) else {
        panic!("{:?}", got[2])
    };
    assert!(account_id == stage.ada.id && occurred_at.is_some());
    assert_eq!(stage.refused("DELETE", &format!("x/posts/{}", stage.post), &json!({})).await, "id");
    let path = format!("x/posts/{}/engagement", stage.post);
    assert_eq!(stage.refused("POST", &path, &json!({ "type": "like" })).await, "id");
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let stage = Stage::of_x().await;
    let engagement = format!("x/posts/{}/engagement", stage.post);
    let like = |more: Value| {
        let mut like = json!({ "type": "like" });
        like.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        like
    };
    for (method, path, body, field) in [
        ("PUT", "x/webhook", json!({ "url": "somewhere", "secret": "s" }), "url"),
        ("PUT", "x/webhook", json!({ "url": "ftp://a.example", "secret": "s" }), "url"),
        ("PUT", "x/webhook", json!({ "url": stage.receiver.url, "secret": "" }), "secret"),
        ("POST", &engagement, json!({ "type": "stare" }), "type"),
        ("POST", &engagement, like(json!({ "count": 0 })), "count"),
        ("POST", &engagement, like(json!({ "count": 100_001 })), "count"),
        ("POST", &engagement, like(json!({ "count": i64::MIN, "copies": u32::MAX })), "count"),
        ("POST", &engagement, like(json!({ "copies": 0 })), "copies"),
        ("POST", &engagement, like(json!({ "deliver": "later" })), "deliver"),
        ("POST", "x/posts/1/engagement", like(json!({})), "id"),
        ("POST", "x/deliveries/release", json!({ "order": "best" }), "order"),
    ] {
        assert_eq!(stage.refused(method, path, &body).await, field, "{method} {path} {body}");
    }
    assert!(settle(&stage).await.is_empty(), "nothing happened");
}
