//! The one write, in every way it can end.
//!
//! **Invariant:** no reply makes the connector write twice.

use chrono::{DateTime, TimeDelta};
use connectors::{Commit, Connector, Draft, Refusal, X};
use platforms::ErrorClass;
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use url::Url;

use crate::server::{Reply, Server, problem};
use crate::{TOKEN, access, created, draft, in_time, one_commit, x};

/// A connector that soon gives up waiting.
fn hasty(url: &Url) -> X {
    X::new(url.clone(), Duration::from_millis(150), Duration::from_millis(100)).unwrap()
}

async fn refused(reply: Reply) -> Refusal {
    match one_commit(reply).await {
        (Commit::Refused(refusal), closed, _) => {
            assert_eq!(refusal.closed, closed);
            refusal
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_post_is_published_with_its_media() {
    let server = Server::start([created()]).await;
    let draft = Draft { text: "Hello".to_owned(), media_ids: vec!["71".to_owned()] };
    let (commit, closed) = x(&server.url).commit(&access(), &draft, in_time()).await;
    let Commit::Published(posted) = commit else { panic!("not published: {commit:?}") };
    assert_eq!(posted.id, "1346889436626259968");
    assert_eq!(posted.url, "https://x.com/i/web/status/1346889436626259968");
    assert_eq!(closed, None);
    let asked = server.finish();
    assert_eq!(asked[0].line(), "POST /2/tweets");
    assert_eq!(asked[0].json(), json!({ "text": "Hello", "media": { "media_ids": ["71"] } }));
}

#[tokio::test]
async fn no_two_commits_share_a_connection() {
    let server = Server::start([created(), created()]).await;
    let x = x(&server.url);
    for _ in 0..2 {
        let (commit, _) = x.commit(&access(), &draft("Hello"), in_time()).await;
        assert!(matches!(commit, Commit::Published(_)), "{commit:?}");
    }
    let connections: Vec<usize> = server.finish().iter().map(|asked| asked.connection).collect();
    assert_eq!(connections, [0, 1]);
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let (commit, _) = x(&url).commit(&access(), &draft("Hello"), in_time()).await;
    assert!(matches!(commit, Commit::NotSent { .. }), "{commit:?}");
}

#[tokio::test]
async fn without_tls_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("https://{}", listener.local_addr().unwrap())).unwrap();
    let closing = tokio::spawn(async move { listener.accept().await.map(drop) });
    let (commit, _) = x(&url).commit(&access(), &draft("Hello"), in_time()).await;
    assert!(matches!(commit, Commit::NotSent { .. }), "{commit:?}");
    closing.await.unwrap().unwrap();
}

#[tokio::test]
async fn whatever_leaves_the_outcome_open_is_unknown() {
    for reply in [
        Reply::DropUnread,
        Reply::DropRead,
        Reply::Reset,
        Reply::Torn,
        problem(503, "about:blank", "Over capacity").header("retry-after", 5),
        problem(500, "internal-error", "Oops"),
        Reply::raw(502, "<html>"),
        Reply::raw(408, ""),
        Reply::raw(307, "").header("location", "/2/tweets"),
        Reply::raw(200, "{"),
        Reply::raw(201, ""),
        Reply::raw(201, r#"{"data":{"id":7}}"#),
        Reply::json(201, json!({ "errors": [] })),
    ] {
        let told = format!("{reply:?}");
        let (commit, _, _) = one_commit(reply).await;
        match commit {
            Commit::Unknown { reason } => assert!(!reason.is_empty()),
            other => panic!("{told}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn silence_is_unknown() {
    let server = Server::start([Reply::Hang]).await;
    let (commit, _) = hasty(&server.url).commit(&access(), &draft("Hello"), in_time()).await;
    assert!(matches!(commit, Commit::Unknown { .. }), "{commit:?}");
    assert_eq!(server.connections(), 1);
    server.finish();
}

#[tokio::test]
async fn refusals_are_definite_and_have_their_class() {
    for (reply, class) in [
        (
            problem(
                403,
                "about:blank",
                "You are not allowed to create a Tweet with duplicate content.",
            ),
            ErrorClass::Duplicate,
        ),
        (problem(403, "about:blank", "Only one cashtag."), ErrorClass::Permanent),
        (problem(403, "client-forbidden", "Not enrolled."), ErrorClass::Permission),
        (problem(400, "invalid-request", "Too long."), ErrorClass::Permanent),
        (Reply::raw(401, "<html>"), ErrorClass::AuthRefresh),
        (Reply::raw(402, ""), ErrorClass::Quota),
        (Reply::raw(429, ""), ErrorClass::RateLimited),
    ] {
        let told = format!("{reply:?}");
        assert_eq!(refused(reply).await.class, class, "{told}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_in_500_characters_without_the_token() {
    let detail = format!("{TOKEN} {}", "é".repeat(600));
    let refusal = refused(problem(400, "invalid-request", &detail)).await;
    assert_eq!(refusal.message.chars().count(), 500);
    assert!(refusal.message.starts_with("[token] é"), "{}", refusal.message);
}

/// When X answers, by its own clock, which is far from this machine's.
const DATE: &str = "Tue, 15 Nov 2022 12:45:26 GMT";
const AT: i64 = 1_668_516_326;

#[tokio::test]
async fn a_rate_limit_closes_the_accounts_key_until_the_reset_by_the_networks_clock() {
    let limited = || {
        problem(429, "rate-limit-exceeded", "Slow down")
            .header("date", DATE)
            .header("x-rate-limit-remaining", 0)
    };
    let closed = refused(limited().header("x-rate-limit-reset", AT + 77)).await.closed.unwrap();
    let connector = x(&Url::parse(connectors::x::DEFAULT_BASE_URL).unwrap());
    assert_eq!(closed.key, connector.publish_key("2244994945"));
    assert_eq!(closed.opens_in, Duration::from_secs(77));
    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    assert_eq!(closed.until(now), now + TimeDelta::seconds(77));
    let over = refused(limited().header("x-rate-limit-reset", AT - 5)).await.closed.unwrap();
    assert_eq!(over.opens_in, Duration::ZERO);
    let wild = refused(limited().header("x-rate-limit-reset", i64::MAX)).await.closed.unwrap();
    assert_eq!(wild.opens_in, Duration::from_secs(31 * 86_400));
}

#[tokio::test]
async fn a_rate_limit_without_a_reset_lasts_a_window() {
    for reply in [
        Reply::raw(429, r#"{"errors":[{"code":88,"message":"Rate limit exceeded"}]}"#),
        Reply::raw(429, "").header("date", DATE).header("x-rate-limit-reset", "soon"),
        // A moment of a clock that is not told.
        Reply::raw(429, "").header("x-rate-limit-reset", AT + 77),
    ] {
        let closed = refused(reply).await.closed.unwrap();
        assert_eq!(closed.opens_in, Duration::from_secs(15 * 60));
    }
}

#[tokio::test]
async fn the_apps_limits_close_the_apps_key() {
    let closed = refused(Reply::raw(402, "")).await.closed.unwrap();
    assert_eq!(closed.key, "x:app:POST /2/tweets");
    let connector = x(&Url::parse(connectors::x::DEFAULT_BASE_URL).unwrap());
    for kind in ["rate-limit-exceeded", "usage-capped"] {
        let reply = problem(429, kind, "Enough")
            .header("date", DATE)
            .header("x-rate-limit-remaining", 55)
            .header("x-rate-limit-reset", AT + 60)
            .header("x-app-limit-24hour-remaining", 0)
            .header("x-app-limit-24hour-reset", AT + 7200);
        let closed = refused(reply).await.closed.unwrap();
        let long = Duration::from_secs(7200);
        assert_eq!((&*closed.key, closed.opens_in), ("x:app:POST /2/tweets", long));
        assert!(connector.publish_keys("2244994945").contains(&closed.key));
    }
}

#[tokio::test]
async fn the_last_call_of_a_window_closes_its_key() {
    let reply = created()
        .header("date", DATE)
        .header("x-rate-limit-remaining", 0)
        .header("x-rate-limit-reset", AT + 77);
    let (commit, closed, _) = one_commit(reply).await;
    assert!(matches!(commit, Commit::Published(_)), "{commit:?}");
    assert_eq!(closed.unwrap().opens_in, Duration::from_secs(77));
    let (_, closed, _) = one_commit(created().header("x-rate-limit-remaining", 1)).await;
    assert_eq!(closed, None);
}

#[tokio::test]
async fn a_call_whose_time_has_run_out_while_it_connected_is_not_sent() {
    let server = Server::start([]).await;
    let (commit, _) = x(&server.url).commit(&access(), &draft("Hello"), Instant::now()).await;
    let Commit::NotSent { reason } = commit else { panic!("{commit:?}") };
    assert!(reason.contains("time to be sent had run out"), "{reason}");
    assert!(server.finish().is_empty(), "not a byte of it arrived");
}
