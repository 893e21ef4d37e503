//! OAuth 2.0 of X: apps, consent, codes, and grants whose tokens rotate.
//!
//! Source: `tables/oauth.json`, `tables/errors.json`, `PLATFORMS.md` sections 3 and 17, read
//! 2026-11-22. The refusal of a code and the answer of the revocation are observed of X.
//!
//! **Invariant:** a code and a refresh token are each good for one answer; token values are
//! compared and told to the app, never to the journal.

mod consent;
mod token;

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use consent::{ConsentAnswer, NewConsent};
pub(super) use token::{DEAD_TOKEN, Exchanged, refusal};

/// An app to be registered.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewApp {
    /// Its public name towards X.
    pub client_id: String,
    /// With a secret the app is confidential: it must authenticate by HTTP Basic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// Where people may be sent back to; compared exactly.
    pub redirect_uris: Vec<String>,
}

impl std::fmt::Debug for NewApp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewApp").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// A grant, as the control tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ControlGrant {
    /// Made up by the simulator; the journal names it too.
    pub id: String,
    /// The app.
    pub client_id: String,
    /// Whose account it is for, by id.
    pub user_id: String,
    /// What it allows.
    pub scopes: Vec<String>,
    /// How many refreshes were accepted.
    pub refreshes: u64,
    /// Whether it is over.
    pub ended: bool,
}

/// A person's consent to an app.
pub(super) struct Consented {
    told: ControlGrant,
    access: Vec<String>,
    /// The refresh token that is good now, and when it ends.
    refresh: Option<(String, DateTime<Utc>)>,
}

/// A code that was handed out.
struct Code {
    grant: usize,
    redirect_uri: String,
    challenge: consent::Challenge,
    expires_at: DateTime<Utc>,
    used: bool,
}

/// The apps, open questions, codes and grants.
#[derive(Default)]
pub(super) struct Apps {
    apps: BTreeMap<String, NewApp>,
    asked: BTreeMap<String, consent::Asked>,
    codes: HashMap<String, Code>,
    grants: Vec<Consented>,
    /// Every refresh token ever told, and the place of its grant.
    refresh_tokens: HashMap<String, usize>,
    made: u64,
}

impl std::fmt::Debug for Apps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Apps").field("apps", &self.apps).finish_non_exhaustive()
    }
}

impl Apps {
    /// Registers an app, or replaces it.
    pub(super) fn put(&mut self, app: NewApp) {
        self.apps.insert(app.client_id.clone(), app);
    }

    /// The grants, oldest first.
    pub(super) fn grants(&self) -> Vec<ControlGrant> {
        self.grants.iter().map(|grant| grant.told.clone()).collect()
    }

    /// A new value that nobody was told before.
    fn make(&mut self, kind: &str, now: DateTime<Utc>) -> String {
        self.made += 1;
        let seed = format!("{kind} {} {}", self.made, now.timestamp_micros());
        format!("{kind}-{}", hex::encode(&Sha256::digest(seed)[..24]))
    }

    /// The place of the grant to which a code or a refresh token belongs.
    fn place(&self, value: &str) -> Option<usize> {
        let code = self.codes.get(value).map(|code| code.grant);
        code.or_else(|| self.refresh_tokens.get(value).copied())
    }

    /// The user to whom a code or a refresh token belongs.
    pub(super) fn owner(&self, value: &str) -> Option<&str> {
        let grant = self.grants.get(self.place(value)?)?;
        Some(&grant.told.user_id)
    }

    /// Ends the grant of a refresh token; returns its access tokens.
    pub(super) fn end(&mut self, value: &str) -> Vec<String> {
        let place = self.place(value);
        place.map(|place| self.end_at(place)).unwrap_or_default()
    }

    /// Ends all grants of a user.
    pub(super) fn end_all(&mut self, user: &str) {
        for grant in self.grants.iter_mut().filter(|grant| grant.told.user_id == user) {
            grant.told.ended = true;
        }
    }

    fn end_at(&mut self, place: usize) -> Vec<String> {
        let Some(grant) = self.grants.get_mut(place) else { return Vec::new() };
        grant.told.ended = true;
        std::mem::take(&mut grant.access)
    }
}
