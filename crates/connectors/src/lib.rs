//! How the networks are called: identify, prepare, commit, observe, delete.
//!
//! One file per network; the worker alone links this crate.
//!
//! **Invariant:** [`Connector::commit`] makes exactly one write and never repeats it by itself;
//! what cannot be known is said to be unknown.

mod oauth;
pub mod x;

pub use oauth::{App, GrantError, OAuth, Tokens};
pub use x::{X, XOAuth};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use platforms::{ErrorClass, Platform, Totals};
use secrecy::SecretString;
use std::time::{Duration, Instant};

/// What a call needs to act for one account.
#[derive(Clone, Debug)]
pub struct Access {
    /// The network's own id of the account.
    pub account_id: String,
    /// The bearer token, in the clear for as long as the call lasts.
    pub token: SecretString,
}

/// An account as the network describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The network's own id.
    pub id: String,
    /// The handle, without a leading `@`.
    pub username: String,
    /// The display name.
    pub name: String,
}

/// One attachment to be uploaded ahead of the post.
#[derive(Clone, Debug)]
pub struct Upload {
    /// The whole file.
    pub bytes: Bytes,
    /// MIME type, found by looking at the bytes.
    pub mime: String,
    /// Description for people who do not see the image.
    pub alt_text: Option<String>,
}

/// An attachment that the network holds, ready to be named in a post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uploaded {
    /// The network's own id.
    pub media_id: String,
    /// After how long the network forgets it, unless it is posted.
    pub expires_in: Option<Duration>,
}

/// The post to be made.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The text, as it shall appear.
    pub text: String,
    /// Ids from [`Connector::prepare`], in order.
    pub media_ids: Vec<String>,
}

/// A post at the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// The network's own id.
    pub id: String,
    /// Where people see it.
    pub url: String,
}

/// What became of the one write of a publish.
#[derive(Clone, Debug)]
pub enum Commit {
    /// The network answered with the post's id.
    Published(Posted),
    /// Nothing reached the network: name not resolved, no connection, no TLS.
    NotSent {
        /// Why, for people and logs.
        reason: String,
    },
    /// The network refused, definitely: there is no post.
    Refused(Refusal),
    /// Timeout, reset, 5xx, unreadable answer: there may be a post.
    Unknown {
        /// Why, for people and logs.
        reason: String,
    },
}

/// A definite refusal by the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What kind of trouble it is.
    pub class: ErrorClass,
    /// HTTP status.
    pub status: u16,
    /// The network's own words, without secrets, at most 500 characters.
    pub message: String,
    /// For rate limits and quotas: the key that is closed, and for how long.
    pub closed: Option<Closed>,
}

/// A key that the network has closed for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// For example `x:user:2244994945:POST /2/tweets`.
    pub key: String,
    /// How long it stays so, counted by the network's clock from its answer: no clock of ours is asked.
    pub opens_in: Duration,
}

impl Closed {
    /// When it opens again, by the clock that says what time it is now.
    pub fn until(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now + self.opens_in
    }
}

/// A value and what the answer's headers said of the call's budget.
#[derive(Clone, Debug)]
pub struct Called<T> {
    /// The answer.
    pub value: T,
    /// Set when the answer said that nothing remains: the key is closed until the reset.
    pub closed: Option<Closed>,
}

/// Trouble with a call that publishes nothing, named by what the caller does about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The network answered, and refused.
    #[error("{} refused with {}: {}", .0.class.as_str(), .0.status, .0.message)]
    Refused(Refusal),
    /// The network could not be reached, failed, or answered something unreadable: try again.
    #[error("unavailable: {reason}")]
    Unavailable {
        /// Why, for people and logs.
        reason: String,
    },
}

/// One page of an account's posts, newest first.
#[derive(Clone, Debug)]
pub struct PostPage {
    /// The posts.
    pub posts: Vec<FoundPost>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<String>,
}

/// A post found at the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPost {
    /// Id and address.
    pub posted: Posted,
    /// When the network made it.
    pub created_at: DateTime<Utc>,
    /// The text as the author wrote it: shortened links expanded, entities unescaped, the
    /// trailing media link removed.
    pub text: String,
    /// How many attachments it shows.
    pub media_count: usize,
}

/// What the network told of one post that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostReading {
    /// The network's own id of the post.
    pub post_id: String,
    /// What it told.
    pub reading: Reading,
}

/// What the network tells of a post's totals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// They are these, as far as it tells them.
    Found(Totals),
    /// There is no such post any more.
    Gone,
    /// There may be, and the account may not see it.
    Hidden,
    /// Nothing, or nothing that we understand.
    Untold,
}

/// One network, called.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Which network this is.
    fn platform(&self) -> Platform;

    /// The key under which the network counts publishing calls of this account.
    fn publish_key(&self, account_id: &str) -> String;

    /// Every key that can close publishing for this account: its own, and where the network has
    /// one, the key of our app, which all accounts share.
    fn publish_keys(&self, account_id: &str) -> Vec<String> {
        vec![self.publish_key(account_id)]
    }

    /// Who the token belongs to.
    ///
    /// # Errors
    /// [`Error::Refused`] when the token is not accepted, [`Error::Unavailable`] otherwise.
    async fn identify(&self, token: &SecretString) -> Result<Called<Account>, Error>;

    /// Uploads one attachment. Repeating it makes a second upload that nobody sees.
    ///
    /// # Errors
    /// [`Error::Refused`] when the file is not accepted, [`Error::Unavailable`] to try again.
    async fn prepare(&self, access: &Access, upload: Upload) -> Result<Called<Uploaded>, Error>;

    /// Publishes. One write, never repeated here, and not begun after `send_before`: that is looked
    /// at when the connection stands, immediately before the first byte. `closed` is set when the
    /// answer's headers said that the account's budget for this call is used up.
    async fn commit(
        &self,
        access: &Access,
        draft: &Draft,
        send_before: Instant,
    ) -> (Commit, Option<Closed>);

    /// The account's posts made at or after `since`, newest first, from `page` on.
    ///
    /// # Errors
    /// As for [`Connector::identify`].
    async fn posts_since(
        &self,
        access: &Access,
        since: DateTime<Utc>,
        page: Option<&str>,
    ) -> Result<Called<PostPage>, Error>;

    /// The totals of posts, one reading for each id and in their order. Of the ids beyond
    /// [`Platform::lookup_size`], and of those that are none of this network's, nothing is asked:
    /// they are [`Reading::Untold`].
    ///
    /// `closed` is set earlier than for other calls: when a tenth of the budget or less remains. What
    /// asks for totals can wait, and leaves the rest to those who cannot.
    ///
    /// # Errors
    /// As for [`Connector::identify`].
    async fn engagement(
        &self,
        access: &Access,
        post_ids: &[String],
    ) -> Result<Called<Vec<PostReading>>, Error>;

    /// Whether a found post is the draft: the same text as the network compares it, and the same
    /// number of attachments.
    fn is_same(&self, draft: &Draft, found: &FoundPost) -> bool;

    /// Where people see a post of this account.
    fn permalink(&self, username: &str, post_id: &str) -> String;

    /// Deletes a post; a post that is already gone is a success.
    ///
    /// # Errors
    /// As for [`Connector::identify`].
    async fn delete(&self, access: &Access, post_id: &str) -> Result<Called<()>, Error>;
}
