//! Files by their bytes, and whether a network takes them beside what a version shows already.
//!
//! **Invariant:** type, size and hash of a file come from its bytes, never from what a client or a
//! model said.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use jobs::{Code, Failure, Problem};
use media::Inspected;
use platforms::{Content, MediaFacts, Platform};
use store::attachments::Attachment;

/// A file, by its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Type and dimensions.
    pub(super) inspected: Inspected,
    /// How many bytes.
    pub(super) size_bytes: u64,
    /// SHA-256 of them.
    pub(super) sha256: [u8; 32],
}

impl Seen {
    /// What the rules of a network look at.
    pub(super) fn facts(&self) -> MediaFacts {
        MediaFacts {
            mime: self.inspected.mime.to_owned(),
            size_bytes: self.size_bytes,
            width: self.inspected.width,
            height: self.inspected.height,
        }
    }

    /// Its size as rows have it.
    pub(super) fn size_in_rows(&self) -> i64 {
        i64::try_from(self.size_bytes).unwrap_or(i64::MAX)
    }

    /// Pixels across and down as rows have them.
    pub(super) fn pixels_in_rows(&self) -> (Option<i32>, Option<i32>) {
        let pixels = |n: Option<u32>| n.and_then(|n| i32::try_from(n).ok());
        (pixels(self.inspected.width), pixels(self.inspected.height))
    }
}

/// Looks at a file's bytes.
///
/// # Errors
/// Dead when it is none that networks take.
pub(super) async fn look(bytes: Bytes) -> Result<Seen, Failure> {
    let looked = tokio::task::spawn_blocking(move || {
        let inspected = media::inspect(&bytes)?;
        let sha256 = Sha256::digest(&bytes).into();
        Ok(Seen { inspected, size_bytes: bytes.len() as u64, sha256 })
    });
    match looked.await {
        Ok(Ok(seen)) => Ok(seen),
        Ok(Err(error)) => {
            let error: media::Error = error;
            let message = format!("The file cannot be used: {error}.");
            Err(Failure::Dead(Problem::new(Code::ContentRejected, message)))
        }
        Err(_) => {
            Err(Failure::Retry(Problem::new(Code::Internal, "The file could not be looked at.")))
        }
    }
}

/// Whether the network takes the file beside those that the version shows already. Its text is
/// looked at when it is scheduled.
pub(super) fn fits(
    platform: Platform,
    shown: &[Attachment],
    file: MediaFacts,
) -> Result<(), Problem> {
    let mut media: Vec<MediaFacts> = shown.iter().map(Attachment::facts).collect();
    media.push(file);
    let this = format!("media[{}]", shown.len());
    let violations = platform.check(&Content { text: "text", media: &media });
    let messages: Vec<String> = violations
        .into_iter()
        .filter(|violation| violation.field == this)
        .map(|violation| violation.message)
        .collect();
    if messages.is_empty() {
        return Ok(());
    }
    Err(Problem::new(Code::ContentRejected, messages.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(mime: &str, size_bytes: u64) -> MediaFacts {
        MediaFacts { mime: mime.to_owned(), size_bytes, width: Some(10), height: Some(10) }
    }

    #[test]
    fn a_file_that_the_network_does_not_take_is_refused() {
        assert_eq!(fits(Platform::Twitter, &[], file("image/png", 100)), Ok(()));
        let problem = fits(Platform::Twitter, &[], file("image/png", 6 * 1024 * 1024))
            .expect_err("larger than X takes");
        assert_eq!(problem.code, Code::ContentRejected);
    }
}
