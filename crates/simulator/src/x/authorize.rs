//! The world's side of OAuth: its paths, and what its tokens mean for the accounts.
//!
//! **Invariant:** a token that OAuth ends is revoked at the accounts in the same step.

use chrono::{DateTime, Utc};

use super::accounts::User;
use super::oauth::{ConsentAnswer, ControlGrant, Exchanged, NewApp, NewConsent};
use super::problem::Problem;
use super::{Grant, World, is_oauth, milliseconds};
use crate::call::{Answer, Call};
use crate::journal::Who;

impl World {
    /// On whose behalf a request comes: by its token, or by the code or refresh token in it.
    pub(crate) fn caller(&self, call: &Call) -> Option<Who> {
        if !is_oauth(&call.path) {
            return self.owner(call.bearer.as_deref());
        }
        let value =
            ["refresh_token", "code", "token"].into_iter().find_map(|name| call.field(name))?;
        match self.apps.owner(value) {
            Some(id) => self.accounts.user(id).map(User::who),
            None => self.owner(Some(value)),
        }
    }

    /// Ends the grant of the code or refresh token in a request.
    pub(crate) fn end_grant(&mut self, call: &Call) {
        let value =
            ["refresh_token", "code", "token"].into_iter().find_map(|name| call.field(name));
        for token in self.apps.end(value.unwrap_or_default()) {
            self.accounts.revoke(&token);
        }
    }

    /// Registers an app, or replaces it.
    pub(crate) fn put_app(&mut self, app: NewApp) {
        self.apps.put(app);
    }

    /// The grants, oldest first.
    pub(crate) fn grants(&self) -> Vec<ControlGrant> {
        self.apps.grants()
    }

    /// Answers a consent page for the person; the address to which they are sent.
    ///
    /// # Errors
    /// The field that leads to nothing.
    pub(crate) fn consent(&mut self, consent: &NewConsent) -> Result<String, &'static str> {
        let answer = self.answer_page(&consent.state, &consent.user, consent.answer)?;
        let location = answer.headers.into_iter().find(|(name, _)| name == "location");
        location.map(|(_, location)| location).ok_or("state")
    }

    fn answer_page(
        &mut self,
        state: &str,
        user: &str,
        answer: ConsentAnswer,
    ) -> Result<Answer, &'static str> {
        let user = self.accounts.find(user).ok_or("user")?.id.clone();
        let now = crate::journal::now();
        let times = (now, now + milliseconds(self.settings.code_lifetime_ms));
        self.apps.answer(state, &user, answer, times).ok_or("state")
    }

    /// The paths of OAuth; `None` for all others.
    pub(super) fn authorize(&mut self, call: &Call, now: DateTime<Utc>) -> Option<Answer> {
        let exchanged = match (call.method.as_str(), call.path.as_str()) {
            ("GET", "/i/oauth2/authorize") => {
                return Some(self.apps.ask(&call.query, &self.accounts.handles()));
            }
            ("POST", "/i/oauth2/authorize") => {
                let answer = match call.field("answer") {
                    Some("allow") => ConsentAnswer::Allow,
                    _ => ConsentAnswer::Deny,
                };
                let (state, user) = (call.field("state"), call.field("user"));
                let (state, user) = (state.unwrap_or_default(), user.unwrap_or_default());
                let page = self.answer_page(state, user, answer);
                return Some(page.unwrap_or_else(|_| Problem::no_route().into()));
            }
            ("POST", "/2/oauth2/token") => self.apps.token(call, &self.settings, now),
            ("POST", "/2/oauth2/revoke") => self.apps.revoke(call),
            (_, "/i/oauth2/authorize" | "/2/oauth2/token" | "/2/oauth2/revoke") => {
                return Some(Problem::method_not_allowed().into());
            }
            _ => return None,
        };
        let Exchanged { answer, granted, revoked } = exchanged;
        for token in revoked {
            self.accounts.revoke(&token);
        }
        if let Some((user, Grant { token, scopes, expires_at })) = granted {
            self.accounts.grant(token, &user, scopes, expires_at);
        }
        Some(answer)
    }
}
