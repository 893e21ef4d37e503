//! What travels with a person to a network's consent page and back: sealed, so that only we can read
//! it, and with an end.
//!
//! **Invariant:** the verifier is readable to nobody but us, and a state of one network is none of
//! another.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;
use uuid::Uuid;

use jobs::OrganizationId;
use platforms::Platform;
use seal::{Aad, Sealed, TravelKeys};

/// How long the way back is open.
pub(crate) const LIFE: TimeDelta = TimeDelta::minutes(10);

/// What the way back needs to know.
#[derive(Clone, Debug)]
pub(crate) struct ConsentState {
    /// For whom the account is connected.
    pub(crate) organization: OrganizationId,
    /// Who connects it.
    pub(crate) actor: String,
    /// Where the person is sent in the end.
    pub(crate) return_to: Url,
    /// The PKCE verifier.
    pub(crate) verifier: SecretString,
    /// Until when the way back is open, by the database's clock.
    pub(crate) expires_at: DateTime<Utc>,
}

/// As short as can be: networks carry a few hundred characters.
type Short = (String, String, String, String, i64);

impl ConsentState {
    /// A new one, with a new verifier.
    pub(crate) fn new(
        organization: OrganizationId,
        actor: String,
        return_to: Url,
        now: DateTime<Utc>,
    ) -> Self {
        let random: [u8; 32] = rand::random();
        let verifier = SecretString::from(URL_SAFE_NO_PAD.encode(random));
        Self { organization, actor, return_to, verifier, expires_at: now + LIFE }
    }

    fn place(platform: Platform) -> Aad {
        Aad::new("oauth.state", platform)
    }

    /// As it travels.
    pub(crate) fn seal(&self, keys: &TravelKeys, platform: Platform) -> String {
        let short: Short = (
            URL_SAFE_NO_PAD.encode(self.organization.0.as_bytes()),
            self.actor.clone(),
            self.return_to.to_string(),
            self.verifier.expose_secret().to_owned(),
            self.expires_at.timestamp(),
        );
        let text = serde_json::to_string(&short).expect("texts and a number are JSON");
        keys.seal(&SecretString::from(text), &Self::place(platform)).to_string()
    }

    /// What came back, if we sealed it for this network.
    pub(crate) fn open(keys: &TravelKeys, platform: Platform, sealed: &str) -> Option<Self> {
        let sealed: Sealed = sealed.parse().ok()?;
        let text = keys.open(&sealed, &Self::place(platform)).ok()?;
        let (organization, actor, return_to, verifier, expires): Short =
            serde_json::from_str(text.expose_secret()).ok()?;
        let organization = URL_SAFE_NO_PAD.decode(organization).ok()?;
        Some(Self {
            organization: OrganizationId(Uuid::from_slice(&organization).ok()?),
            actor,
            return_to: return_to.parse().ok()?,
            verifier: SecretString::from(verifier),
            expires_at: DateTime::from_timestamp(expires, 0)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: Platform = Platform::Twitter;

    #[test]
    fn a_state_opens_for_us_alone_and_fits_into_what_networks_carry() {
        let keys = |of: u8| {
            let key = base64::engine::general_purpose::STANDARD.encode([of; 32]);
            TravelKeys::parse(&SecretString::from(format!("k1:{key}"))).expect("keys")
        };
        let url: Url =
            format!("https://app.example.com/{}", "a".repeat(100)).parse().expect("a URL");
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("a time");
        let organization = OrganizationId::new();
        let state = ConsentState::new(organization, "key:".to_owned() + &"0".repeat(36), url, now);
        let sealed = state.seal(&keys(1), X);
        assert!(sealed.len() <= X.state_max(), "{}", sealed.len());
        assert!(!sealed.contains(state.verifier.expose_secret()));
        let back = ConsentState::open(&keys(1), X, &sealed).expect("ours");
        assert_eq!((back.organization, back.actor), (organization, state.actor));
        assert_eq!((back.return_to, back.expires_at), (state.return_to, now + LIFE));
        assert_eq!(back.verifier.expose_secret(), state.verifier.expose_secret());
        assert!(ConsentState::open(&keys(2), X, &sealed).is_none(), "another's key");
        let mut forged = sealed.clone();
        forged.replace_range(20..21, if &sealed[20..21] == "A" { "B" } else { "A" });
        for wrong in ["", "v1.k1.AAAA", &forged, &sealed[..sealed.len() - 1]] {
            assert!(ConsentState::open(&keys(1), X, wrong).is_none(), "{wrong}");
        }
    }
}
