//! The consent page, and the person's answer.
//!
//! **Invariant:** nobody is sent to an address that the app did not register.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Apps, Code, Consented, ControlGrant};
use crate::call::Answer;
use crate::x::accounts::SCOPES;

/// The longest `state`, in characters.
const STATE_MAX: usize = 500;

/// What a person says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ConsentAnswer {
    /// The app may.
    Allow,
    /// The app may not.
    Deny,
}

/// The answer to an open consent page, named by its `state`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewConsent {
    /// The `state` with which the page was opened.
    pub state: String,
    /// Who answers, by id or handle.
    pub user: String,
    /// What they say.
    pub answer: ConsentAnswer,
}

/// What the code's verifier must match.
#[derive(Clone)]
pub(super) enum Challenge {
    Plain(String),
    S256(String),
}

impl Challenge {
    pub(super) fn fits(&self, verifier: &str) -> bool {
        match self {
            Challenge::Plain(challenge) => challenge == verifier,
            Challenge::S256(challenge) => {
                *challenge == URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
            }
        }
    }
}

/// A consent page that waits for its answer.
#[derive(Clone)]
pub(super) struct Asked {
    client_id: String,
    redirect_uri: String,
    scopes: Vec<String>,
    state: String,
    challenge: Challenge,
}

/// A redirection to `uri` with these parameters.
fn redirect(uri: &str, pairs: &[(&str, &str)]) -> Answer {
    let location = match url::Url::parse(uri) {
        Ok(mut url) => {
            url.query_pairs_mut().extend_pairs(pairs);
            url.to_string()
        }
        Err(_) => uri.to_owned(),
    };
    page(302, "").with_header("location", location)
}

fn page(status: u16, body: &str) -> Answer {
    Answer {
        content_type: "text/html; charset=utf-8",
        body: Bytes::from(body.to_owned()),
        ..Answer::json(status, &Value::Null)
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

impl Apps {
    /// `GET /i/oauth2/authorize`: the page, or the way back with an error.
    pub(in crate::x) fn ask(&mut self, query: &[(String, String)], users: &[&str]) -> Answer {
        let get =
            |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let get = |name: &str| get(name).unwrap_or_default();
        let Some(app) = self.apps.get(get("client_id")) else {
            return page(400, "<h1>Something went wrong</h1><p>The app is not known.</p>");
        };
        let uri = get("redirect_uri");
        if !app.redirect_uris.iter().any(|known| known == uri) {
            return page(400, "<h1>Something went wrong</h1><p>The redirect does not match.</p>");
        }
        let state = get("state");
        let refuse = |error: &str, why: &str| {
            let pairs = [("error", error), ("error_description", why), ("state", state)];
            redirect(uri, &pairs)
        };
        if get("response_type") != "code" {
            return refuse("unsupported_response_type", "response_type must be code");
        }
        if state.is_empty() || state.chars().count() > STATE_MAX {
            return refuse("invalid_request", "state must have 1 to 500 characters");
        }
        let challenge = get("code_challenge").to_owned();
        if !(43..=128).contains(&challenge.len()) {
            return refuse("invalid_request", "code_challenge must have 43 to 128 characters");
        }
        let challenge = match get("code_challenge_method") {
            "S256" => Challenge::S256(challenge),
            "plain" => Challenge::Plain(challenge),
            _ => return refuse("invalid_request", "code_challenge_method must be S256 or plain"),
        };
        let scopes: Vec<String> = get("scope").split_whitespace().map(str::to_owned).collect();
        if scopes.is_empty() || scopes.iter().any(|scope| !SCOPES.contains(&scope.as_str())) {
            return refuse("invalid_scope", "scope has a word that is not known");
        }
        let asked = Asked {
            client_id: app.client_id.clone(),
            redirect_uri: uri.to_owned(),
            scopes,
            state: state.to_owned(),
            challenge,
        };
        let people: String =
            users.iter().map(|user| format!("<option>{}</option>", escape(user))).collect();
        let wishes: String =
            asked.scopes.iter().map(|scope| format!("<li>{}</li>", escape(scope))).collect();
        let body = format!(
            "<!doctype html><title>Authorize</title><h1>{} wants to access your account</h1>\
             <ul>{wishes}</ul><form method=\"post\" action=\"/i/oauth2/authorize\">\
             <input type=\"hidden\" name=\"state\" value=\"{}\"><select name=\"user\">{people}\
             </select><button name=\"answer\" value=\"allow\">Allow</button>\
             <button name=\"answer\" value=\"deny\">Deny</button></form>",
            escape(&asked.client_id),
            escape(&asked.state),
        );
        self.asked.insert(asked.state.clone(), asked);
        page(200, &body)
    }

    /// Answers an open page for the person; `None` when no page is open under this state.
    pub(in crate::x) fn answer(
        &mut self,
        state: &str,
        user: &str,
        answer: ConsentAnswer,
        (now, expires_at): (DateTime<Utc>, DateTime<Utc>),
    ) -> Option<Answer> {
        let Asked { client_id, redirect_uri, scopes, state, challenge } =
            self.asked.remove(state)?;
        if answer == ConsentAnswer::Deny {
            return Some(redirect(&redirect_uri, &[("error", "access_denied"), ("state", &state)]));
        }
        let grant = self.grants.len();
        let told = ControlGrant {
            id: format!("grant-{}", grant + 1),
            client_id,
            user_id: user.to_owned(),
            scopes,
            refreshes: 0,
            ended: false,
        };
        self.grants.push(Consented { told, access: Vec::new(), refresh: None });
        let code = self.make("code", now);
        let answer = redirect(&redirect_uri, &[("state", &state), ("code", &code)]);
        let kept = Code { grant, redirect_uri, challenge, expires_at, used: false };
        self.codes.insert(code, kept);
        Some(answer)
    }
}
