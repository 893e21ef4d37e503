//! The occurrences of a rule, one after the other.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::{Occurrence, Rule};

/// Occurrences in order; made by [`Rule::occurrences`]. Without a bound they go on to the end of the calendar.
#[derive(Clone, Debug)]
pub struct Occurrences<'rule> {
    rule: &'rule Rule,
    zone: Tz,
    after: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
    left: Option<u32>,
}

impl<'rule> Occurrences<'rule> {
    pub(super) fn new(rule: &'rule Rule, zone: Tz, after: DateTime<Utc>) -> Self {
        Self { rule, zone, after, until: None, left: None }
    }

    /// None is later than this moment; one at the moment itself still counts. May be said again: the
    /// earliest holds.
    pub fn until(mut self, end: Option<DateTime<Utc>>) -> Self {
        self.until = [self.until, end].into_iter().flatten().min();
        self
    }

    /// No more than so many. May be said again: the fewest hold.
    pub fn at_most(mut self, count: Option<u32>) -> Self {
        self.left = [self.left, count].into_iter().flatten().min();
        self
    }
}

impl Iterator for Occurrences<'_> {
    type Item = Occurrence;

    fn next(&mut self) -> Option<Occurrence> {
        if self.left == Some(0) {
            return None;
        }
        let next = self.rule.next(self.zone, self.after)?;
        let at = next.at.to_utc();
        if self.until.is_some_and(|end| at > end) {
            return None;
        }
        self.after = at;
        self.left = self.left.map(|left| left - 1);
        Some(next)
    }
}
