//! Object storage: a local folder or an S3-compatible store, and what a file is by its bytes.
//!
//! The API puts uploads here and hands out addresses to upload to; the worker reads them back to
//! publish them. Both keep a [`Key`] in the database, never an address.
//!
//! **Invariant:** an object is there whole or not at all, and no key leads out of the store.

mod body;
mod inspect;
mod key;
mod local;
mod mp4;
mod s3;
mod store;

pub use body::{Body, Stored};
pub use inspect::{Inspected, inspect, sniffed_mime};
pub use key::Key;
pub use local::Local;
pub use s3::{S3, S3Settings};
pub use store::{Head, Presigned, Store};

/// Whatever lies beneath an [`Error`].
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// What can go wrong, by what the caller does about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no object of this key: tell the user, or make it anew.
    #[error("there is no object `{key}`")]
    NotFound {
        /// The key that was asked for.
        key: Key,
    },
    /// The object or the body is larger than was allowed: tell the user the limit.
    #[error("larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit that was exceeded.
        limit_bytes: u64,
    },
    /// The text is no key: a fault of the caller.
    #[error(
        "{key:?} is not a key of an object: {reason}; what is right looks like {}",
        key::EXAMPLE
    )]
    InvalidKey {
        /// The text.
        key: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The bytes are none of the types that networks take: tell the user which are.
    #[error("{reason}; a file must be a JPEG, PNG, GIF, WebP or MP4")]
    UnknownType {
        /// What is wrong with the bytes.
        reason: &'static str,
    },
    /// The body that was to be stored ended in an error: nothing was stored.
    #[error("the body could not be read to its end")]
    Body {
        /// What the body's stream said.
        source: std::io::Error,
    },
    /// The store could not be reached or failed: try again later.
    #[error("the media store did not do it: {doing}")]
    Unavailable {
        /// What was being done.
        doing: &'static str,
        /// What the store or the system said.
        source: Source,
    },
    /// The store refused, and will again: an operator corrects the settings or the rights.
    #[error("the media store refused: {doing}: status {status}, {code}")]
    Refused {
        /// What was being done.
        doing: &'static str,
        /// The HTTP status.
        status: u16,
        /// The store's own word for it, such as `SignatureDoesNotMatch`, or `no code`.
        code: String,
    },
    /// The settings cannot be used: an operator corrects them.
    #[error("the media store cannot be used as set: {reason}")]
    Settings {
        /// What is wrong.
        reason: String,
    },
}

impl Error {
    pub(crate) fn unavailable(doing: &'static str, source: impl Into<Source>) -> Self {
        Self::Unavailable { doing, source: source.into() }
    }
}
