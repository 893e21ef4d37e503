//! What several senders' signatures have in common: HMAC-SHA256, its comparison, times.
//!
//! **Invariant:** nothing is compared but whole digests, in constant time.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use std::time::Duration;

use super::Unverified;

/// Longest text that a handshake asks us to sign, in bytes.
const CHALLENGE_MAX: usize = 256;

/// Length of a digest in hex.
const HEX_LENGTH: usize = 64;

/// The HMAC-SHA256 of the parts, one after the other.
pub(super) fn digest(secret: &[u8], parts: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret));
    for part in parts {
        context.update(part);
    }
    context.sign()
}

/// The same in hex.
pub(super) fn hex_digest(secret: &[u8], parts: &[&[u8]]) -> String {
    hex::encode(digest(secret, parts))
}

/// Whether a digest could be written like this: 64 digits, the letters small.
pub(super) fn is_hex_digest(text: &[u8]) -> bool {
    text.len() == HEX_LENGTH && text.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether one of the secrets makes one of the signatures.
///
/// # Errors
/// [`Unverified::Wrong`] when none does.
pub(super) fn signed_by_one<'a, S: AsRef<[u8]>>(
    secrets: &[&[u8]],
    signatures: impl Iterator<Item = &'a [u8]> + Clone,
    sign: impl Fn(&[u8]) -> S,
) -> Result<(), Unverified> {
    let secrets = secrets.iter().filter(|secret| !secret.is_empty());
    let signed = secrets.map(|secret| sign(secret)).any(|right| {
        signatures.clone().any(|given| verify_slices_are_equal(given, right.as_ref()).is_ok())
    });
    if signed { Ok(()) } else { Err(Unverified::Wrong) }
}

/// A header of parts such as `t=1793000400,v1=…`: when it was signed, as written, and the
/// signatures of one scheme. Other schemes are passed over.
pub(super) struct Timed<'a> {
    pub(super) at: &'a [u8],
    pub(super) signatures: Vec<&'a [u8]>,
}

impl<'a> Timed<'a> {
    /// # Errors
    /// [`Unverified::Missing`] and [`Unverified::Malformed`] with the header's name.
    pub(super) fn read(
        name: &'static str,
        header: Option<&'a [u8]>,
        scheme: &[u8],
    ) -> Result<Self, Unverified> {
        let header = header.ok_or(Unverified::Missing(name))?;
        let (mut at, mut signatures) = (None, Vec::new());
        for part in header.split(|byte| *byte == b',') {
            let Some(equals) = part.iter().position(|byte| *byte == b'=') else { continue };
            let (key, value) = (&part[..equals], &part[equals + 1..]);
            if key == b"t" {
                if at.replace(value).is_some() {
                    return Err(Unverified::Malformed(name));
                }
            } else if key == scheme {
                signatures.push(value);
            }
        }
        let at = at.filter(|at| seconds(at).is_some()).ok_or(Unverified::Malformed(name))?;
        if signatures.is_empty() || !signatures.iter().all(|given| is_hex_digest(given)) {
            return Err(Unverified::Malformed(name));
        }
        Ok(Timed { at, signatures })
    }

    /// Whether one of the secrets signed the body then, and then is near enough.
    ///
    /// # Errors
    /// [`Unverified::Wrong`], [`Unverified::TooOld`] and [`Unverified::FromFuture`].
    pub(super) fn verify(
        &self,
        secrets: &[&[u8]],
        body: &[u8],
        now: i64,
        tolerance: Duration,
    ) -> Result<(), Unverified> {
        let given = self.signatures.iter().copied();
        signed_by_one(secrets, given, |secret| hex_digest(secret, &[self.at, b".", body]))?;
        in_time(self.at, now, tolerance)
    }
}

/// Unix seconds, written in digits alone.
pub(super) fn seconds(text: &[u8]) -> Option<i64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}

/// Whether a signed time is near enough. Asked of right signatures only, so that what is called old
/// was the sender's once.
///
/// # Errors
/// [`Unverified::TooOld`] and [`Unverified::FromFuture`].
pub(super) fn in_time(at: &[u8], now: i64, tolerance: Duration) -> Result<(), Unverified> {
    let at = seconds(at).unwrap_or(i64::MIN);
    match now.abs_diff(at) <= tolerance.as_secs() {
        true => Ok(()),
        false if at < now => Err(Unverified::TooOld),
        false => Err(Unverified::FromFuture),
    }
}

/// Whether a text may be signed for whoever asks. The key is that of events: a text that could be
/// an event's body would come back as its signature.
pub(super) fn is_challenge(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~+/=:".contains(&byte);
    (1..=CHALLENGE_MAX).contains(&text.len()) && text.bytes().all(plain)
}
