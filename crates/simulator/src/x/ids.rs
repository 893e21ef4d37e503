//! Ids that grow with time, as X's do: milliseconds since X's epoch, then a counter.
//!
//! **Invariant:** every id is greater than all before it, whatever the clock does.

use chrono::{DateTime, Utc};

/// The first moment that an id can tell, in milliseconds of unix time.
const EPOCH_MS: i64 = 1_288_834_974_657;
/// Bits below the time.
const COUNTER_BITS: u32 = 22;

/// Makes ids.
#[derive(Debug, Default)]
pub(super) struct Ids {
    last: u64,
}

impl Ids {
    /// A new id for something that happens at `now`.
    pub(super) fn next(&mut self, now: DateTime<Utc>) -> u64 {
        let elapsed = u64::try_from(now.timestamp_millis() - EPOCH_MS).unwrap_or_default();
        self.last = (elapsed << COUNTER_BITS).max(self.last + 1);
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_within_a_millisecond_and_when_the_clock_goes_back() {
        let mut ids = Ids::default();
        let now = DateTime::from_timestamp_millis(1_800_000_000_000).expect("a valid time");
        let first = ids.next(now);
        assert_eq!(first >> COUNTER_BITS, 1_800_000_000_000 - EPOCH_MS as u64);
        assert_eq!(ids.next(now), first + 1);
        assert_eq!(ids.next(now - chrono::TimeDelta::seconds(1)), first + 2);
        assert!(first.to_string().len() <= 19);
    }
}
