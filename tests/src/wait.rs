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
    look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    match within(limit, look).await? {
        Some(found) => Ok(found),
        None => bail!("not within {} ms: {what}", limit.as_millis()),
    }
}

/// As [`until`], where it is no failure that the limit has passed: `None` then.
///
/// # Errors
/// When `look` fails.
pub async fn within<T>(
    limit: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<Option<T>> {
    let deadline = Instant::now() + limit;
    loop {
        let found = look().await?;
        if found.is_some() || Instant::now() >= deadline {
            return Ok(found);
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
