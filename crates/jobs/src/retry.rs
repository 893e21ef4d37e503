//! How often a failed attempt is repeated, and after what pause.
//!
//! **Invariant:** the pause is drawn from the whole range up to its cap (full jitter), so that jobs
//! that failed together do not come back together.

use std::time::Duration;

/// The retry policy of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all, the first one included.
    pub max_attempts: u32,
    /// The longest pause after the first failure.
    pub base: Duration,
    /// The longest pause ever.
    pub cap: Duration,
}

impl Retry {
    /// For a person who waits: a few quick attempts.
    pub const INTERACTIVE: Retry =
        Retry { max_attempts: 5, base: Duration::from_millis(250), cap: Duration::from_secs(5) };
    /// For work nobody waits for.
    pub const BACKGROUND: Retry =
        Retry { max_attempts: 8, base: Duration::from_secs(2), cap: Duration::from_secs(600) };

    /// The pause after the `failed`-th failure (from 1), for a `draw` in `0.0..1.0`.
    pub fn pause(&self, failed: u32, draw: f64) -> Duration {
        let doubled = self.base.saturating_mul(1u32 << failed.saturating_sub(1).min(20));
        doubled.min(self.cap).mul_f64(draw.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_its_cap_and_is_jittered_in_full() {
        let retry =
            Retry { max_attempts: 9, base: Duration::from_secs(1), cap: Duration::from_secs(60) };
        assert_eq!(retry.pause(1, 1.0), Duration::from_secs(1));
        assert_eq!(retry.pause(4, 1.0), Duration::from_secs(8));
        assert_eq!(retry.pause(4, 0.5), Duration::from_secs(4));
        assert_eq!(retry.pause(50, 1.0), Duration::from_secs(60));
        assert_eq!(retry.pause(3, 0.0), Duration::ZERO);
    }
}
