//! What is to be stored, and what is known of it afterwards.
//!
//! Stands between the caller's bytes or stream and the two stores.
//!
//! **Invariant:** a stream is read no further than its limit and is never held in memory.

use std::io;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

use crate::Error;

/// How much is hashed and written in one go, so that other tasks have their turn.
const PIECE_BYTES: usize = 256 * 1024;

/// What is to be stored.
pub struct Body<'a>(pub(crate) Content<'a>);

pub(crate) enum Content<'a> {
    Bytes(Bytes),
    Stream { stream: BoxStream<'a, io::Result<Bytes>>, limit_bytes: u64 },
}

impl<'a> Body<'a> {
    /// A stream of at most `limit_bytes`, such as the body of a request.
    pub fn stream<E>(
        stream: impl Stream<Item = Result<Bytes, E>> + Send + 'a,
        limit_bytes: u64,
    ) -> Self
    where
        E: Into<crate::Source> + 'a,
    {
        let stream = stream.map_err(|error| io::Error::other(error)).boxed();
        Self(Content::Stream { stream, limit_bytes })
    }
}

impl<B: Into<Bytes>> From<B> for Body<'_> {
    fn from(bytes: B) -> Self {
        Self(Content::Bytes(bytes.into()))
    }
}

impl std::fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Content::Bytes(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Content::Stream { limit_bytes, .. } => write!(f, "Body(at most {limit_bytes} bytes)"),
        }
    }
}

/// What is known of an object once it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its size.
    pub size_bytes: u64,
    /// The SHA-256 of its bytes.
    pub sha256: [u8; 32],
}

impl Stored {
    /// The SHA-256 in hexadecimal.
    pub fn sha256_hex(&self) -> String {
        hex::encode(self.sha256)
    }
}

/// Size and hash, counted on the way.
#[derive(Default)]
struct Tally {
    size_bytes: u64,
    sha256: Sha256,
}

impl Tally {
    fn count(&mut self, piece: &[u8]) {
        self.size_bytes += piece.len() as u64;
        self.sha256.update(piece);
    }

    fn done(self) -> Stored {
        Stored { size_bytes: self.size_bytes, sha256: self.sha256.finalize().into() }
    }
}

/// Size and hash of bytes at hand.
pub(crate) async fn measure(bytes: &Bytes) -> Stored {
    let mut tally = Tally::default();
    for piece in bytes.chunks(PIECE_BYTES) {
        tally.count(piece);
        tokio::task::yield_now().await;
    }
    tally.done()
}

/// Writes all of the body into the file.
pub(crate) async fn pour(body: Body<'_>, file: &mut File) -> Result<Stored, Error> {
    let (mut stream, limit_bytes) = match body.0 {
        Content::Bytes(bytes) => (futures::stream::iter([Ok(bytes)]).boxed(), u64::MAX),
        Content::Stream { stream, limit_bytes } => (stream, limit_bytes),
    };
    let mut tally = Tally::default();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|source| Error::Body { source })?;
        for piece in chunk.chunks(PIECE_BYTES) {
            tally.count(piece);
            if tally.size_bytes > limit_bytes {
                return Err(Error::TooLarge { limit_bytes });
            }
            file.write_all(piece).await.map_err(failed)?;
        }
    }
    file.flush().await.map_err(failed)?;
    Ok(tally.done())
}

fn failed(error: io::Error) -> Error {
    Error::unavailable("writing a file", error)
}
