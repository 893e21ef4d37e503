//! Totals of posts: read from answers of every kind, and from the simulated X.

use connectors::{Access, Connector, Error, PostReading, Reading};
use platforms::{EngagementType, Platform, Totals};
use serde_json::{Value, json};
use simulator::{Metrics, NewUser, Running};
use std::time::Duration;
use url::Url;

use super::server::{Reply, Server, problem};
use super::{access, x};

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

fn totals(told: [Option<i64>; 6]) -> Reading {
    let mut totals = Totals::default();
    for (of, count) in EngagementType::ALL.into_iter().zip(told) {
        totals[of] = count;
    }
    Reading::Found(totals)
}

fn metrics(likes: i64) -> Value {
    json!({ "repost_count": 3, "reply_count": 2, "like_count": likes, "quote_count": 4,
        "bookmark_count": 5, "impression_count": 600 })
}

fn trouble(kind: &str, id: &str) -> Value {
    json!({ "type": format!("https://api.x.com/2/problems/{kind}"), "title": "Problem", "detail": "No.",
        "resource_type": "post", "resource_id": id, "value": id, "parameter": "ids", "field": "non_public_metrics" })
}

/// One look, with the readings in order.
async fn look(server: &Server, asked: &[&str]) -> Vec<Reading> {
    let told = x(&server.url).engagement(&access(), &ids(asked)).await.unwrap();
    let named: Vec<&str> = told.value.iter().map(|one| one.post_id.as_str()).collect();
    assert_eq!(named, asked);
    told.value.into_iter().map(|one: PostReading| one.reading).collect()
}

#[tokio::test]
async fn one_call_tells_the_totals_of_many_posts() {
    let own = json!({ "url_link_clicks": 8, "user_profile_clicks": 1 });
    let body = json!({
        "data": [
            { "id": "11", "text": "a", "public_metrics": metrics(1), "non_public_metrics": own },
            { "id": "10", "text": "b", "public_metrics": metrics(0) },
            { "id": "99", "text": "never asked for", "public_metrics": metrics(7) },
        ],
        "errors": [
            trouble("resource-not-found", "12"),
            trouble("not-authorized-for-resource", "13"),
            trouble("internal-error", "14"),
            trouble("not-authorized-for-field", "10"),
        ],
    });
    let server = Server::start([Reply::json(200, body)]).await;
    let told = look(&server, &["10", "11", "12", "13", "14", "15", "x"]).await;
    assert_eq!(told[0], totals([Some(0), Some(2), Some(600), None, Some(7), Some(5)]));
    assert_eq!(told[1], totals([Some(1), Some(2), Some(600), Some(8), Some(7), Some(5)]));
    assert_eq!(told[2..4], [Reading::Gone, Reading::Hidden]);
    assert_eq!(told[4..], [Reading::Untold; 3]);
    let asked = server.finish();
    assert_eq!(
        asked[0].line(),
        "GET /2/tweets?ids=10%2C11%2C12%2C13%2C14%2C15&post.fields=public_metrics%2Cnon_public_metrics"
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_unknown_and_never_zero() {
    let public = json!({ "retweet_count": 1, "like_count": -1, "reply_count": null,
        "bookmark_count": "5", "impression_count": 1.5, "quote_count": 2 });
    let half = json!({ "repost_count": 1, "like_count": 9 });
    let huge = json!({ "repost_count": i64::MAX, "quote_count": 1, "reply_count": u64::MAX });
    let data: Vec<Value> = [public, half, huge, Value::Null]
        .into_iter()
        .zip(1..)
        .map(|(public, id)| json!({ "id": id.to_string(), "public_metrics": public }))
        .collect();
    let server = Server::start([Reply::raw(200, &json!({ "data": data }).to_string())]).await;
    let told = look(&server, &["1", "2", "3", "4"]).await;
    assert_eq!(told[0], totals([None, None, None, None, Some(3), None]));
    assert_eq!(told[1], totals([Some(9), None, None, None, None, None]));
    assert_eq!(told[2..], [totals([None; 6]); 2]);
    server.finish();
}

#[tokio::test]
async fn posts_that_are_all_gone_are_an_answer() {
    let old = json!({ "type": "https://api.twitter.com/2/problems/resource-not-found",
        "resource_type": "tweet", "value": "8", "title": "Not Found Error", "detail": "No." });
    let user = json!({ "type": "https://api.x.com/2/problems/resource-not-found",
        "resource_type": "user", "value": "9", "title": "Not Found Error", "detail": "No." });
    let body = json!({ "errors": [trouble("resource-not-found", "7"), old, user] });
    let server = Server::start([Reply::raw(200, &body.to_string())]).await;
    let told = look(&server, &["7", "8", "9"]).await;
    assert_eq!(told, [Reading::Gone, Reading::Gone, Reading::Untold]);
    server.finish();
}

#[tokio::test]
async fn public_totals_are_not_lost_with_those_for_the_author_alone() {
    let public = |id: &str| json!({ "id": id, "text": "a", "public_metrics": metrics(1) });
    let reading = totals([Some(1), Some(2), Some(600), None, Some(7), Some(5)]);
    // X leaves one post out for the sake of its fields, and tells the other.
    let first =
        json!({ "data": [public("7")], "errors": [trouble("not-authorized-for-field", "8")] });
    let second = json!({ "data": [public("8")] });
    let server = Server::start([Reply::json(200, first.clone()), Reply::json(200, second)]).await;
    assert_eq!(look(&server, &["7", "8"]).await, [reading; 2]);
    assert_eq!(server.finish()[1].line(), "GET /2/tweets?ids=8&post.fields=public_metrics");
    // The second look fails: the first one counts.
    let over = problem(503, "about:blank", "Over capacity");
    let server = Server::start([Reply::json(200, first), over]).await;
    assert_eq!(look(&server, &["7", "8"]).await, [reading, Reading::Untold]);
    server.finish();
    // X refuses the whole call.
    for refused in [
        problem(400, "invalid-request", "The fields are wrong."),
        problem(403, "not-authorized-for-field", "Not yours."),
    ] {
        let Reply::Answer { status, headers, body, .. } = refused else { unreachable!() };
        let refused = Reply::Answer { status, headers, body, described: false };
        let second = Reply::json(200, json!({ "data": [public("7")] }));
        let server = Server::start([refused, second]).await;
        assert_eq!(look(&server, &["7"]).await, [reading]);
        server.finish();
    }
}

#[tokio::test]
async fn a_look_that_fails_is_never_a_reading() {
    for reply in [
        problem(503, "about:blank", "Over capacity"),
        Reply::raw(200, "<html>"),
        Reply::raw(200, ""),
        Reply::raw(200, "{}"),
        Reply::raw(200, r#"{"data":{}}"#),
        Reply::DropRead,
    ] {
        let told = format!("{reply:?}");
        let server = Server::start([reply]).await;
        let found = x(&server.url).engagement(&access(), &ids(&["7"])).await;
        assert!(matches!(found, Err(Error::Unavailable { .. })), "{told}: {found:?}");
        server.finish();
    }
    let server = Server::start([problem(401, "about:blank", "Unauthorized")]).await;
    let found = x(&server.url).engagement(&access(), &ids(&["7"])).await;
    assert!(matches!(found, Err(Error::Refused(_))), "not asked again: {found:?}");
    server.finish();
}

#[tokio::test]
async fn a_budget_of_which_a_tenth_remains_is_closed_for_polls() {
    let (date, reset) = ("Tue, 15 Nov 2022 12:45:26 GMT", 1_668_516_326 + 300);
    let key = &Platform::Twitter.lookup_keys("2244994945")[0];
    for (remaining, limit, closes) in
        [(91, 900, false), (90, 900, true), (1, 5, false), (0, 5, true)]
    {
        let data = json!({ "data": [{ "id": "7", "text": "a" }] });
        let reply = Reply::json(200, data)
            .header("x-rate-limit-limit", limit)
            .header("x-rate-limit-remaining", remaining)
            .header("date", date)
            .header("x-rate-limit-reset", reset);
        let server = Server::start([reply]).await;
        let told = x(&server.url).engagement(&access(), &ids(&["7"])).await.unwrap();
        assert_eq!(told.closed.is_some(), closes, "{remaining} of {limit}");
        if let Some(closed) = told.closed {
            assert_eq!((&closed.key, closed.opens_in.as_secs()), (key, 300));
        }
        server.finish();
    }
    let limited =
        problem(429, "rate-limit-exceeded", "Too many").header("x-rate-limit-reset", reset);
    let server = Server::start([limited]).await;
    match x(&server.url).engagement(&access(), &ids(&["7"])).await {
        Err(Error::Refused(refusal)) => assert_eq!(&refusal.closed.unwrap().key, key),
        other => panic!("not refused: {other:?}"),
    }
    server.finish();
}

#[tokio::test]
async fn nothing_is_asked_for_nothing_and_nothing_beyond_a_hundred() {
    let server = Server::start([]).await;
    assert!(look(&server, &[]).await.is_empty());
    assert_eq!(look(&server, &["", "x", "1.5"]).await, [Reading::Untold; 3]);
    server.finish();
    let many: Vec<String> = (1..=101).map(|id| id.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let data: Vec<Value> = many.iter().map(|id| json!({ "id": id, "text": "a" })).collect();
    let server = Server::start([Reply::json(200, json!({ "data": data }))]).await;
    let told = look(&server, &many).await;
    assert_eq!(told[99], totals([None; 6]));
    assert!(server.finish()[0].target.contains("%2C100&"));
}

#[tokio::test]
async fn the_simulated_x_tells_what_was_done_with_a_post() {
    let running = Running::start().await.unwrap();
    let control = running.client();
    let url = Url::parse(running.base_url()).unwrap();
    let who = control.register(&NewUser::with_token("ada", "t")).await.unwrap();
    let other = control.register(&NewUser::with_token("eve", "e")).await.unwrap();
    let x = x(&url);
    let act = |id: &str, token: &str| Access { account_id: id.to_owned(), token: token.into() };
    let (ada, eve) = (act(&who.id, "t"), act(&other.id, "e"));
    let before = std::time::Instant::now() + Duration::from_secs(60);
    for text in ["one", "two"] {
        x.commit(&ada, &super::draft(text), before).await;
    }
    let posts = control.posts("ada").await.unwrap();
    let told = Metrics {
        likes: 1,
        replies: 2,
        reposts: 3,
        quotes: 4,
        bookmarks: 5,
        impressions: 600,
        url_clicks: 7,
        profile_clicks: 8,
    };
    control.set_metrics(&posts[0].id, told).await.unwrap();
    x.delete(&ada, &posts[1].id).await.unwrap();
    let asked = ids(&[&posts[1].id, &posts[0].id]);
    let read = async |access: &Access| -> Vec<Reading> {
        let told = x.engagement(access, &asked).await.unwrap().value;
        told.into_iter().map(|one| one.reading).collect()
    };
    let all = [Some(1), Some(2), Some(600), Some(7), Some(7), Some(5)];
    assert_eq!(read(&ada).await, [Reading::Gone, totals(all)]);
    let public = [Some(1), Some(2), Some(600), None, Some(7), Some(5)];
    assert_eq!(read(&eve).await, [Reading::Gone, totals(public)]);
    running.stop().await.unwrap();
}
