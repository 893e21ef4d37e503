//! Rate limits per user and endpoint, with X's three headers.
//!
//! A window begins with the first call and ends on a whole second, because the header that tells
//! its end has no finer measure: a caller who waits for it is never early.
//!
//! **Invariant:** a refused call takes nothing from the budget.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

use super::endpoint::Endpoint;
use crate::call::Answer;

/// So many calls in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) calls: u64,
    pub(super) window: Duration,
}

/// What the headers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    pub(super) limit: u64,
    pub(super) remaining: u64,
    pub(super) reset: DateTime<Utc>,
}

impl Budget {
    /// The answer with the headers.
    pub(super) fn on(self, answer: Answer) -> Answer {
        answer
            .with_header("x-rate-limit-limit", self.limit)
            .with_header("x-rate-limit-remaining", self.remaining)
            .with_header("x-rate-limit-reset", self.reset.timestamp())
    }
}

#[derive(Debug)]
struct Window {
    used: u64,
    reset: DateTime<Utc>,
}

/// The windows that have been opened.
#[derive(Debug, Default)]
pub(super) struct Windows {
    open: HashMap<(String, Endpoint), Window>,
}

/// The next whole second at or after `moment`.
pub(super) fn whole_second(moment: DateTime<Utc>) -> DateTime<Utc> {
    let second = TimeDelta::seconds(1);
    // Only moments thousands of years away cannot be cut.
    let cut = moment.duration_trunc(second).unwrap_or(moment);
    if cut == moment { cut } else { cut + second }
}

impl Windows {
    /// Counts a call. `Err` when the budget is used up.
    pub(super) fn count(
        &mut self,
        user: &str,
        endpoint: Endpoint,
        limit: Limit,
        now: DateTime<Utc>,
    ) -> Result<Budget, Budget> {
        let fresh = || Window { used: 0, reset: whole_second(now + limit.window) };
        let window = self.open.entry((user.to_owned(), endpoint)).or_insert_with(fresh);
        if now >= window.reset {
            *window = fresh();
        }
        let budget = |used: u64| Budget {
            limit: limit.calls,
            remaining: limit.calls.saturating_sub(used),
            reset: window.reset,
        };
        if window.used >= limit.calls {
            return Err(budget(window.used));
        }
        window.used += 1;
        Ok(budget(window.used))
    }

    /// Closes the windows of an endpoint, so that a new limit begins afresh.
    pub(super) fn forget(&mut self, endpoint: Endpoint) {
        self.open.retain(|(_, of), _| *of != endpoint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_lets_its_number_through_and_opens_again_at_its_reset() {
        let mut windows = Windows::default();
        let limit = Limit { calls: 2, window: Duration::from_secs(3) };
        let start = DateTime::from_timestamp_millis(1_800_000_000_400).expect("a valid time");
        let mut count = |user, now| windows.count(user, Endpoint::CreatePost, limit, now);
        let budget = count("a", start).expect("the first");
        assert_eq!((budget.limit, budget.remaining), (2, 1));
        assert_eq!(budget.reset.timestamp_millis(), 1_800_000_004_000);
        assert_eq!(count("a", start).expect("the second").remaining, 0);
        let refused = count("a", start).expect_err("the third");
        assert_eq!((refused.remaining, refused.reset), (0, budget.reset));
        assert!(count("b", start).is_ok());
        assert!(count("a", budget.reset - TimeDelta::milliseconds(1)).is_err());
        assert!(count("a", budget.reset).is_ok());
    }
}
