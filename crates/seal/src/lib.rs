//! Encryption of what must not be read at rest or on its way through the queue.
//!
//! [`TokenKeys`] seal the networks' tokens in the database and are known to the worker alone;
//! [`TravelKeys`] seal the secrets that travel in job arguments from the API to the worker, and
//! the API's OAuth state. Both are rings of AES-256-GCM keys ([`Keyring`]): what is new is sealed
//! with the first, what is old opens with any, so that a key is replaced without a pause.
//!
//! **Invariant:** no key and no plaintext appears in an error, a `Debug` output or a sealed text,
//! and a sealed text opens only in the place (purpose and row) it was sealed for.

mod aad;
mod keyring;
mod keys;
mod sealed;

pub use aad::Aad;
pub use keyring::{Keyring, generate_key};
pub use keys::{TokenKeys, TravelKeys};
pub use sealed::{KeyId, Sealed};

/// What can go wrong, by what is to be done about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The setting that holds the keys is wrong: an operator corrects it.
    #[error("{reason}; what is right looks like {}", keyring::EXAMPLE)]
    InvalidKeys {
        /// What is wrong and at which key, counted from 1; never the key itself.
        reason: String,
    },
    /// The text is not of the form `v1.<key id>.<base64url>`: it was never sealed, or was cut.
    #[error("not a sealed text: {reason}")]
    NotSealed {
        /// What is wrong; never the text itself.
        reason: &'static str,
    },
    /// The ring holds no key of this id: an operator brings the old key back into the setting.
    #[error("sealed with key `{key_id}`, which is not among the keys of this process ({known})")]
    UnknownKey {
        /// The key the text was sealed with.
        key_id: KeyId,
        /// The ids that the ring does hold, for whoever compares.
        known: String,
    },
    /// The text was altered, or belongs to another row or purpose, or another key bears the same
    /// id. Authenticated encryption cannot say which, and none of them can be mended by a retry.
    #[error(
        "does not open: altered, moved from another row or purpose, or sealed with another key \
         of the id `{key_id}`"
    )]
    Refused {
        /// The key that was tried.
        key_id: KeyId,
    },
}
