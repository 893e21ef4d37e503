//! Telegram: nothing is signed; whoever knows the secret is Telegram.

use super::Unverified;
use super::signature::signed_by_one;

/// The header with the secret.
pub const HEADER: &str = "x-telegram-bot-api-secret-token";

/// Whether Telegram sent the request, by the value of [`HEADER`].
///
/// # Errors
/// [`Unverified`] says why not.
pub fn verify(secrets: &[&[u8]], header: Option<&[u8]>) -> Result<(), Unverified> {
    let header = header.ok_or(Unverified::Missing(HEADER))?;
    signed_by_one(secrets, std::iter::once(header), <[u8]>::to_vec)
}
