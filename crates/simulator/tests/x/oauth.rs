//! OAuth of X: consent, codes, rotation, revocation, and their faults.

use std::collections::BTreeMap;

use chrono::Utc;
use reqwest::{Response, StatusCode, redirect};
use serde_json::{Value, json};
use simulator::{
    Action, ConsentAnswer, NewApp, NewConsent, NewUser, Note, Rule, SettingsPatch, When,
};
use url::Url;

use crate::stage::{Caller, Stage};

const TOKEN: &str = "/2/oauth2/token";
const BACK: &str = "https://app.example/callback";
/// The published pair of RFC 7636.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const DEAD: &str = "Value passed for the token was invalid.";

/// A confidential app and a user who may be asked.
struct Flow {
    stage: Stage,
    http: reqwest::Client,
}

/// What the token endpoint said.
struct Told {
    status: StatusCode,
    body: Value,
}

impl Told {
    fn text(&self, name: &str) -> String {
        self.body[name].as_str().unwrap().to_owned()
    }

    fn refused(&self, status: u16, error: &str) {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.body["error"], error, "{}", self.body);
        assert!(self.body["error_description"].is_string());
    }
}

impl Flow {
    async fn new() -> Self {
        let stage = Stage::new().await;
        let app = NewApp {
            client_id: "app".into(),
            client_secret: Some("s3cret".into()),
            redirect_uris: vec![BACK.into()],
        };
        stage.control.register_app(&app).await.unwrap();
        let ada = NewUser { username: "ada".into(), name: "Ada".into(), id: None, tokens: vec![] };
        stage.control.register(&ada).await.unwrap();
        let none = redirect::Policy::none();
        let http = reqwest::Client::builder().no_proxy().redirect(none).build().unwrap();
        Self { stage, http }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.stage.running.base_url())
    }

    /// Opens the consent page, with changes to what a right app asks.
    async fn ask(&self, changes: &[(&str, &str)]) -> Response {
        let mut asked = BTreeMap::from([
            ("response_type", "code"),
            ("client_id", "app"),
            ("redirect_uri", BACK),
            ("scope", "tweet.read tweet.write users.read offline.access"),
            ("state", "s-1"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]);
        asked.extend(changes.iter().copied());
        self.http.get(self.url("/i/oauth2/authorize")).query(&asked).send().await.unwrap()
    }

    /// A code for Ada's account.
    async fn code(&self, changes: &[(&str, &str)]) -> String {
        assert_eq!(self.ask(changes).await.status(), 200);
        let consent =
            NewConsent { state: "s-1".into(), user: "ada".into(), answer: ConsentAnswer::Allow };
        let location = self.stage.control.consent(&consent).await.unwrap();
        parameters(&location)["code"].clone()
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Told {
        let request = self.http.post(self.url(path)).basic_auth("app", Some("s3cret")).form(form);
        let response = request.send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        Told { status, body: serde_json::from_str(&text).unwrap() }
    }

    async fn exchange(&self, code: &str) -> Told {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", BACK),
            ("code_verifier", VERIFIER),
        ];
        self.post(TOKEN, &form).await
    }

    async fn refresh(&self, token: &str) -> Told {
        self.post(TOKEN, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    async fn connected(&self) -> Told {
        let told = self.exchange(&self.code(&[]).await).await;
        assert_eq!(told.status, 200, "{}", told.body);
        told
    }

    async fn caller(&self, token: &str) -> Caller {
        self.stage.caller("other").await.with_token(token)
    }

    /// The notes of the journal, as (type, grant, why not).
    async fn notes(&self) -> Vec<(String, Option<String>, Option<String>)> {
        let entries = self.stage.control.journal(0).await.unwrap();
        let told = |note| match note {
            Note::Token { grant_type, grant, refused, .. } => Some((grant_type, grant, refused)),
            Note::Model { .. } => None,
        };
        entries.into_iter().filter_map(|entry| entry.note.and_then(told)).collect()
    }
}

fn parameters(location: &str) -> BTreeMap<String, String> {
    assert!(location.starts_with(BACK), "{location}");
    Url::parse(location).unwrap().query_pairs().into_owned().collect()
}

#[tokio::test]
async fn a_person_allows_and_the_app_gets_tokens() {
    let flow = Flow::new().await;
    let page = flow.ask(&[]).await.text().await.unwrap();
    assert!(page.contains("Allow") && page.contains("Deny") && page.contains("tweet.write"));
    let form = [("state", "s-1"), ("user", "ada"), ("answer", "allow")];
    let request = flow.http.post(flow.url("/i/oauth2/authorize")).form(&form);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 302);
    let back = parameters(answer.headers()["location"].to_str().unwrap());
    assert_eq!(back["state"], "s-1");
    let told = flow.exchange(&back["code"]).await;
    assert_eq!(told.status, 200, "{}", told.body);
    assert_eq!(told.body["token_type"], "bearer");
    assert_eq!(told.body["expires_in"], 7200);
    assert_eq!(told.text("scope"), "tweet.read tweet.write users.read offline.access");
    let access = told.text("access_token");
    let ada = flow.caller(&access).await;
    assert_eq!(ada.get("/2/users/me").await.body()["data"]["username"], "ada");
    let media = ada.upload().await;
    assert_eq!(media.status, 403, "the scope media.write was not granted");
    let journal = serde_json::to_string(&flow.stage.control.journal(0).await.unwrap()).unwrap();
    for secret in [&access, &told.text("refresh_token"), &back["code"], VERIFIER, "s3cret"] {
        assert!(!journal.contains(secret), "{journal}");
    }
    let exchange = flow.stage.control.journal(0).await.unwrap().into_iter();
    let exchange = exchange.rev().find(|entry| entry.path == TOKEN).unwrap();
    assert_eq!(exchange.user.unwrap().username, "ada");
}

#[tokio::test]
async fn a_person_denies() {
    let flow = Flow::new().await;
    flow.ask(&[]).await;
    let consent =
        NewConsent { state: "s-1".into(), user: "ada".into(), answer: ConsentAnswer::Deny };
    let back = parameters(&flow.stage.control.consent(&consent).await.unwrap());
    assert_eq!((back["error"].as_str(), back["state"].as_str()), ("access_denied", "s-1"));
    flow.stage.control.consent(&consent).await.unwrap_err();
}

#[tokio::test]
async fn a_wrong_question_is_refused_before_the_page() {
    let flow = Flow::new().await;
    assert_eq!(flow.ask(&[("client_id", "who")]).await.status(), 400);
    assert_eq!(flow.ask(&[("redirect_uri", "https://evil.example/")]).await.status(), 400);
    let long = "s".repeat(501);
    for (name, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("scope", "tweet.everything", "invalid_scope"),
        ("state", long.as_str(), "invalid_request"),
        ("state", "", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("code_challenge_method", "S512", "invalid_request"),
    ] {
        let answer = flow.ask(&[(name, value)]).await;
        assert_eq!(answer.status(), 302, "{name}");
        let back = parameters(answer.headers()["location"].to_str().unwrap());
        assert_eq!(back["error"], error, "{name}");
    }
}

#[tokio::test]
async fn a_code_is_good_once_and_for_its_time_and_its_verifier() {
    let flow = Flow::new().await;
    let code = flow.code(&[]).await;
    let first = flow.exchange(&code).await;
    flow.exchange(&code).await.refused(400, "invalid_request");
    let caller = flow.caller(&first.text("access_token")).await;
    assert_eq!(caller.get("/2/users/me").await.status, 401, "a code used twice ends its grant");
    let code = flow.code(&[]).await;
    let wrong = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", BACK),
        ("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXx"),
    ];
    flow.post(TOKEN, &wrong).await.refused(400, "invalid_request");
    let patch = SettingsPatch { code_lifetime_ms: Some(0), ..Default::default() };
    flow.stage.control.change(&patch).await.unwrap();
    let code = flow.code(&[]).await;
    flow.exchange(&code).await.refused(400, "invalid_request");
    let why: Vec<_> = flow.notes().await.into_iter().filter_map(|(_, _, why)| why).collect();
    assert_eq!(why, ["codeUsed", "verifier", "codeExpired"]);
}

#[tokio::test]
async fn an_app_must_authenticate() {
    let flow = Flow::new().await;
    let code = flow.code(&[]).await;
    let form = [("grant_type", "authorization_code"), ("code", &code), ("client_id", "app")];
    let request = flow.http.post(flow.url(TOKEN)).form(&form);
    assert_eq!(request.send().await.unwrap().status(), 401);
    let request = flow.http.post(flow.url(TOKEN)).basic_auth("app", Some("wrong")).form(&form);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 401);
    let text = response.text().await.unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["error"], "invalid_client");
    flow.post(TOKEN, &[("grant_type", "password")]).await.refused(400, "unsupported_grant_type");
    let public =
        NewApp { client_id: "pub".into(), client_secret: None, redirect_uris: vec![BACK.into()] };
    flow.stage.control.register_app(&public).await.unwrap();
    let code = flow.code(&[("client_id", "pub")]).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", BACK),
        ("code_verifier", VERIFIER),
        ("client_id", "pub"),
    ];
    let request = flow.http.post(flow.url(TOKEN)).form(&form);
    assert_eq!(request.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_refresh_token_rotates_and_its_replay_ends_the_grant() {
    let flow = Flow::new().await;
    let first = flow.connected().await;
    let second = flow.refresh(&first.text("refresh_token")).await;
    assert_eq!(second.status, 200);
    assert_ne!(first.text("refresh_token"), second.text("refresh_token"));
    let caller = flow.caller(&second.text("access_token")).await;
    assert_eq!(caller.get("/2/users/me").await.status, 200);
    let replay = flow.refresh(&first.text("refresh_token")).await;
    replay.refused(400, "invalid_request");
    assert_eq!(replay.text("error_description"), DEAD);
    assert_eq!(caller.get("/2/users/me").await.status, 401);
    flow.refresh(&second.text("refresh_token")).await.refused(400, "invalid_request");
    let grant = || Some("grant-1".to_owned());
    let refresh = |why: Option<&str>| ("refresh_token".into(), grant(), why.map(str::to_owned));
    let notes = flow.notes().await;
    assert_eq!(
        notes[1..],
        [refresh(None), refresh(Some("tokenReplayed")), refresh(Some("grantEnded"))]
    );
    let grant = flow.stage.control.grants().await.unwrap().remove(0);
    assert_eq!((grant.refreshes, grant.ended), (1, true));
}

#[tokio::test]
async fn a_replay_may_spare_the_grant() {
    let flow = Flow::new().await;
    let patch = SettingsPatch { replay_ends_grant: Some(false), ..Default::default() };
    flow.stage.control.change(&patch).await.unwrap();
    let first = flow.connected().await;
    let second = flow.refresh(&first.text("refresh_token")).await;
    flow.refresh(&first.text("refresh_token")).await.refused(400, "invalid_request");
    assert_eq!(flow.refresh(&second.text("refresh_token")).await.status, 200);
}

#[tokio::test]
async fn tokens_end_by_time() {
    let flow = Flow::new().await;
    let patch = SettingsPatch {
        access_token_lifetime_ms: Some(0),
        refresh_token_lifetime_ms: Some(0),
        ..Default::default()
    };
    flow.stage.control.change(&patch).await.unwrap();
    let told = flow.connected().await;
    assert_eq!(told.body["expires_in"], 0);
    let caller = flow.caller(&told.text("access_token")).await;
    assert_eq!(caller.get("/2/users/me").await.status, 401);
    assert_eq!(caller.say("hello").await.status, 401);
    flow.refresh(&told.text("refresh_token")).await.refused(400, "invalid_request");
}

#[tokio::test]
async fn no_refresh_token_without_its_scope() {
    let flow = Flow::new().await;
    let code = flow.code(&[("scope", "tweet.read users.read")]).await;
    assert!(flow.exchange(&code).await.body.get("refresh_token").is_none());
}

#[tokio::test]
async fn a_revoked_token_is_gone() {
    let flow = Flow::new().await;
    let told = flow.connected().await;
    let caller = flow.caller(&told.text("access_token")).await;
    let revoked = flow.post("/2/oauth2/revoke", &[("token", &told.text("access_token"))]).await;
    assert_eq!((revoked.status.as_u16(), revoked.body), (200, json!({ "revoked": true })));
    assert_eq!(caller.get("/2/users/me").await.status, 401);
    let told = flow.refresh(&told.text("refresh_token")).await;
    let refresh = told.text("refresh_token");
    flow.post("/2/oauth2/revoke", &[("token", &refresh)]).await;
    let caller = flow.caller(&told.text("access_token")).await;
    assert_eq!(caller.get("/2/users/me").await.status, 401);
    flow.refresh(&refresh).await.refused(400, "invalid_request");
}

#[tokio::test]
async fn faults_meet_refreshes() {
    let flow = Flow::new().await;
    let told = flow.connected().await;
    let token = told.text("refresh_token");
    let fault = async |action| {
        let rule = Rule::on("POST", TOKEN, action).user("ada");
        flow.stage.control.fault(rule).await.unwrap();
    };
    fault(Action::status(503)).await;
    flow.refresh(&token).await.refused(503, "temporarily_unavailable");
    fault(Action::status(400)).await;
    flow.refresh(&token).await.refused(400, "invalid_request");
    let before = Utc::now().timestamp();
    fault(Action::RateLimited { reset_in_ms: 1_000 }).await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", &token)];
    let request = flow.http.post(flow.url(TOKEN)).form(&form);
    let limited = request.send().await.unwrap();
    assert_eq!(limited.status(), 429);
    let reset = limited.headers()["x-rate-limit-reset"].to_str().unwrap().to_owned();
    assert!(reset.parse::<i64>().unwrap() > before);
    fault(Action::Delay { ms: 5, when: When::Before }).await;
    let told = flow.refresh(&token).await;
    fault(Action::DropAfter {}).await;
    let token = told.text("refresh_token");
    let form = [("grant_type", "refresh_token"), ("refresh_token", &token)];
    let request = flow.http.post(flow.url(TOKEN)).basic_auth("app", Some("s3cret")).form(&form);
    request.send().await.unwrap_err();
    assert_eq!(flow.stage.control.grants().await.unwrap()[0].refreshes, 2);
    flow.refresh(&token).await.refused(400, "invalid_request");
    let told = flow.connected().await;
    fault(Action::RevokeGrant {}).await;
    flow.refresh(&told.text("refresh_token")).await.refused(400, "invalid_request");
    let caller = flow.caller(&told.text("access_token")).await;
    assert_eq!(caller.get("/2/users/me").await.status, 401);
}
