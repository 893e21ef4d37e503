//! The X connector against a server that can fail in every way.
//!
//! **Invariant:** every test ends in `Server::finish`, which holds requests and answers against
//! X's own description; those of OAuth, which is not in it, in `Server::finish_undescribed`.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a panic is how a test fails")]

mod commit;
mod engagement;
mod grant;
mod oauth;
mod server;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use connectors::{Access, Commit, Connector, Draft, Error, FoundPost, Posted, Upload, X};
use fleet_tests::contract::Contract;
use platforms::ErrorClass;
use platforms::x::{Endpoint, PUBLISH_SCOPES};
use secrecy::SecretString;
use serde_json::json;
use server::{Asked, Reply, Server, problem};
use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};
use url::Url;

const TOKEN: &str = "token-that-nobody-may-see";

fn token() -> SecretString {
    SecretString::from(TOKEN)
}

fn access() -> Access {
    Access { account_id: "2244994945".to_owned(), token: token() }
}

fn draft(text: &str) -> Draft {
    Draft { text: text.to_owned(), media_ids: Vec::new() }
}

fn x(url: &Url) -> X {
    LazyLock::force(&LOGGED);
    X::new(url.clone(), Duration::from_secs(30), Duration::from_secs(5)).unwrap()
}

fn created() -> Reply {
    Reply::json(201, json!({ "data": { "id": "1346889436626259968", "text": "Hello" } }))
}

/// Makes one commit against one reply.
/// A moment that no test comes near.
fn in_time() -> Instant {
    Instant::now() + Duration::from_secs(600)
}

async fn one_commit(reply: Reply) -> (Commit, Option<connectors::Closed>, Vec<Asked>) {
    let server = Server::start([reply]).await;
    let (commit, closed) = x(&server.url).commit(&access(), &draft("Hello"), in_time()).await;
    assert_eq!(server.connections(), 1, "one connection, whatever happens");
    (commit, closed, server.finish())
}

#[tokio::test]
async fn a_token_is_identified() {
    let user = json!({ "data": { "id": "2244994945", "username": "ezre", "name": "Ezre" } });
    let server = Server::start([Reply::json(200, user)]).await;
    let account = x(&server.url).identify(&token()).await.unwrap().value;
    assert_eq!((&*account.id, &*account.username, &*account.name), ("2244994945", "ezre", "Ezre"));
    let asked = server.finish();
    assert_eq!(asked[0].line(), "GET /2/users/me");
    assert_eq!(asked[0].header("authorization"), Some(&*format!("Bearer {TOKEN}")));
}

#[tokio::test]
async fn a_refused_token_is_said_without_telling_it() {
    let server = Server::start([problem(401, "about:blank", &format!("Bad {TOKEN}"))]).await;
    let x = x(&server.url);
    let error = x.identify(&token()).await.unwrap_err();
    let Error::Refused(refusal) = &error else { panic!("not refused: {error}") };
    assert_eq!((refusal.class, refusal.status), (ErrorClass::AuthRefresh, 401));
    assert_eq!(refusal.message, "Bad [token]");
    for shown in [format!("{error} {error:?}"), format!("{x:?} {:?}", access())] {
        assert!(!shown.contains(TOKEN), "{shown}");
    }
    server.finish();
}

#[tokio::test]
async fn a_small_image_goes_up_in_one_request_and_is_described() {
    let server = Server::start([
        Reply::json(200, json!({ "data": { "id": "71", "expires_after_secs": 86400 } })),
        Reply::json(200, json!({ "data": { "id": "71" } })),
    ])
    .await;
    let upload = Upload {
        bytes: Bytes::from_static(b"\x89PNG\r\n\r\n..."),
        mime: "image/png".to_owned(),
        alt_text: Some("é".repeat(1001)),
    };
    let uploaded = x(&server.url).prepare(&access(), upload).await.unwrap().value;
    assert_eq!(uploaded.media_id, "71");
    assert_eq!(uploaded.expires_in, Some(Duration::from_secs(86_400)));
    let asked = server.finish();
    let form = String::from_utf8_lossy(&asked[0].body).into_owned();
    assert!(form.contains("tweet_image") && form.contains("image/png"), "{form}");
    let described = &asked[1].json()["metadata"]["alt_text"]["text"];
    assert_eq!(described.as_str().unwrap().chars().count(), 1000);
}

#[tokio::test]
async fn a_large_gif_goes_up_in_parts_and_is_waited_for() {
    let pending = json!({ "state": "pending", "check_after_secs": 0 });
    let server = Server::start([
        Reply::json(200, json!({ "data": { "id": "72", "expires_after_secs": 86400 } })),
        Reply::raw(204, ""),
        Reply::json(200, json!({ "data": { "expires_at": 1 } })),
        Reply::json(200, json!({ "data": { "id": "72", "processing_info": pending } })),
        Reply::json(200, json!({ "data": { "id": "72", "processing_info": pending } })),
        Reply::json(
            200,
            json!({ "data": { "id": "72", "processing_info": { "state": "succeeded" } } }),
        ),
    ])
    .await;
    let bytes = Bytes::from(vec![b'g'; 5 * 1024 * 1024 + 1]);
    let upload = Upload { bytes, mime: "image/gif".to_owned(), alt_text: None };
    let uploaded = x(&server.url).prepare(&access(), upload).await.unwrap().value;
    assert_eq!(uploaded.media_id, "72");
    let asked = server.finish();
    let lines: Vec<String> = asked.iter().map(Asked::line).collect();
    assert_eq!(
        lines,
        [
            "POST /2/media/upload/initialize",
            "POST /2/media/upload/72/append",
            "POST /2/media/upload/72/append",
            "POST /2/media/upload/72/finalize",
            "GET /2/media/upload?command=STATUS&media_id=72",
            "GET /2/media/upload?command=STATUS&media_id=72",
        ]
    );
    assert_eq!(asked[0].json()["total_bytes"], 5 * 1024 * 1024 + 1);
    let sent: usize =
        asked[1..3].iter().map(|a| a.body.iter().filter(|b| **b == b'g').count()).sum();
    assert!(sent > 5 * 1024 * 1024, "every byte went up: {sent}");
}

#[tokio::test]
async fn a_file_that_x_cannot_use_is_refused() {
    let failed = json!({ "data": { "id": "73", "processing_info": { "state": "failed" } } });
    let server = Server::start([Reply::json(200, failed)]).await;
    let upload = Upload {
        bytes: Bytes::from_static(b"GIF89a"),
        mime: "image/gif".to_owned(),
        alt_text: None,
    };
    match x(&server.url).prepare(&access(), upload).await {
        Err(Error::Refused(refusal)) => assert_eq!(refusal.class, ErrorClass::Permanent),
        other => panic!("not refused: {other:?}"),
    }
    server.finish();
}

#[tokio::test]
async fn an_accounts_posts_are_read_page_by_page() {
    let post = json!({
        "id": "7", "text": "A &amp; B https://t.co/abc", "created_at": "2026-11-22T10:00:00.000Z",
        "entities": { "urls": [{ "start": 10, "end": 26, "url": "https://t.co/abc",
            "expanded_url": "https://example.com/" }] },
        "attachments": { "media_keys": ["3_1"] },
    });
    let server = Server::start([
        Reply::json(
            200,
            json!({ "data": [post], "meta": { "result_count": 1, "next_token": "n2" } }),
        ),
        Reply::json(200, json!({ "meta": { "result_count": 0 } })),
    ])
    .await;
    let x = x(&server.url);
    let since = DateTime::parse_from_rfc3339("2026-11-22T09:59:59.900Z").unwrap().to_utc();
    let first = x.posts_since(&access(), since, None).await.unwrap().value;
    let next = first.next.as_deref();
    let second = x.posts_since(&access(), since, next).await.unwrap().value;
    assert!(second.posts.is_empty() && second.next.is_none());
    let found = &first.posts[0];
    assert_eq!(found.text, "A & B https://example.com/");
    assert_eq!(found.media_count, 1);
    let draft = Draft { text: "A & B example.com".to_owned(), media_ids: vec!["71".to_owned()] };
    assert!(x.is_same(&draft, found));
    let asked = server.finish();
    assert!(asked[0].target.starts_with("/2/users/2244994945/tweets?"), "{}", asked[0].target);
    assert!(asked[0].target.contains("start_time=2026-11-22T09%3A59%3A59Z"), "{}", asked[0].target);
    assert!(asked[1].target.contains("pagination_token=n2"), "{}", asked[1].target);
}

#[tokio::test]
async fn a_look_that_fails_is_never_an_empty_account() {
    for reply in [
        problem(503, "about:blank", "Over capacity"),
        Reply::raw(200, "<html>"),
        Reply::raw(200, ""),
        Reply::raw(200, "{}"),
        Reply::raw(200, r#"{"data":[{"id":"7"}]}"#),
        Reply::DropRead,
    ] {
        let told = format!("{reply:?}");
        let server = Server::start([reply]).await;
        let found = x(&server.url).posts_since(&access(), Utc::now(), None).await;
        assert!(matches!(found, Err(Error::Unavailable { .. })), "{told}: {found:?}");
        server.finish();
    }
}

#[tokio::test]
async fn a_refused_look_says_so() {
    let refusal = json!({ "errors": [{ "type": "https://api.x.com/2/problems/resource-not-found",
        "title": "Not Found Error", "detail": "No such user.", "resource_type": "user" }] });
    let server = Server::start([Reply::json(200, refusal)]).await;
    match x(&server.url).posts_since(&access(), Utc::now(), None).await {
        Err(Error::Refused(refusal)) => assert_eq!(refusal.message, "No such user."),
        other => panic!("not refused: {other:?}"),
    }
    server.finish();
}

#[tokio::test]
async fn a_post_is_deleted_and_may_be_gone_already() {
    let server = Server::start([
        Reply::json(200, json!({ "data": { "deleted": true } })),
        problem(404, "resource-not-found", "No such post."),
        problem(403, "not-authorized-for-resource", "Not yours."),
        problem(503, "about:blank", "Over capacity"),
    ])
    .await;
    let x = x(&server.url);
    assert!(x.delete(&access(), "7").await.is_ok());
    assert!(x.delete(&access(), "7").await.is_ok());
    match x.delete(&access(), "7").await {
        Err(Error::Refused(refusal)) => assert_eq!(refusal.class, ErrorClass::Permission),
        other => panic!("not refused: {other:?}"),
    }
    assert!(matches!(x.delete(&access(), "7").await, Err(Error::Unavailable { .. })));
    assert_eq!(server.finish()[0].line(), "DELETE /2/tweets/7");
}

#[tokio::test]
async fn another_number_of_attachments_is_another_post() {
    let server = Server::start([]).await;
    let found = FoundPost {
        posted: Posted { id: "7".to_owned(), url: String::new() },
        created_at: Utc::now(),
        text: "Hello".to_owned(),
        media_count: 1,
    };
    assert!(!x(&server.url).is_same(&draft("Hello"), &found));
    assert_eq!(x(&server.url).permalink("ezre", "7"), "https://x.com/ezre/status/7");
    server.finish();
}

#[test]
fn a_base_url_that_cannot_be_called_is_refused() {
    let url = Url::parse("mailto:someone@example.com").unwrap();
    assert!(X::new(url, Duration::from_secs(1), Duration::from_secs(1)).is_err());
}

#[test]
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn our_scopes_allow_every_call_that_we_make() {
    let contract = match Contract::load("x/openapi.trimmed.json") {
        Ok(contract) => contract,
        Err(absent) => return println!("skipped: {absent}"),
    };
    for endpoint in Endpoint::ALL.into_iter().filter(|e| *e != Endpoint::Token) {
        let (method, path) = endpoint.name().split_once(' ').unwrap();
        let scopes = contract.scopes(method, &path.replace("{id}", "1"), "OAuth2UserToken");
        let scopes = scopes.unwrap_or_else(|| panic!("{} is described", endpoint.name()));
        for scope in scopes {
            assert!(PUBLISH_SCOPES.contains(&&*scope), "{} needs {scope}", endpoint.name());
        }
    }
}

/// What all tests logged, as one text.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

/// Filled from the first connector on: a subscriber for one thread alone would miss call sites
/// that other tests have already found unwatched.
static LOGGED: LazyLock<Logged> = LazyLock::new(|| {
    let logged = Logged::default();
    let writer = logged.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).expect("nothing else subscribes");
    logged
});

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_call_is_logged_with_its_status_and_without_the_token() {
    let (commit, _, _) = one_commit(problem(504, "about:blank", TOKEN)).await;
    assert!(!format!("{commit:?}").contains(TOKEN), "{commit:?}");
    let text = String::from_utf8_lossy(&LOGGED.0.lock().unwrap()).into_owned();
    let line = text.lines().find(|line| line.contains("http.response.status_code=504")).unwrap();
    assert!(line.contains("platform.id=\"TWITTER\""), "{line}");
    assert!(line.contains("POST /2/tweets"), "{line}");
    assert!(!text.contains(TOKEN), "the token is in the log");
}
