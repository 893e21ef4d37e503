//! LinkedIn: a hex digest of a word and the body, under the client secret; a challenge under the
//! same.
//!
//! **Invariant:** what is signed for a challenge is never the word and a JSON object.

use super::Unverified;
use super::signature::{hex_digest, is_challenge, is_hex_digest, signed_by_one};

/// The header with the signature.
pub const HEADER: &str = "x-li-signature";

/// The parameter of a GET that asks for an answer to a challenge.
pub const CHALLENGE_CODE: &str = "challengeCode";

/// Signed before the body, and no part of the header.
const PREFIX: &[u8] = b"hmacsha256=";

/// Whether LinkedIn sent the body, by the value of [`HEADER`].
///
/// # Errors
/// [`Unverified`] says why not.
pub fn verify(secrets: &[&[u8]], header: Option<&[u8]>, body: &[u8]) -> Result<(), Unverified> {
    let header = header.ok_or(Unverified::Missing(HEADER))?;
    if !is_hex_digest(header) {
        return Err(Unverified::Malformed(HEADER));
    }
    signed_by_one(secrets, std::iter::once(header), |secret| hex_digest(secret, &[PREFIX, body]))
}

/// What LinkedIn must find as `challengeResponse` beside its code in the JSON answer.
///
/// # Errors
/// [`Unverified::Malformed`] for a code that LinkedIn would not send: the answer would be the
/// signature of a body that anybody may have made up.
pub fn challenge_answer(secret: &[u8], code: &str) -> Result<String, Unverified> {
    if is_challenge(code) {
        Ok(hex_digest(secret, &[code.as_bytes()]))
    } else {
        Err(Unverified::Malformed(CHALLENGE_CODE))
    }
}
