//! Meta (Instagram, Facebook, Threads): a hex digest of the body, under the app's secret; a
//! challenge that is echoed to whoever knows the verify token.
//!
//! **Invariant:** the older header of SHA-1 is never looked at.

use aws_lc_rs::constant_time::verify_slices_are_equal;

use super::Unverified;
use super::signature::{hex_digest, is_hex_digest, signed_by_one};

/// The header with the signature.
pub const HEADER: &str = "x-hub-signature-256";

/// Whether Meta sent the body, by the value of [`HEADER`].
///
/// # Errors
/// [`Unverified`] says why not.
pub fn verify(secrets: &[&[u8]], header: Option<&[u8]>, body: &[u8]) -> Result<(), Unverified> {
    let header = header.ok_or(Unverified::Missing(HEADER))?;
    let given = header.strip_prefix(b"sha256=").filter(|given| is_hex_digest(given));
    let given = given.ok_or(Unverified::Malformed(HEADER))?;
    signed_by_one(secrets, std::iter::once(given), |secret| hex_digest(secret, &[body]))
}

/// The parameters of a GET that asks whether we want the events.
#[derive(Clone, Copy, Debug)]
pub struct Subscribe<'a> {
    /// `hub.mode`.
    pub mode: Option<&'a str>,
    /// `hub.verify_token`.
    pub verify_token: Option<&'a str>,
    /// `hub.challenge`.
    pub challenge: Option<&'a str>,
}

/// The plain text with which the subscription is confirmed.
///
/// # Errors
/// [`Unverified`] says why it is not: the answer is then 403.
pub fn challenge<'a>(
    verify_tokens: &[&[u8]],
    asked: &Subscribe<'a>,
) -> Result<&'a str, Unverified> {
    if asked.mode.ok_or(Unverified::Missing("hub.mode"))? != "subscribe" {
        return Err(Unverified::Malformed("hub.mode"));
    }
    let challenge = asked.challenge.ok_or(Unverified::Missing("hub.challenge"))?;
    let given = asked.verify_token.ok_or(Unverified::Missing("hub.verify_token"))?;
    let mut tokens = verify_tokens.iter().filter(|token| !token.is_empty());
    if tokens.any(|token| verify_slices_are_equal(token, given.as_bytes()).is_ok()) {
        Ok(challenge)
    } else {
        Err(Unverified::Wrong)
    }
}
