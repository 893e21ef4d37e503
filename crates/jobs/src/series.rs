//! A recurring schedule's occurrences: how far ahead they become rows, and when it ends.
//!
//! Rows are made ahead up to a bounded horizon, in time and in number; the next one is always there. What
//! lies behind because nobody made rows for a while is made as well, so that somebody hears of it.
//!
//! **Invariant:** no clock of its own; the occurrences made one horizon after the other are those of the
//! rule, each once, in order.

use chrono::{DateTime, MappedLocalTime, NaiveDateTime, SubsecRound, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use crate::recurrence::{Invalid, Occurrence, Pattern, Rule};
use crate::wall_time;

/// The time-zone data of this build, such as `2026a`: newer ones sort after older ones.
pub const TZDB: &str = chrono_tz::IANA_TZDB_VERSION;

/// The most rows ahead of one series.
pub const MOST_AHEAD: usize = 64;
/// How far ahead rows are made.
pub const HORIZON: TimeDelta = TimeDelta::days(35);
/// When less than this is covered, rows are made again.
const REFILL: TimeDelta = TimeDelta::days(28);
/// The most rows that are made at once of what lies behind.
const MOST_BEHIND: usize = 500;

/// A recurring schedule, ready to be asked for its occurrences.
#[derive(Clone, Debug)]
pub struct Series {
    rule: Rule,
    zone: Tz,
    starts_at: DateTime<Utc>,
    ends_at: Option<DateTime<Utc>>,
    most: Option<u64>,
}

/// How far a series is expanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Every occurrence up to this moment is a row.
    pub expanded_to: DateTime<Utc>,
    /// How many that is.
    pub made: u64,
}

/// What is to be made next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expansion {
    /// Occurrences without a row; the first has the number that was `made`, and so on.
    pub fresh: Vec<Occurrence>,
    /// How far the series is expanded with them.
    pub reached: Reached,
    /// When to look again; `None` when the last occurrence has passed.
    pub expand_at: Option<DateTime<Utc>>,
}

impl Series {
    /// A series of a pattern in a zone. `starts_at` and `ends_at` may be occurrences themselves; `most` is how
    /// many there are in all.
    ///
    /// # Errors
    /// [`Invalid`] names the field of the pattern that is wrong.
    pub fn new(
        pattern: &Pattern,
        zone: Tz,
        starts_at: DateTime<Utc>,
        ends_at: Option<DateTime<Utc>>,
        most: Option<u64>,
    ) -> Result<Self, Invalid> {
        Ok(Self { rule: pattern.rule()?, zone, starts_at, ends_at, most })
    }

    /// The occurrences later than `after`, but for how many there may be in all.
    pub fn after(&self, after: DateTime<Utc>) -> impl Iterator<Item = Occurrence> {
        // Occurrences fall on whole seconds.
        let start = (self.starts_at - TimeDelta::nanoseconds(1)).trunc_subsecs(0);
        let after = after.trunc_subsecs(0).max(start);
        self.rule.occurrences(self.zone, after).until(self.ends_at)
    }

    /// The occurrence with this planned local time, if the series has one.
    pub fn find(&self, planned: NaiveDateTime, fold: u8) -> Option<Occurrence> {
        let at = match (self.zone.from_local_datetime(&planned), fold) {
            (MappedLocalTime::Ambiguous(one, other), 1) => one.max(other).to_utc(),
            _ => wall_time::moment(planned, self.zone),
        };
        let found = self.after(at - TimeDelta::seconds(1)).next()?;
        (found.planned == planned && found.fold == fold).then_some(found)
    }

    /// What is to be made at the moment `now`.
    pub fn expand(&self, reached: Reached, now: DateTime<Utc>) -> Expansion {
        let mut ahead: Vec<DateTime<Utc>> = self
            .after(now)
            .map(|occurrence| occurrence.at.to_utc())
            .take_while(|at| *at <= reached.expanded_to)
            .take(MOST_AHEAD)
            .collect();
        let left = self.most.map_or(u64::MAX, |most| most.saturating_sub(reached.made));
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let mut more = self.after(reached.expanded_to).take(left).peekable();
        let mut fresh = Vec::new();
        let mut behind = 0;
        while let Some(next) = more.peek().map(|next| next.at.to_utc()) {
            if next <= now {
                if behind == MOST_BEHIND {
                    break;
                }
                behind += 1;
            } else if ahead.is_empty() || ahead.len() < MOST_AHEAD && next <= now + HORIZON {
                ahead.push(next);
            } else {
                break;
            }
            fresh.extend(more.next());
        }
        let last = ahead.last().copied();
        let expand_at = match more.peek().map(|next| next.at.to_utc()) {
            Some(next) if next <= now => Some(now),
            Some(_) if ahead.len() >= MOST_AHEAD => Some(ahead[MOST_AHEAD / 2]),
            Some(next) => last.map(|last| last.min(next - REFILL)),
            None => last,
        };
        let reached = Reached {
            expanded_to: fresh
                .last()
                .map_or(reached.expanded_to, |last: &Occurrence| last.at.to_utc()),
            made: reached.made + fresh.len() as u64,
        };
        Expansion { fresh, reached, expand_at }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use chrono_tz::Europe::Berlin;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn series(pattern: serde_json::Value, ends: Option<&str>, most: Option<u64>) -> Series {
        let pattern: Pattern = serde_json::from_value(pattern).unwrap();
        Series::new(&pattern, Berlin, at("2026-03-01T00:00:00Z"), ends.map(at), most).unwrap()
    }

    fn daily() -> serde_json::Value {
        serde_json::json!({ "pattern": "daily", "at": "02:30" })
    }

    fn every_second() -> serde_json::Value {
        serde_json::json!({ "pattern": "cron", "expression": "* * * * * *", "seconds": true })
    }

    /// Expands again and again as the clock says, until `end`; the occurrences in the order they were made.
    fn run(series: &Series, end: DateTime<Utc>) -> (Vec<Occurrence>, Option<DateTime<Utc>>) {
        let mut reached = Reached { expanded_to: at("2026-03-01T00:00:00Z"), made: 0 };
        let (mut made, mut now) = (Vec::new(), reached.expanded_to);
        loop {
            let expansion = series.expand(reached, now);
            made.extend(expansion.fresh);
            reached = expansion.reached;
            assert_eq!(reached.made, made.len() as u64);
            match expansion.expand_at {
                Some(next) if next <= end => {
                    assert!(next > now, "{next} after {now}");
                    now = next;
                }
                expand_at => return (made, expand_at),
            }
        }
    }

    #[test]
    fn one_horizon_after_the_other_makes_each_occurrence_once() {
        for (pattern, end) in [
            (daily(), "2027-03-01T00:00:00Z"),
            (every_second(), "2026-03-01T00:20:00Z"),
            (
                serde_json::json!({ "pattern": "monthly", "on": { "kind": "lastDay" }, "at": "09:00" }),
                "2029-01-01T00:00:00Z",
            ),
            (
                serde_json::json!({ "pattern": "cron", "expression": "0 0 29 2 *" }),
                "2050-01-01T00:00:00Z",
            ),
        ] {
            let series = series(pattern, None, None);
            let (made, _) = run(&series, at(end));
            let expected: Vec<_> =
                series.after(at("2026-03-01T00:00:00Z")).take(made.len()).collect();
            assert_eq!(made, expected);
            assert!(made.last().unwrap().at > at(end), "the next one is always there");
        }
    }

    #[test]
    fn rows_ahead_are_bounded_in_time_and_in_number() {
        let start = Reached { expanded_to: at("2026-03-01T00:00:00Z"), made: 0 };
        let now = start.expanded_to;
        let seconds = series(every_second(), None, None).expand(start, now);
        assert_eq!(seconds.fresh.len(), MOST_AHEAD);
        assert!(seconds.expand_at.unwrap() <= now + TimeDelta::seconds(33));
        let days = series(daily(), None, None).expand(start, now);
        assert_eq!(days.fresh.len(), 35);
        let covered = days.fresh[34].at.to_utc() - days.expand_at.unwrap();
        assert!(covered > TimeDelta::days(26) && covered < REFILL, "{covered}");
    }

    #[test]
    fn it_ends_when_its_last_occurrence_has_passed() {
        let end = at("2027-01-01T00:00:00Z");
        let (made, expand_at) = run(&series(daily(), None, Some(40)), end);
        assert_eq!((made.len(), expand_at), (40, None));
        let (made, expand_at) = run(&series(daily(), Some("2026-03-03T01:30:00Z"), None), end);
        assert_eq!((made.len(), expand_at), (3, None));
    }

    #[test]
    fn what_lies_behind_is_made_a_piece_at_a_time() {
        let series = series(every_second(), None, Some(1000));
        let now = at("2026-03-01T00:10:01Z");
        let behind =
            series.expand(Reached { expanded_to: at("2026-03-01T00:00:00Z"), made: 0 }, now);
        assert_eq!((behind.fresh.len(), behind.expand_at), (MOST_BEHIND, Some(now)));
        let next = series.expand(behind.reached, now);
        assert_eq!(next.reached.made, 665);
        assert!(next.expand_at.unwrap() > now);
    }

    #[test]
    fn an_occurrence_is_found_by_its_local_time() {
        let series = series(daily(), None, None);
        let found = |planned: &str, fold| {
            series.find(planned.parse().unwrap(), fold).map(|found| found.at.to_rfc3339())
        };
        assert_eq!(found("2026-03-29T02:30:00", 0).unwrap(), "2026-03-29T03:00:00+02:00");
        assert_eq!(found("2026-10-25T02:30:00", 0).unwrap(), "2026-10-25T02:30:00+02:00");
        assert_eq!(found("2026-10-25T02:30:00", 1), None);
        assert_eq!(found("2026-10-26T02:31:00", 0), None);
        assert_eq!(found("2026-02-26T02:30:00", 0), None, "it had not begun");
    }
}
