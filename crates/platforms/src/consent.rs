//! The address of the page where a person lets us act for an account.
//!
//! The API sends the person there; what comes back is a code, which the worker exchanges.
//!
//! **Invariant:** only the SHA-256 of the verifier is in the address, never the verifier.

use oauth2::basic::BasicClient;
use oauth2::{
    AuthUrl, ClientId, CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
};

use std::time::Duration;

use crate::{Platform, x};

/// What a person is asked for. It holds a secret, so it has no `Debug`.
#[derive(Clone, Copy)]
pub struct Consent<'a> {
    /// The page; [`Platform::consent_page`], unless a simulator stands in.
    pub page: &'a str,
    /// Our app's id at the network.
    pub client_id: &'a str,
    /// Where the network sends the person back to, exactly as it is registered there.
    pub redirect_url: &'a str,
    /// What we want to be allowed.
    pub scopes: &'a [&'a str],
    /// What comes back with the person.
    pub state: &'a str,
    /// The secret of this one consent: 43 to 128 letters, digits, `-`, `.`, `_` or `~`.
    pub verifier: &'a str,
}

/// Nobody can be sent to ask for consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConsentError {
    /// The state is longer than the network carries.
    #[error("a state of {length} characters, of which the network carries {max}")]
    StateTooLong {
        /// Its length, in characters.
        length: usize,
        /// The most, in characters.
        max: usize,
    },
    /// The verifier is too short, too long, or has other characters than it may.
    #[error("the verifier is not of 43 to 128 letters, digits, `-`, `.`, `_` or `~`")]
    Verifier,
    /// The page, or the address to come back to, is none.
    #[error("not an address: the page or where to come back to")]
    Address,
}

impl Platform {
    /// The page where a person lets us act for an account.
    pub const fn consent_page(self) -> &'static str {
        match self {
            Platform::Twitter => x::AUTHORIZE_URL,
        }
    }

    /// The longest state that the network carries, in characters.
    pub const fn state_max(self) -> usize {
        match self {
            Platform::Twitter => x::STATE_MAX,
        }
    }

    /// How long a code can be exchanged.
    pub const fn code_life(self) -> Duration {
        match self {
            Platform::Twitter => x::CODE_LIFE,
        }
    }

    /// The scopes that we ask for.
    pub const fn scopes(self) -> &'static [&'static str] {
        match self {
            Platform::Twitter => &x::PUBLISH_SCOPES,
        }
    }
}

impl Consent<'_> {
    /// The page's address for this consent at a network.
    ///
    /// # Errors
    /// [`ConsentError`] says what of it is wrong.
    pub fn url(&self, platform: Platform) -> Result<String, ConsentError> {
        let (length, max) = (self.state.chars().count(), platform.state_max());
        if length > max {
            return Err(ConsentError::StateTooLong { length, max });
        }
        let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        if !(43..=128).contains(&self.verifier.len()) || !self.verifier.bytes().all(unreserved) {
            return Err(ConsentError::Verifier);
        }
        let page = AuthUrl::new(self.page.to_owned()).map_err(|_| ConsentError::Address)?;
        let redirect =
            RedirectUrl::new(self.redirect_url.to_owned()).map_err(|_| ConsentError::Address)?;
        let verifier = PkceCodeVerifier::new(self.verifier.to_owned());
        let (url, _) = BasicClient::new(ClientId::new(self.client_id.to_owned()))
            .set_auth_uri(page)
            .set_redirect_uri(redirect)
            .authorize_url(|| CsrfToken::new(self.state.to_owned()))
            .add_scopes(self.scopes.iter().map(|scope| Scope::new((*scope).to_owned())))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .url();
        Ok(url.into())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::print_stdout, reason = "a skipped test says so")]

    use super::*;
    use crate::contracts;

    /// The verifier of RFC 7636, appendix B, and its challenge.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn consent() -> Consent<'static> {
        Consent {
            page: Platform::Twitter.consent_page(),
            client_id: "our app",
            redirect_url: "https://api.example.com/oauth/x/callback",
            scopes: Platform::Twitter.scopes(),
            state: "v1.k1.AAAA",
            verifier: VERIFIER,
        }
    }

    #[test]
    fn the_page_is_asked_with_a_challenge_and_never_with_the_verifier() {
        let url = consent().url(Platform::Twitter).expect("a good consent");
        let (page, query) = url.split_once('?').expect("a query");
        assert_eq!(page, "https://x.com/i/oauth2/authorize");
        let parts: Vec<&str> = query.split('&').collect();
        for part in [
            "response_type=code",
            "client_id=our+app",
            "redirect_uri=https%3A%2F%2Fapi.example.com%2Foauth%2Fx%2Fcallback",
            "scope=tweet.read+tweet.write+users.read+media.write+offline.access",
            "state=v1.k1.AAAA",
            "code_challenge_method=S256",
            &format!("code_challenge={CHALLENGE}"),
        ] {
            assert!(parts.contains(&part), "{part} in {url}");
        }
        assert!(!url.contains(VERIFIER));
    }

    #[test]
    fn what_the_network_would_refuse_is_refused_here() {
        let long = "s".repeat(501);
        let error = Consent { state: &long, ..consent() }.url(Platform::Twitter);
        assert_eq!(error, Err(ConsentError::StateTooLong { length: 501, max: 500 }));
        assert!(Consent { state: &long[..500], ..consent() }.url(Platform::Twitter).is_ok());
        let (short, long) = ("v".repeat(42), "v".repeat(129));
        for verifier in [&short, &long, &VERIFIER.replace('-', " ")] {
            let error = Consent { verifier, ..consent() }.url(Platform::Twitter);
            assert_eq!(error, Err(ConsentError::Verifier));
        }
        let error = Consent { redirect_url: "nowhere", ..consent() }.url(Platform::Twitter);
        assert_eq!(error, Err(ConsentError::Address));
    }

    #[test]
    fn what_we_know_of_xs_consent_is_what_the_table_says() {
        let table = match contracts::json("tables/oauth.json") {
            Ok(table) => table,
            Err(absent) => return println!("skipped: {absent}"),
        };
        let x = &table["providers"]["X"];
        assert_eq!(x["authorize"]["v"], x::AUTHORIZE_URL);
        assert_eq!(x["state_max"]["v"], x::STATE_MAX);
        assert_eq!(x["code_ttl"]["v"], x::CODE_LIFE.as_secs());
        let refreshing = &x["needs_scope_for_refresh"]["v"];
        for scope in x::PUBLISH_SCOPES {
            let known = x["scopes"]["v"].as_array().is_some_and(|all| all.contains(&scope.into()));
            assert!(known, "{scope} is a scope of X");
        }
        assert!(x::PUBLISH_SCOPES.iter().any(|scope| refreshing == scope));
    }
}
