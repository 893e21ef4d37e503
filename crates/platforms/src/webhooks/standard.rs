//! Standard Webhooks: base64 digests of id, time and body, under the key in `whsec_…`.
//!
//! Source: `standard-webhooks/standard-webhooks.md` of the contracts, read 2026-11-23.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::time::Duration;

use super::Unverified;
use super::signature::{digest, in_time, seconds, signed_by_one};

/// The header with the message's id, the same on every attempt.
pub const ID: &str = "webhook-id";
/// The header with the time of the attempt.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// The header with the signatures.
pub const SIGNATURE: &str = "webhook-signature";

/// How far from now a signature may be, unless set otherwise.
pub const TOLERANCE: Duration = Duration::from_secs(300);

/// The values of the three headers.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a> {
    /// Of [`ID`].
    pub id: Option<&'a [u8]>,
    /// Of [`TIMESTAMP`].
    pub timestamp: Option<&'a [u8]>,
    /// Of [`SIGNATURE`].
    pub signature: Option<&'a [u8]>,
}

/// Whether the holder of a secret (the whole `whsec_…` text) sent the body, and not longer ago than the
/// tolerance. Signatures of other versions than `v1` are passed over.
///
/// # Errors
/// [`Unverified`] says why not.
pub fn verify(
    secrets: &[&[u8]],
    headers: &Headers<'_>,
    body: &[u8],
    now: i64,
    tolerance: Duration,
) -> Result<(), Unverified> {
    let id = headers.id.ok_or(Unverified::Missing(ID))?;
    let at = headers.timestamp.ok_or(Unverified::Missing(TIMESTAMP))?;
    let signature = headers.signature.ok_or(Unverified::Missing(SIGNATURE))?;
    // A dot divides what is signed: an id that has one could lend some of itself to the time.
    if id.is_empty() || id.contains(&b'.') {
        return Err(Unverified::Malformed(ID));
    }
    if seconds(at).is_none() {
        return Err(Unverified::Malformed(TIMESTAMP));
    }
    let given = signature.split(|byte| *byte == b' ').filter_map(|one| one.strip_prefix(b"v1,"));
    if given.clone().next().is_none() {
        return Err(Unverified::Malformed(SIGNATURE));
    }
    let keys: Vec<Vec<u8>> = secrets.iter().filter_map(|secret| key(secret)).collect();
    let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    signed_by_one(&keys, given, |key| STANDARD.encode(digest(key, &[id, b".", at, b".", body])))?;
    in_time(at, now, tolerance)
}

/// The key in a secret; `None` when it is not base64.
fn key(secret: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(secret.strip_prefix(b"whsec_")?).ok()
}
