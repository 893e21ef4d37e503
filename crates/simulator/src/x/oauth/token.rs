//! The token endpoint and the revocation.
//!
//! **Invariant:** every call to them leaves a note in the journal that says whether it was
//! accepted, or why not.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::Apps;
use crate::call::{Answer, Call, Payload};
use crate::journal::Note;
use crate::x::settings::Settings;
use crate::x::{Grant, milliseconds};

/// A refusal, by its word and its text.
struct Refused {
    status: u16,
    error: &'static str,
    why: &'static str,
    /// The journal's word.
    word: &'static str,
}

const fn refused(error: &'static str, why: &'static str, word: &'static str) -> Refused {
    Refused { status: 400, error, why, word }
}

/// How a refresh token is refused that is unknown, used, expired or revoked.
pub(in crate::x) const DEAD_TOKEN: &str = "Value passed for the token was invalid.";

const BAD_CLIENT: Refused = Refused {
    status: 401,
    error: "invalid_client",
    why: "Missing valid authorization header",
    word: "clientUnknown",
};
const NO_FORM: Refused = refused("invalid_request", "The body must be a form.", "notAForm");
const NO_SUCH_TYPE: Refused =
    refused("unsupported_grant_type", "The grant type is not supported.", "grantType");

/// A code that is not good, for the journal's reason `word`.
const fn bad_code(word: &'static str) -> Refused {
    refused("invalid_request", "Value passed for the authorization code was invalid.", word)
}

/// A refresh token that is not good.
const fn bad_token(word: &'static str) -> Refused {
    refused("invalid_request", DEAD_TOKEN, word)
}

/// What the token endpoint came to: the answer, tokens to be registered or revoked.
pub(in crate::x) struct Exchanged {
    pub(in crate::x) answer: Answer,
    /// The user's id and the new access token.
    pub(in crate::x) granted: Option<(String, Grant)>,
    pub(in crate::x) revoked: Vec<String>,
}

/// The answer that refuses in the token endpoint's shape.
pub(in crate::x) fn refusal(status: u16, error: &str, why: &str) -> Answer {
    Answer::json(status, &json!({ "error": error, "error_description": why }))
        .with_header("cache-control", "no-store")
}

impl Apps {
    /// Who calls: by HTTP Basic when the app has a secret, else by `client_id`.
    fn client(&self, call: &Call) -> Result<String, Refused> {
        let basic = call.basic.as_deref().and_then(|text| STANDARD.decode(text).ok());
        let basic = basic.and_then(|bytes| String::from_utf8(bytes).ok());
        let given = match &basic {
            Some(pair) => {
                let (id, secret) = pair.split_once(':').ok_or(BAD_CLIENT)?;
                (decoded(id), Some(decoded(secret)))
            }
            None => (call.field("client_id").unwrap_or_default().to_owned(), None),
        };
        let app = self.apps.get(&given.0).ok_or(BAD_CLIENT)?;
        if app.client_secret == given.1 { Ok(given.0) } else { Err(BAD_CLIENT) }
    }

    /// `POST /2/oauth2/token`.
    pub(in crate::x) fn token(
        &mut self,
        call: &Call,
        settings: &Settings,
        now: DateTime<Utc>,
    ) -> Exchanged {
        let grant_type = call.field("grant_type").unwrap_or_default().to_owned();
        let value = match grant_type.as_str() {
            "refresh_token" => call.field("refresh_token"),
            _ => call.field("code"),
        };
        let place = value.and_then(|value| self.place(value));
        let grant = place.map(|place| self.grants[place].told.id.clone());
        let client = self.client(call);
        let client_id = client.as_ref().ok().cloned();
        let mut revoked = Vec::new();
        let found = client.and_then(|client| {
            if !matches!(call.payload, Payload::Fields(_)) {
                return Err(NO_FORM);
            }
            match grant_type.as_str() {
                "authorization_code" => self.redeem(call, &client, now, &mut revoked),
                "refresh_token" => self.refresh(call, &client, settings, now, &mut revoked),
                _ => Err(NO_SUCH_TYPE),
            }
        });
        let refused = found.as_ref().err().map(|refused| refused.word.to_owned());
        let (mut answer, granted) = match found {
            Ok(place) => self.issue(place, settings, now),
            Err(Refused { status, error, why, .. }) => (refusal(status, error, why), None),
        };
        answer.note = Some(Note::Token { grant_type, client_id, grant, refused });
        Exchanged { answer, granted, revoked }
    }

    fn redeem(
        &mut self,
        call: &Call,
        client: &str,
        now: DateTime<Utc>,
        revoked: &mut Vec<String>,
    ) -> Result<usize, Refused> {
        let code = call.field("code").and_then(|code| self.codes.get_mut(code));
        let code = code.ok_or(bad_code("codeUnknown"))?;
        let place = code.grant;
        if std::mem::replace(&mut code.used, true) {
            *revoked = self.end_at(place);
            return Err(bad_code("codeUsed"));
        }
        if now >= code.expires_at {
            return Err(bad_code("codeExpired"));
        }
        if call.field("redirect_uri") != Some(&code.redirect_uri) {
            return Err(refused(
                "invalid_request",
                "Value passed for the redirect uri did not match the uri of the authorization code.",
                "redirectUri",
            ));
        }
        let verifier = call.field("code_verifier").unwrap_or_default();
        if !(43..=128).contains(&verifier.len()) || !code.challenge.fits(verifier) {
            return Err(refused(
                "invalid_request",
                "Value passed for the code verifier did not match the code challenge.",
                "verifier",
            ));
        }
        let grant = &self.grants[place].told;
        if grant.client_id != client {
            return Err(bad_code("otherClient"));
        }
        if grant.ended { Err(bad_code("grantEnded")) } else { Ok(place) }
    }

    fn refresh(
        &mut self,
        call: &Call,
        client: &str,
        settings: &Settings,
        now: DateTime<Utc>,
        revoked: &mut Vec<String>,
    ) -> Result<usize, Refused> {
        let value = call.field("refresh_token").unwrap_or_default();
        let place = *self.refresh_tokens.get(value).ok_or(bad_token("tokenUnknown"))?;
        let grant = &mut self.grants[place];
        if grant.told.client_id != client {
            return Err(bad_token("otherClient"));
        }
        if grant.told.ended {
            return Err(bad_token("grantEnded"));
        }
        match &grant.refresh {
            Some((current, _)) if current != value => {
                if settings.replay_ends_grant {
                    *revoked = self.end_at(place);
                }
                Err(bad_token("tokenReplayed"))
            }
            Some((_, expires_at)) if now < *expires_at => {
                grant.told.refreshes += 1;
                Ok(place)
            }
            _ => Err(bad_token("tokenExpired")),
        }
    }

    fn issue(
        &mut self,
        place: usize,
        settings: &Settings,
        now: DateTime<Utc>,
    ) -> (Answer, Option<(String, Grant)>) {
        let access = self.make("access", now);
        let refresh = self.make("refresh", now);
        let grant = &mut self.grants[place];
        let scopes = grant.told.scopes.clone();
        let mut body = json!({
            "token_type": "bearer",
            "expires_in": settings.access_token_lifetime_ms / 1000,
            "access_token": access,
            "scope": scopes.join(" "),
        });
        grant.access.push(access.clone());
        if scopes.iter().any(|scope| scope == "offline.access") {
            body["refresh_token"] = Value::from(refresh.clone());
            let end = now + milliseconds(settings.refresh_token_lifetime_ms);
            grant.refresh = Some((refresh.clone(), end));
            self.refresh_tokens.insert(refresh, place);
        }
        let expires_at = Some(now + milliseconds(settings.access_token_lifetime_ms));
        let granted = Grant { token: access, scopes, expires_at };
        let user = self.grants[place].told.user_id.clone();
        let answer = Answer::json(200, &body).with_header("cache-control", "no-store");
        (answer, Some((user, granted)))
    }

    /// `POST /2/oauth2/revoke`: a refresh token takes its grant with it. An unknown token is no
    /// error.
    pub(in crate::x) fn revoke(&mut self, call: &Call) -> Exchanged {
        let token = call.field("token").unwrap_or_default();
        let place = self.refresh_tokens.get(token).copied();
        let holder = self.grants.iter().find(|grant| grant.access.iter().any(|a| a == token));
        let grant = place.map(|place| &self.grants[place]).or(holder).map(|g| g.told.id.clone());
        let client = self.client(call);
        let client_id = client.as_ref().ok().cloned();
        let (mut answer, revoked, refused) = match client {
            Err(Refused { status, error, why, word }) => {
                (refusal(status, error, why), Vec::new(), Some(word.to_owned()))
            }
            Ok(_) => {
                let revoked = match place {
                    Some(place) => self.end_at(place),
                    None => vec![token.to_owned()],
                };
                (Answer::json(200, &json!({ "revoked": true })), revoked, None)
            }
        };
        answer.note =
            Some(Note::Token { grant_type: "revoke".to_owned(), client_id, grant, refused });
        Exchanged { answer, granted: None, revoked }
    }
}

/// A half of HTTP Basic, which clients write as in a form.
fn decoded(text: &str) -> String {
    let pairs = format!("x={text}");
    let mut pairs = url::form_urlencoded::parse(pairs.as_bytes());
    pairs.next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}
