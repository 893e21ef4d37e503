//! X's OAuth endpoints. The `oauth2` crate writes the requests and reads the tokens; what a refusal
//! means is read from the answer itself, because X has words of its own for it.
//!
//! Source: `tables/oauth.json`, `tables/errors.json` and section 3 of `PLATFORMS.md` of the
//! contracts, read 2026-11-22.
//!
//! **Invariant:** no token, code, verifier or secret of our app is in an error: the errors of the
//! `oauth2` crate, which quote answers, end here.

use async_trait::async_trait;
use futures::future::BoxFuture;
use oauth2::basic::{BasicClient, BasicTokenResponse};
use oauth2::{
    AsyncHttpClient, AuthorizationCode, ClientId, ClientSecret, EndpointNotSet, EndpointSet,
    HttpRequest, HttpResponse, PkceCodeVerifier, RedirectUrl, RefreshToken, RevocationUrl,
    StandardRevocableToken, TokenResponse as _, TokenUrl,
};
use platforms::x::Endpoint;
use platforms::{ErrorClass, Platform};
use reqwest::{Client, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use url::Url;

use super::answer::{self, Answer, Budget, Failed};
use super::{SetupError, client_of_one_call};
use crate::{App, GrantError, OAuth, Tokens};

/// Where codes and refresh tokens become tokens.
const TOKEN_URL: &str = "https://api.x.com/2/oauth2/token";
/// Where tokens are ended.
const REVOKE_URL: &str = "https://api.x.com/2/oauth2/revoke";

type Protocol =
    BasicClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet, EndpointSet>;

/// X's OAuth endpoints, for our app.
#[derive(Clone, Debug)]
pub struct XOAuth {
    base_url: Url,
    http: Client,
    protocol: Protocol,
    client_secret: Option<SecretString>,
}

/// Carries one request of the `oauth2` crate to where X is for us, and keeps what came of it.
struct Wire<'a> {
    oauth: &'a XOAuth,
    budget: Budget<'a>,
    outcome: Mutex<Option<Result<Answer, Failed>>>,
}

/// Tells the `oauth2` crate that there is no answer; why is kept by the [`Wire`].
#[derive(Debug, thiserror::Error)]
#[error("no answer")]
struct NoAnswer;

impl XOAuth {
    /// Calls X's OAuth endpoints at `base_url`, each call on a connection of its own.
    ///
    /// # Errors
    /// As for [`super::X::new`].
    pub fn new(
        base_url: Url,
        app: App,
        request_timeout: Duration,
        connect_timeout: Duration,
    ) -> Result<Self, SetupError> {
        let http = client_of_one_call(&base_url, request_timeout, connect_timeout)?
            .build()
            .map_err(SetupError::Client)?;
        let token_url = TokenUrl::new(TOKEN_URL.to_owned()).expect("the constant is a URL");
        let revoke_url = RevocationUrl::new(REVOKE_URL.to_owned()).expect("the constant is a URL");
        let mut protocol = BasicClient::new(ClientId::new(app.client_id))
            .set_token_uri(token_url)
            .set_revocation_url(revoke_url);
        if let Some(secret) = &app.client_secret {
            let secret = ClientSecret::new(secret.expose_secret().to_owned());
            protocol = protocol.set_client_secret(secret);
        }
        Ok(XOAuth { base_url, http, protocol, client_secret: app.client_secret })
    }

    /// The way of one call, with the secrets that it carries.
    fn wire<'a>(&'a self, secrets: impl IntoIterator<Item = &'a SecretString>) -> Wire<'a> {
        let secrets = secrets.into_iter().chain(&self.client_secret).collect();
        let budget = Budget::of_app(Endpoint::Token, secrets);
        Wire { oauth: self, budget, outcome: Mutex::new(None) }
    }

    fn request(&self, request: HttpRequest) -> Result<RequestBuilder, reqwest::Error> {
        let mut request = reqwest::Request::try_from(request)?;
        let path = request.url().path().to_owned();
        let mut url = self.base_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path.split('/').skip(1));
        }
        *request.url_mut() = url;
        if let Some(value) = request.headers_mut().get_mut(reqwest::header::AUTHORIZATION) {
            value.set_sensitive(true);
        }
        Ok(RequestBuilder::from_parts(self.http.clone(), request))
    }
}

impl<'c> AsyncHttpClient<'c> for Wire<'_> {
    type Error = NoAnswer;
    type Future = BoxFuture<'c, Result<HttpResponse, NoAnswer>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let result = match self.oauth.request(request) {
                Ok(request) => answer::send(request, &self.budget).await,
                Err(error) => {
                    Err(Failed::NotSent(self.budget.tell(&error.without_url().to_string())))
                }
            };
            let response = result.as_ref().map_err(|_| NoAnswer).and_then(|answer| {
                let body = answer.body.to_string().into_bytes();
                http::Response::builder().status(answer.status).body(body).map_err(|_| NoAnswer)
            });
            *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
            response
        })
    }
}

impl Wire<'_> {
    /// The tokens that the `oauth2` crate read, or why there are none.
    fn tokens(self, read: Option<BasicTokenResponse>) -> Result<Tokens, GrantError> {
        let budget = self.budget.clone();
        let answer = self.answered()?;
        let lost = || GrantError::Lost { reason: answer.describe(&budget, "no readable tokens") };
        let read = read.filter(|read| !read.access_token().secret().is_empty()).ok_or_else(lost)?;
        Ok(Tokens {
            access: SecretString::from(read.access_token().secret().as_str()),
            refresh: read
                .refresh_token()
                .filter(|token| !token.secret().is_empty())
                .map(|token| SecretString::from(token.secret().as_str())),
            expires_in: read.expires_in(),
            scopes: read
                .scopes()
                .map(|scopes| scopes.iter().map(|scope| scope.as_str().to_owned()).collect()),
        })
    }

    /// A success, or what else came of the call.
    fn answered(self) -> Result<Answer, GrantError> {
        let outcome = self.outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
        let answer = match outcome {
            Some(Ok(answer)) => answer,
            Some(Err(Failed::NotSent(reason))) => return Err(GrantError::NotSent { reason }),
            Some(Err(Failed::Lost(reason))) => return Err(GrantError::Lost { reason }),
            None => return Err(GrantError::NotSent { reason: "no request was made".to_owned() }),
        };
        if answer.is_success() {
            return Ok(answer);
        }
        let refusal = answer.refusal(&self.budget);
        Err(match refusal.class {
            ErrorClass::AuthReconnect => GrantError::Dead(refusal),
            class if super::is_open(class) => {
                GrantError::Failed { reason: answer.describe(&self.budget, &refusal.message) }
            }
            _ => GrantError::Refused(refusal),
        })
    }
}

#[async_trait]
impl OAuth for XOAuth {
    fn platform(&self) -> Platform {
        Platform::Twitter
    }

    async fn exchange(
        &self,
        code: &SecretString,
        verifier: &SecretString,
        redirect_url: &Url,
    ) -> Result<Tokens, GrantError> {
        let wire = self.wire([code, verifier]);
        let result = self
            .protocol
            .exchange_code(AuthorizationCode::new(code.expose_secret().to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose_secret().to_owned()))
            .set_redirect_uri(Cow::Owned(RedirectUrl::from_url(redirect_url.clone())))
            .request_async(&wire)
            .await;
        wire.tokens(result.ok())
    }

    async fn refresh(&self, refresh_token: &SecretString) -> Result<Tokens, GrantError> {
        let wire = self.wire([refresh_token]);
        let result = self
            .protocol
            .exchange_refresh_token(&RefreshToken::new(refresh_token.expose_secret().to_owned()))
            .request_async(&wire)
            .await;
        wire.tokens(result.ok())
    }

    async fn revoke(&self, token: &SecretString) -> Result<(), GrantError> {
        let wire = self.wire([token]);
        let token = RefreshToken::new(token.expose_secret().to_owned());
        if let Ok(request) = self.protocol.revoke_token(StandardRevocableToken::RefreshToken(token))
        {
            // The status of the answer decides, not what the crate makes of it.
            let _ = request.request_async(&wire).await;
        }
        match wire.answered() {
            Ok(_) | Err(GrantError::Dead(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
