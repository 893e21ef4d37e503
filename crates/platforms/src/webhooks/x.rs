//! X: base64 digests of the whole body, under the consumer secret; a challenge under the same.
//!
//! **Invariant:** what is signed for a challenge is never a JSON object.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Unverified;
use super::signature::{digest, is_challenge, signed_by_one};

/// The header with the signature.
pub const HEADER: &str = "x-twitter-webhooks-signature";

/// The parameter of a GET that asks for an answer to a challenge.
pub const CRC_TOKEN: &str = "crc_token";

const PREFIX: &[u8] = b"sha256=";
/// Length of a digest in base64.
const DIGEST_LENGTH: usize = 44;

/// Whether X sent the body, by the value of [`HEADER`].
///
/// # Errors
/// [`Unverified`] says why not.
pub fn verify(secrets: &[&[u8]], header: Option<&[u8]>, body: &[u8]) -> Result<(), Unverified> {
    let header = header.ok_or(Unverified::Missing(HEADER))?;
    if !header.starts_with(PREFIX) || header.len() != PREFIX.len() + DIGEST_LENGTH {
        return Err(Unverified::Malformed(HEADER));
    }
    signed_by_one(secrets, std::iter::once(header), |secret| sign(secret, body))
}

/// The header's value for a body.
pub fn sign(secret: &[u8], body: &[u8]) -> String {
    format!("sha256={}", STANDARD.encode(digest(secret, &[body])))
}

/// What X must find as `response_token` in the JSON answer to a challenge.
///
/// # Errors
/// [`Unverified::Malformed`] for a token that X would not send: the answer would be the signature of
/// a body that anybody may have made up.
pub fn crc_answer(secret: &[u8], token: &str) -> Result<String, Unverified> {
    if is_challenge(token) {
        Ok(sign(secret, token.as_bytes()))
    } else {
        Err(Unverified::Malformed(CRC_TOKEN))
    }
}
