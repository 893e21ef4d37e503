//! Discord: an Ed25519 signature of time and body, under the application's public key.
//!
//! Discord sends wrong signatures on purpose, and takes the address away from whoever accepts them.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use serde::Deserialize;
use std::time::Duration;

use super::Unverified;
use super::signature::{in_time, seconds};

/// The header with the signature.
pub const SIGNATURE: &str = "x-signature-ed25519";
/// The header with the time.
pub const TIMESTAMP: &str = "x-signature-timestamp";

/// The values of the two headers.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a> {
    /// Of [`SIGNATURE`].
    pub signature: Option<&'a [u8]>,
    /// Of [`TIMESTAMP`].
    pub timestamp: Option<&'a [u8]>,
}

/// Whether Discord sent the body, and not longer ago than the tolerance. The keys are in hex.
///
/// # Errors
/// [`Unverified`] says why not: the answer is then 401.
pub fn verify(
    public_keys: &[&str],
    headers: &Headers<'_>,
    body: &[u8],
    now: i64,
    tolerance: Duration,
) -> Result<(), Unverified> {
    let signature = headers.signature.ok_or(Unverified::Missing(SIGNATURE))?;
    let at = headers.timestamp.ok_or(Unverified::Missing(TIMESTAMP))?;
    let small = !signature.iter().any(u8::is_ascii_uppercase);
    let mut bytes = [0; 64];
    if !small || hex::decode_to_slice(signature, &mut bytes).is_err() {
        return Err(Unverified::Malformed(SIGNATURE));
    }
    if seconds(at).is_none() {
        return Err(Unverified::Malformed(TIMESTAMP));
    }
    let message = [at, body].concat();
    let signed = public_keys
        .iter()
        .filter_map(|key| hex::decode(key).ok())
        .any(|key| UnparsedPublicKey::new(&ED25519, key).verify(&message, &bytes).is_ok());
    if !signed {
        return Err(Unverified::Wrong);
    }
    in_time(at, now, tolerance)
}

/// Whether a body only asks whether we are there, which is answered with 204 as all events are.
pub fn is_ping(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Typed {
        r#type: u8,
    }
    serde_json::from_slice::<Typed>(body).is_ok_and(|body| body.r#type == 0)
}
