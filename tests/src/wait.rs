//! Waiting for a named condition, up to a deadline.
//!
//! **Invariant:** nothing here sleeps for a fixed time: a condition that holds is seen at once, and
//! one that never holds is named in the failure.

use std::fmt::Debug;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::Instant;

/// How long a test waits for something that happens within moments.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Looks again and again until `look` answers something; fails after `limit`, naming `what`.
///
/// # Errors
/// When the limit has passed, or `look` fails.
pub async fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            bail!("not within {} ms: {what}", limit.as_millis());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// As [`until`], for a value that is to become right; the failure shows the last one seen.
///
/// # Errors
/// As for [`until`].
pub async fn until_right<T: Debug>(
    what: &str,
    limit: Duration,
    mut see: impl AsyncFnMut() -> Result<T>,
    is_right: impl Fn(&T) -> bool,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        let seen = see().await?;
        if is_right(&seen) {
            return Ok(seen);
        }
        if Instant::now() >= deadline {
            bail!("not within {} ms: {what}; last seen: {seen:#?}", limit.as_millis());
        }
        tokio::time::sleep(LOOK).await;
    }
}
