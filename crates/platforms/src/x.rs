//! X (Twitter): limits and text length. PLACEHOLDER to be replaced by a folder `x/`.

use crate::{Content, Violation};
use std::time::Duration;

/// How long after an unknown outcome the account's posts may be read back.
pub const RECONCILE_WAIT: Duration = Duration::from_secs(15);

/// Everything that is wrong with the content for X.
pub fn check(_content: &Content<'_>) -> Vec<Violation> {
    Vec::new()
}
