//! Stripe: hex digests of time and body, under the whole `whsec_…` text; one for each secret that is
//! good.

use std::time::Duration;

use super::Unverified;
use super::signature::{Timed, hex_digest};

/// The header with time and signatures.
pub const HEADER: &str = "stripe-signature";

/// How far from now a signature may be, unless set otherwise.
pub const TOLERANCE: Duration = Duration::from_secs(300);

/// Whether Stripe sent the body, by the value of [`HEADER`], and not longer ago than the tolerance.
///
/// # Errors
/// [`Unverified`] says why not.
pub fn verify(
    secrets: &[&[u8]],
    header: Option<&[u8]>,
    body: &[u8],
    now: i64,
    tolerance: Duration,
) -> Result<(), Unverified> {
    Timed::read(HEADER, header, b"v1")?.verify(secrets, body, now, tolerance)
}

/// The header's value for a body that is signed at a time with each of the secrets.
pub fn sign(secrets: &[&[u8]], body: &[u8], at: i64) -> String {
    let time = at.to_string();
    let signature = |secret: &&[u8]| hex_digest(secret, &[time.as_bytes(), b".", body]);
    let signatures = secrets.iter().map(|secret| format!(",v1={}", signature(secret)));
    format!("t={time}{}", signatures.collect::<String>())
}
