//! The users of the simulated X and their tokens.
//!
//! **Invariant:** a token is compared and never told.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};

use crate::journal::Who;

/// Every scope that X's description names.
///
/// Source: `x/openapi.trimmed.json` (`securitySchemes`), read 2026-11-22.
pub(crate) const SCOPES: &[&str] = &[
    "block.read",
    "block.write",
    "bookmark.read",
    "bookmark.write",
    "broadcast.read",
    "broadcast.write",
    "dm.read",
    "dm.write",
    "follows.read",
    "follows.write",
    "like.read",
    "like.write",
    "list.read",
    "list.write",
    "media.write",
    "mute.read",
    "mute.write",
    "offline.access",
    "space.read",
    "timeline.read",
    "tweet.moderate.write",
    "tweet.read",
    "tweet.write",
    "users.read",
];

/// A user.
#[derive(Clone, Debug)]
pub(super) struct User {
    pub(super) id: String,
    pub(super) username: String,
    pub(super) name: String,
    pub(super) created_at: DateTime<Utc>,
}

impl User {
    pub(super) fn who(&self) -> Who {
        Who { id: self.id.clone(), username: self.username.clone() }
    }
}

/// A token that is known, whether or not it is still good.
struct Grant {
    user: String,
    scopes: Vec<String>,
    expires_at: Option<DateTime<Utc>>,
    revoked: bool,
}

/// A token that is good now.
pub(super) struct Bearer {
    pub(super) user: User,
    pub(super) scopes: Vec<String>,
}

/// The users by id, and the tokens.
#[derive(Default)]
pub(super) struct Accounts {
    users: BTreeMap<String, User>,
    grants: HashMap<String, Grant>,
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Accounts").field("users", &self.users).finish_non_exhaustive()
    }
}

impl Accounts {
    /// Adds a user, or changes the names of the one with this id.
    pub(super) fn put(&mut self, user: User) {
        self.users.insert(user.id.clone(), user);
    }

    /// Adds a token of a user, or replaces what was known of it.
    pub(super) fn grant(
        &mut self,
        token: String,
        user: &str,
        scopes: Vec<String>,
        expires_at: Option<DateTime<Utc>>,
    ) {
        let grant = Grant { user: user.to_owned(), scopes, expires_at, revoked: false };
        self.grants.insert(token, grant);
    }

    /// Revokes a token; nothing happens when it is unknown.
    pub(super) fn revoke(&mut self, token: &str) {
        if let Some(grant) = self.grants.get_mut(token) {
            grant.revoked = true;
        }
    }

    /// Revokes all tokens of a user; returns how many were still good.
    pub(super) fn revoke_all(&mut self, user: &str) -> usize {
        let grants = self.grants.values_mut().filter(|g| g.user == user && !g.revoked);
        grants.map(|grant| grant.revoked = true).count()
    }

    /// Whose token it is, also when it is good no longer.
    pub(super) fn owner(&self, token: &str) -> Option<&User> {
        self.users.get(&self.grants.get(token)?.user)
    }

    /// The user and scopes of a token that is good now.
    pub(super) fn authenticate(&self, token: &str, now: DateTime<Utc>) -> Option<Bearer> {
        let grant = self.grants.get(token)?;
        let alive = !grant.revoked && grant.expires_at.is_none_or(|end| now < end);
        let user = self.users.get(&grant.user).filter(|_| alive)?.clone();
        Some(Bearer { user, scopes: grant.scopes.clone() })
    }

    /// Everybody's handle.
    pub(super) fn handles(&self) -> Vec<&str> {
        self.users.values().map(|user| user.username.as_str()).collect()
    }

    /// The user with this id.
    pub(super) fn user(&self, id: &str) -> Option<&User> {
        self.users.get(id)
    }

    /// The user with this id or handle.
    pub(super) fn find(&self, name: &str) -> Option<&User> {
        self.users
            .get(name)
            .or_else(|| self.users.values().find(|u| u.username.eq_ignore_ascii_case(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn a_token_ends_by_time_and_by_revocation_and_keeps_its_owner() {
        let now = Utc::now();
        let mut accounts = Accounts::default();
        let user =
            User { id: "1".into(), username: "Ada".into(), name: "Ada".into(), created_at: now };
        accounts.put(user);
        accounts.grant("t".into(), "1", vec![], Some(now + TimeDelta::seconds(5)));
        assert!(accounts.authenticate("t", now).is_some());
        assert!(accounts.authenticate("t", now + TimeDelta::seconds(5)).is_none());
        accounts.revoke("t");
        assert!(accounts.authenticate("t", now).is_none());
        assert_eq!(accounts.owner("t").map(|user| user.id.as_str()), Some("1"));
        assert_eq!(accounts.find("ada").map(|user| user.id.as_str()), Some("1"));
        assert_eq!(accounts.revoke_all("1"), 0);
    }
}
