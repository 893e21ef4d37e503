//! One store, whichever it is.
//!
//! `main` makes it from the configuration; API and worker put, get and delete through it.
//!
//! **Invariant:** both stores keep the same promises; one set of tests runs over each.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use url::Url;

use crate::{Body, Error, Key, Local, S3, Stored};

/// Where objects are kept.
#[derive(Debug, Clone)]
pub enum Store {
    /// A folder of this machine.
    Local(Local),
    /// A bucket of an S3-compatible server.
    S3(S3),
}

/// What is known of an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its size.
    pub size_bytes: u64,
    /// Its MIME type: as it was put in S3, by its first bytes in a folder.
    pub content_type: Option<String>,
    /// When it was last written.
    pub modified_at: Option<DateTime<Utc>>,
}

/// An address that does one thing to one object for whoever holds it, until it expires.
#[derive(Clone, PartialEq, Eq)]
pub struct Presigned {
    /// The HTTP method.
    pub method: &'static str,
    /// The address; it is a secret until it expires.
    pub url: Url,
    /// Headers that must be sent exactly like this.
    pub headers: Vec<(String, String)>,
    /// When it expires.
    pub expires_at: DateTime<Utc>,
}

impl std::fmt::Debug for Presigned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Presigned({} {} until {})", self.method, self.url.path(), self.expires_at)
    }
}

impl Store {
    /// Stores an object whole, in place of any that was there.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] and [`Error::Body`] when a stream exceeds its limit or fails;
    /// [`Error::Unavailable`], [`Error::Refused`].
    pub async fn put(
        &self,
        key: &Key,
        body: impl Into<Body<'_>>,
        content_type: &str,
    ) -> Result<Stored, Error> {
        match self {
            Self::Local(local) => local.put(key, body.into()).await,
            Self::S3(s3) => s3.put(key, body.into(), content_type).await,
        }
    }

    /// Reads an object of at most `limit_bytes`.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::TooLarge`], [`Error::Unavailable`], [`Error::Refused`].
    pub async fn get(&self, key: &Key, limit_bytes: u64) -> Result<Bytes, Error> {
        match self {
            Self::Local(local) => local.get(key, limit_bytes).await,
            Self::S3(s3) => s3.get(key, limit_bytes).await,
        }
    }

    /// What is known of an object, or nothing if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], [`Error::Refused`].
    pub async fn head(&self, key: &Key) -> Result<Option<Head>, Error> {
        match self {
            Self::Local(local) => local.head(key).await,
            Self::S3(s3) => s3.head(key).await,
        }
    }

    /// Deletes an object; that there is none is no error.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], [`Error::Refused`].
    pub async fn delete(&self, key: &Key) -> Result<(), Error> {
        match self {
            Self::Local(local) => local.delete(key).await,
            Self::S3(s3) => s3.delete(key).await,
        }
    }

    /// An address to which anyone can put this object, for at most seven days; nothing for a
    /// local folder. It does not limit the size: look at [`Self::head`] afterwards.
    pub fn presign_put(
        &self,
        key: &Key,
        content_type: &str,
        expires: Duration,
    ) -> Option<Presigned> {
        match self {
            Self::Local(_) => None,
            Self::S3(s3) => Some(s3.presign_put(key, content_type, expires)),
        }
    }

    /// An address from which anyone can get this object, for at most seven days, as a network
    /// that fetches media wants it; nothing for a local folder.
    pub fn presign_get(&self, key: &Key, expires: Duration) -> Option<Presigned> {
        match self {
            Self::Local(_) => None,
            Self::S3(s3) => Some(s3.presign_get(key, expires)),
        }
    }
}

#[cfg(test)]
mod tests;
