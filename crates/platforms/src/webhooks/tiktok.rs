//! TikTok: a hex digest of time and body, under the client secret.

use std::time::Duration;

use super::Unverified;
use super::signature::Timed;

/// The header with time and signature.
pub const HEADER: &str = "tiktok-signature";

/// How far from now a signature may be, unless set otherwise; TikTok names no time.
pub const TOLERANCE: Duration = Duration::from_secs(300);

/// Whether TikTok sent the body, by the value of [`HEADER`], and not longer ago than the tolerance.
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
    Timed::read(HEADER, header, b"s")?.verify(secrets, body, now, tolerance)
}
