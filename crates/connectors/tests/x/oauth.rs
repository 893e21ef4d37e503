//! X's OAuth endpoints: what is sent, and what each answer means.

use connectors::{App, GrantError, OAuth, Tokens, XOAuth};
use platforms::ErrorClass;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;
use url::Url;

use crate::server::{Asked, Reply, Server};
use crate::{LOGGED, Logged};

const SECRET: &str = "our-secret-that-nobody-may-see";
const CODE: &str = "code-that-nobody-may-see";
const VERIFIER: &str = "verifier-that-nobody-may-see-0123456789-0123456789";
const OLD: &str = "old-refresh-token-that-nobody-may-see";
const NEW_ACCESS: &str = "new-access-token-that-nobody-may-see";
const NEW_REFRESH: &str = "new-refresh-token-that-nobody-may-see";

fn oauth(url: &Url, secret: Option<&str>, timeout: Duration) -> XOAuth {
    LazyLock::force(&LOGGED);
    let app =
        App { client_id: "our app".to_owned(), client_secret: secret.map(SecretString::from) };
    XOAuth::new(url.clone(), app, timeout, Duration::from_secs(5)).unwrap()
}

fn granted() -> Reply {
    Reply::json(
        200,
        json!({
            "token_type": "bearer", "expires_in": 7200, "access_token": NEW_ACCESS,
            "refresh_token": NEW_REFRESH, "scope": "tweet.read users.read offline.access",
        }),
    )
}

async fn refreshed(reply: Reply, timeout: Duration) -> Result<Tokens, GrantError> {
    let server = Server::start([reply]).await;
    let result = oauth(&server.url, Some(SECRET), timeout).refresh(&OLD.into()).await;
    assert_eq!(server.connections(), 1, "one connection, whatever happens");
    server.finish_undescribed();
    result
}

fn form(asked: &Asked) -> HashMap<String, String> {
    url::form_urlencoded::parse(&asked.body).into_owned().collect()
}

fn map(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

#[tokio::test]
async fn a_code_becomes_tokens() {
    let server = Server::start([granted()]).await;
    let back = Url::parse("https://api.example.com/oauth/x/callback").unwrap();
    let oauth = oauth(&server.url, Some(SECRET), Duration::from_secs(30));
    let tokens = oauth.exchange(&CODE.into(), &VERIFIER.into(), &back).await.unwrap();
    assert_eq!(tokens.access.expose_secret(), NEW_ACCESS);
    assert_eq!(tokens.refresh.as_ref().unwrap().expose_secret(), NEW_REFRESH);
    assert_eq!(tokens.expires_in, Some(Duration::from_secs(7200)));
    assert_eq!(tokens.scopes.unwrap(), ["tweet.read", "users.read", "offline.access"]);

    let asked = server.finish_undescribed();
    assert_eq!(asked[0].line(), "POST /2/oauth2/token");
    // Name and secret are encoded as in a form before they are joined.
    let basic = "Basic b3VyK2FwcDpvdXItc2VjcmV0LXRoYXQtbm9ib2R5LW1heS1zZWU=";
    assert_eq!(asked[0].header("authorization"), Some(basic));
    let sent = map(&[
        ("grant_type", "authorization_code"),
        ("code", CODE),
        ("code_verifier", VERIFIER),
        ("redirect_uri", back.as_str()),
    ]);
    assert_eq!(form(&asked[0]), sent);
}

#[tokio::test]
async fn a_refresh_token_becomes_tokens_and_an_old_one_may_stay() {
    let short = json!({ "token_type": "Bearer", "access_token": NEW_ACCESS, "unknown": 1 });
    let server = Server::start([granted(), Reply::json(200, short)]).await;
    let oauth = oauth(&server.url, Some(SECRET), Duration::from_secs(30));
    let tokens = oauth.refresh(&OLD.into()).await.unwrap();
    assert_eq!(tokens.refresh.unwrap().expose_secret(), NEW_REFRESH);
    let tokens = oauth.refresh(&OLD.into()).await.unwrap();
    assert_eq!(tokens.access.expose_secret(), NEW_ACCESS);
    assert!(tokens.refresh.is_none() && tokens.expires_in.is_none() && tokens.scopes.is_none());

    let asked = server.finish_undescribed();
    let sent = map(&[("grant_type", "refresh_token"), ("refresh_token", OLD)]);
    assert_eq!(form(&asked[0]), sent);
    assert_ne!(asked[0].connection, asked[1].connection, "each call has its own");
}

#[tokio::test]
async fn an_app_without_a_secret_says_its_name_in_the_form() {
    let server = Server::start([granted()]).await;
    let oauth = oauth(&server.url, None, Duration::from_secs(30));
    oauth.refresh(&OLD.into()).await.unwrap();
    let asked = server.finish_undescribed();
    assert_eq!(asked[0].header("authorization"), None);
    assert_eq!(form(&asked[0])["client_id"], "our app");
}

#[tokio::test]
async fn a_dead_grant_is_told_from_other_refusals() {
    let quoted = format!("Value passed for the token was invalid. ({OLD})");
    let dead = json!({ "error": "invalid_request", "error_description": quoted });
    let error = refreshed(Reply::json(400, dead), Duration::from_secs(30)).await.unwrap_err();
    let GrantError::Dead(refusal) = error else { panic!("{error}") };
    assert_eq!(refusal.message, "Value passed for the token was invalid. ([token])");

    for (status, body, class) in [
        (400, json!({ "error": "invalid_request" }), ErrorClass::Permanent),
        (401, json!({ "error": "invalid_client" }), ErrorClass::Config),
        (401, json!({ "error": "unauthorized_client" }), ErrorClass::Config),
        (403, json!({}), ErrorClass::Permanent),
    ] {
        let error = refreshed(Reply::json(status, body), Duration::from_secs(30)).await;
        assert!(matches!(&error, Err(GrantError::Refused(r)) if r.class == class), "{error:?}");
    }
    let reply = Reply::json(429, json!({ "title": "Too Many Requests" }))
        .header("x-rate-limit-remaining", 0)
        .header("x-rate-limit-reset", chrono::Utc::now().timestamp() + 60);
    let error = refreshed(reply, Duration::from_secs(30)).await.unwrap_err();
    let GrantError::Refused(refusal) = error else { panic!("{error}") };
    assert_eq!(refusal.class, ErrorClass::RateLimited);
    assert_eq!(refusal.closed.unwrap().key, "x:app:POST /2/oauth2/token");
}

#[tokio::test]
async fn a_failure_is_no_lost_answer_and_neither_is_a_dead_grant() {
    for status in [408, 500, 502, 503, 504] {
        let reply = Reply::raw(status, "<html>sorry</html>");
        let error = refreshed(reply, Duration::from_secs(30)).await.unwrap_err();
        assert!(matches!(error, GrantError::Failed { .. }), "{status}: {error}");
    }
    for reply in [
        Reply::Torn,
        Reply::DropRead,
        Reply::Reset,
        Reply::raw(200, ""),
        Reply::raw(200, "not JSON"),
        Reply::raw(200, "[]"),
        Reply::json(200, json!({ "token_type": "bearer", "refresh_token": NEW_REFRESH })),
        Reply::json(200, json!({ "token_type": "bearer", "access_token": "" })),
    ] {
        let error = refreshed(reply.clone(), Duration::from_secs(30)).await.unwrap_err();
        assert!(matches!(error, GrantError::Lost { .. }), "{reply:?}: {error}");
    }
    let error = refreshed(Reply::Hang, Duration::from_millis(200)).await.unwrap_err();
    assert!(matches!(error, GrantError::Lost { .. }), "{error}");
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let error = oauth(&url, None, Duration::from_secs(5)).refresh(&OLD.into()).await.unwrap_err();
    assert!(matches!(error, GrantError::NotSent { .. }), "{error}");
}

#[tokio::test]
async fn a_token_that_is_gone_counts_as_revoked() {
    let gone = json!({
        "error": "invalid_request",
        "error_description": "Value passed for the token was invalid.",
    });
    let replies =
        [Reply::json(200, json!({ "revoked": true })), Reply::json(400, gone), Reply::raw(503, "")];
    let server = Server::start(replies).await;
    let oauth = oauth(&server.url, Some(SECRET), Duration::from_secs(30));
    oauth.revoke(&OLD.into()).await.unwrap();
    oauth.revoke(&OLD.into()).await.unwrap();
    let error = oauth.revoke(&OLD.into()).await.unwrap_err();
    assert!(matches!(error, GrantError::Failed { .. }), "{error}");
    let asked = server.finish_undescribed();
    assert_eq!(asked[0].line(), "POST /2/oauth2/revoke");
    assert_eq!(form(&asked[0])["token"], OLD);
}

#[tokio::test]
async fn no_secret_is_told() {
    let secrets = [SECRET, CODE, VERIFIER, OLD, NEW_ACCESS, NEW_REFRESH];
    let server = Server::start([granted()]).await;
    let oauth = oauth(&server.url, Some(SECRET), Duration::from_secs(30));
    let tokens = oauth.refresh(&OLD.into()).await.unwrap();
    let mut told = format!("{oauth:?} {tokens:?}");
    server.finish_undescribed();
    let echoing = json!({ "error": "invalid_request", "error_description": secrets.join(" ") });
    let broken = format!("{{\"access_token\": \"{NEW_ACCESS}\", \"token_type\": 7}}");
    for reply in [Reply::json(400, echoing), Reply::raw(200, &broken), Reply::raw(200, NEW_ACCESS)]
    {
        let server = Server::start([reply]).await;
        let back = Url::parse("https://api.example.com/").unwrap();
        let oauth = self::oauth(&server.url, Some(SECRET), Duration::from_secs(30));
        let error = oauth.exchange(&CODE.into(), &VERIFIER.into(), &back).await.unwrap_err();
        told += &format!("{error} {error:?}");
        server.finish_undescribed();
    }
    // Words that no request carried cannot be known to be secrets when a refusal quotes them.
    for secret in [SECRET, CODE, VERIFIER] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
    let Logged(logged) = &*LOGGED;
    let logged = String::from_utf8(logged.lock().unwrap().clone()).unwrap();
    for secret in secrets {
        assert!(!logged.contains(secret), "{secret} was logged");
    }
}
