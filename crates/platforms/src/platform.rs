//! The closed list of networks the fleet can publish to.
//!
//! **Invariant:** a network is listed only when it can be published to; adding one is a variant
//! here, a file beside this one and a connector, and the compiler names what is missing.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::{Content, EngagementType, Gives, Violation, x};

/// A network, by the name that the product's schema and its frontends use.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Platform {
    /// X, called Twitter in the product's schema.
    Twitter,
}

impl Platform {
    /// Every network, in the order in which they are listed to people.
    pub const ALL: [Platform; 1] = [Platform::Twitter];

    /// The name on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Platform::Twitter => "TWITTER",
        }
    }

    /// The name a person reads.
    pub const fn display_name(self) -> &'static str {
        match self {
            Platform::Twitter => "X",
        }
    }

    /// Everything that is wrong with the content for this network; empty when it may be posted.
    pub fn check(self, content: &Content<'_>) -> Vec<Violation> {
        match self {
            Platform::Twitter => x::check(content),
        }
    }

    /// The keys under which the network counts publishing calls: the account's and the app's. Either
    /// may be closed by a refusal.
    pub fn publish_keys(self, account_id: &str) -> Vec<String> {
        match self {
            Platform::Twitter => {
                let call = x::Endpoint::CreatePost;
                vec![call.user_key(account_id), call.app_key()]
            }
        }
    }

    /// The scopes that publishing needs, with attachments or without, and that were not granted. None, when
    /// nobody knows what was granted.
    pub fn missing_scopes(self, granted: &[String], with_media: bool) -> Vec<&'static str> {
        let needed: &[&str] = match self {
            Platform::Twitter => &x::POST_SCOPES,
        };
        let media: &[&str] = match self {
            Platform::Twitter => &x::MEDIA_SCOPES,
        };
        let media = media.iter().filter(|_| with_media);
        let is_missing =
            |scope: &&&str| !granted.is_empty() && granted.iter().all(|known| known != *scope);
        needed.iter().chain(media).filter(is_missing).copied().collect()
    }

    /// Whether the network tells how much of something there is.
    pub const fn gives(self, of: EngagementType) -> Gives {
        match self {
            Platform::Twitter => x::gives(of),
        }
    }

    /// Most posts whose totals are asked for in one call.
    pub const fn lookup_size(self) -> usize {
        match self {
            Platform::Twitter => x::LOOKUP_MAX,
        }
    }

    /// The keys under which the network counts calls that ask for totals: the account's and the
    /// app's. Either may be closed by an answer.
    pub fn lookup_keys(self, account_id: &str) -> Vec<String> {
        match self {
            Platform::Twitter => {
                let call = x::Endpoint::GetPosts;
                vec![call.user_key(account_id), call.app_key()]
            }
        }
    }

    /// How long after a publishing call of unknown outcome the account may be read back.
    pub const fn reconcile_wait(self) -> Duration {
        match self {
            Platform::Twitter => x::RECONCILE_WAIT,
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name is not that of a network the fleet can publish to.
#[derive(Debug, thiserror::Error)]
#[error("unknown platform {0:?}: expected one of TWITTER")]
pub struct UnknownPlatform(pub String);

impl FromStr for Platform {
    type Err = UnknownPlatform;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Platform::ALL
            .into_iter()
            .find(|p| p.as_str() == name)
            .ok_or_else(|| UnknownPlatform(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_publishing_needs_and_was_not_granted_is_named() {
        let missing = |granted: &[&str], with_media| {
            let granted: Vec<String> = granted.iter().map(|scope| (*scope).to_owned()).collect();
            Platform::Twitter.missing_scopes(&granted, with_media)
        };
        let all = x::PUBLISH_SCOPES;
        assert!(missing(&all, true).is_empty());
        let reading = ["tweet.read", "users.read", "offline.access"];
        assert_eq!(missing(&reading, false), ["tweet.write"]);
        assert_eq!(missing(&reading, true), ["tweet.write", "media.write"]);
        assert!(missing(&["tweet.read", "tweet.write", "users.read"], false).is_empty());
        assert!(missing(&[], true).is_empty(), "nobody knows");
    }
}
