//! What a network's OAuth endpoints do for us: codes into tokens, old tokens into new ones.
//!
//! One implementation per network, beside its [`crate::Connector`]; whose the tokens are says
//! [`crate::Connector::identify`].
//!
//! **Invariant:** each call is made once. What became of it is told apart, because a refresh token
//! may be good for one use only.

use async_trait::async_trait;
use platforms::Platform;
use secrecy::SecretString;
use std::time::Duration;
use url::Url;

use crate::Refusal;

/// Our app, as the network knows it.
#[derive(Clone, Debug)]
pub struct App {
    /// Its id.
    pub client_id: String,
    /// Its secret; none for an app that cannot keep one.
    pub client_secret: Option<SecretString>,
}

/// Tokens as the network gave them, in the clear until they are sealed.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The bearer token.
    pub access: SecretString,
    /// What a new pair is asked with. After a refresh, `None` means that the old one stays.
    pub refresh: Option<SecretString>,
    /// How long the bearer token is good, where the network says so.
    pub expires_in: Option<Duration>,
    /// The scopes that were granted; `None` means those that were asked for.
    pub scopes: Option<Vec<String>>,
}

/// Why there are no tokens, named by what the caller does about it.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// The code or the refresh token is not good, or no longer: a person must connect the account.
    #[error("the grant is gone: {}", .0.message)]
    Dead(Refusal),
    /// The network refused for another reason, and changed nothing.
    #[error("{} refused with {}: {}", .0.class.as_str(), .0.status, .0.message)]
    Refused(Refusal),
    /// Nothing reached the network: try again.
    #[error("not sent: {reason}")]
    NotSent {
        /// Why, for people and logs.
        reason: String,
    },
    /// The network answered that it failed. Try again; whether it used up the token is not known.
    #[error("failed: {reason}")]
    Failed {
        /// Why, for people and logs.
        reason: String,
    },
    /// The request went out and no readable answer came: the network may have used up the token
    /// and made new ones that nobody has.
    #[error("the answer was lost: {reason}")]
    Lost {
        /// Why, for people and logs.
        reason: String,
    },
}

/// One network's OAuth endpoints, called.
#[async_trait]
pub trait OAuth: Send + Sync {
    /// Which network this is.
    fn platform(&self) -> Platform;

    /// Makes tokens of a code. `verifier` and `redirect_url` are those of the consent.
    ///
    /// # Errors
    /// [`GrantError`].
    async fn exchange(
        &self,
        code: &SecretString,
        verifier: &SecretString,
        redirect_url: &Url,
    ) -> Result<Tokens, GrantError>;

    /// Makes new tokens of a refresh token.
    ///
    /// # Errors
    /// [`GrantError`].
    async fn refresh(&self, refresh_token: &SecretString) -> Result<Tokens, GrantError>;

    /// Ends a token at the network; one that is already gone is a success.
    ///
    /// # Errors
    /// [`GrantError`], never [`GrantError::Dead`].
    async fn revoke(&self, token: &SecretString) -> Result<(), GrantError>;
}
