//! A grant from consent to its end, at the simulated X.

use connectors::{App, Connector, GrantError, OAuth, X, XOAuth};
use platforms::{Consent, Platform};
use secrecy::{ExposeSecret, SecretString};
use simulator::{ConsentAnswer, NewApp, NewConsent, NewUser, Running};
use std::time::Duration;
use url::Url;

const BACK: &str = "https://app.example/callback";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const STATE: &str = "v1.k1.AAAA";

struct Stage {
    running: Running,
    oauth: XOAuth,
    x: X,
}

impl Stage {
    async fn new() -> Stage {
        let running = Running::start().await.unwrap();
        let app = NewApp {
            client_id: "our app".into(),
            client_secret: Some("our secret".into()),
            redirect_uris: vec![BACK.into()],
        };
        running.client().register_app(&app).await.unwrap();
        let ada = NewUser { username: "ada".into(), name: "Ada".into(), id: None, tokens: vec![] };
        running.client().register(&ada).await.unwrap();
        let url = Url::parse(running.base_url()).unwrap();
        let (request, connect) = (Duration::from_secs(30), Duration::from_secs(5));
        let app = App { client_id: "our app".into(), client_secret: Some("our secret".into()) };
        let oauth = XOAuth::new(url.clone(), app, request, connect).unwrap();
        Stage { oauth, x: X::new(url, request, connect).unwrap(), running }
    }

    /// Where a person who answers is sent back to.
    async fn answered(&self, answer: ConsentAnswer) -> Url {
        let page = format!("{}/i/oauth2/authorize", self.running.base_url());
        let consent = Consent {
            page: &page,
            client_id: "our app",
            redirect_url: BACK,
            scopes: Platform::Twitter.scopes(),
            state: STATE,
            verifier: VERIFIER,
        };
        let url = consent.url(Platform::Twitter).unwrap();
        let browser = reqwest::Client::builder().no_proxy().build().unwrap();
        assert_eq!(browser.get(url).send().await.unwrap().status(), 200);
        let answer = NewConsent { state: STATE.into(), user: "ada".into(), answer };
        self.running.client().consent(&answer).await.unwrap().parse().unwrap()
    }

    async fn code(&self) -> SecretString {
        let back = self.answered(ConsentAnswer::Allow).await;
        assert_eq!(parameter(&back, "state").as_deref(), Some(STATE));
        parameter(&back, "code").unwrap().into()
    }

    async fn exchange(&self, code: &SecretString) -> Result<connectors::Tokens, GrantError> {
        self.oauth.exchange(code, &VERIFIER.into(), &BACK.parse().unwrap()).await
    }

    async fn name(&self, token: &SecretString) -> Option<String> {
        self.x.identify(token).await.ok().map(|called| called.value.username)
    }
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

#[tokio::test]
async fn a_grant_lives_from_consent_over_refreshes_to_its_revocation() {
    let stage = Stage::new().await;
    let first = stage.exchange(&stage.code().await).await.unwrap();
    assert_eq!(stage.name(&first.access).await.as_deref(), Some("ada"));
    assert_eq!(first.scopes.unwrap(), Platform::Twitter.scopes());
    assert!(first.expires_in.is_some());

    let old = first.refresh.unwrap();
    let second = stage.oauth.refresh(&old).await.unwrap();
    let new = second.refresh.unwrap();
    assert_ne!(new.expose_secret(), old.expose_secret(), "it rotates");
    assert_eq!(stage.name(&second.access).await.as_deref(), Some("ada"));

    stage.oauth.revoke(&new).await.unwrap();
    let error = stage.oauth.refresh(&new).await.unwrap_err();
    assert!(matches!(error, GrantError::Dead(_)), "{error}");
    stage.running.stop().await.unwrap();
}

#[tokio::test]
async fn a_refresh_token_is_good_once() {
    let stage = Stage::new().await;
    let old = stage.exchange(&stage.code().await).await.unwrap().refresh.unwrap();
    stage.oauth.refresh(&old).await.unwrap();
    let error = stage.oauth.refresh(&old).await.unwrap_err();
    assert!(matches!(error, GrantError::Dead(_)), "{error}");
    stage.running.stop().await.unwrap();
}

#[tokio::test]
async fn a_code_is_good_once_and_a_denial_has_none() {
    let stage = Stage::new().await;
    let code = stage.code().await;
    stage.exchange(&code).await.unwrap();
    let error = stage.exchange(&code).await.unwrap_err();
    assert!(matches!(error, GrantError::Dead(_) | GrantError::Refused(_)), "{error}");
    let back = stage.answered(ConsentAnswer::Deny).await;
    assert_eq!(parameter(&back, "code"), None);
    assert_eq!(parameter(&back, "error").as_deref(), Some("access_denied"));
    stage.running.stop().await.unwrap();
}
