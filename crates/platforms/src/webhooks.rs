//! What senders of webhooks prove: one file per sender, pure functions over the bytes as they came.
//!
//! A receiver keeps the raw bytes, asks the sender's `verify`, and only then reads them. Several
//! secrets are good at once, so that one can be changed while events come in. Time is told by the
//! caller, in unix seconds.
//!
//! Source: section 0.1 of `PLATFORMS.md` and `webhooks/signature-vectors.json` of the contracts,
//! read 2026-11-23.
//!
//! **Invariant:** secrets and signatures are compared in constant time, an empty secret proves
//! nothing, and no answer to a handshake is a signature that an event could carry.

pub mod discord;
pub mod linkedin;
mod meaning;
pub mod meta;
mod signature;
pub mod standard;
pub mod stripe;
pub mod telegram;
#[cfg(test)]
mod tests;
pub mod tiktok;
pub mod x;

pub use meaning::Meaning;

/// Why bytes are not taken for the sender's; may be shown to whoever sent them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// A header or parameter is not there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A header or parameter does not have the form that the sender gives it.
    #[error("{0} is malformed")]
    Malformed(&'static str),
    /// The signature is right, and was made too long ago.
    #[error("the signature is too old")]
    TooOld,
    /// The signature is right, and was made too far in the future.
    #[error("the signature is from the future")]
    FromFuture,
    /// No secret that is good here made it.
    #[error("the signature is wrong")]
    Wrong,
}

impl Unverified {
    /// A word for counting.
    pub const fn as_str(self) -> &'static str {
        match self {
            Unverified::Missing(_) => "missing",
            Unverified::Malformed(_) => "malformed",
            Unverified::TooOld => "too_old",
            Unverified::FromFuture => "from_future",
            Unverified::Wrong => "wrong",
        }
    }
}
