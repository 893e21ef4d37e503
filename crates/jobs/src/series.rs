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
/// How many occurrences beyond those that are made can be named, or listed.
pub const FARTHEST: usize = 20_000;
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

/// Where a local time lies in a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Located {
    /// Ahead, and not made yet: the occurrence, and its number when its turn comes.
    Ahead(Occurrence, u64),
    /// It is an occurrence that has passed.
    Passed(Occurrence),
    /// The series ends before it.
    Beyond,
    /// Further ahead than [`FARTHEST`].
    TooFar,
    /// Nowhere: the series has no such occurrence. Those that it has before and after it.
    Nowhere(Vec<Occurrence>),
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

    /// How many of the occurrences that are made lie ahead at the moment `now`.
    pub fn made_ahead(&self, reached: Reached, now: DateTime<Utc>) -> u64 {
        self.after(now).take_while(|next| next.at <= reached.expanded_to).count() as u64
    }

    /// Where a local time lies that has no row, at the moment `now`.
    pub fn locate(
        &self,
        reached: Reached,
        now: DateTime<Utc>,
        planned: NaiveDateTime,
        fold: u8,
    ) -> Located {
        let Some(wanted) = self.find(planned, fold) else {
            let endless = Self { ends_at: None, ..self.clone() };
            return match endless.find(planned, fold) {
                Some(_) => Located::Beyond,
                None => Located::Nowhere(self.near(wall_time::moment(planned, self.zone))),
            };
        };
        if wanted.at <= now {
            return Located::Passed(wanted);
        }
        for (number, next) in (reached.made..).zip(self.after(reached.expanded_to)).take(FARTHEST) {
            if self.most.is_some_and(|most| number >= most) {
                return Located::Beyond;
            }
            if next == wanted {
                return Located::Ahead(wanted, number);
            }
            if next.at > wanted.at {
                return Located::Nowhere(self.near(wanted.at.to_utc()));
            }
        }
        Located::TooFar
    }

    /// The occurrence with this planned local time behind what is `reached`, if the series has one and ends
    /// no earlier.
    pub fn has(&self, reached: Reached, planned: NaiveDateTime, fold: u8) -> Option<Occurrence> {
        if self.most.is_none() {
            return self.find(planned, fold);
        }
        match self.locate(reached, reached.expanded_to, planned, fold) {
            Located::Ahead(found, _) => Some(found),
            _ => None,
        }
    }

    /// The last occurrence before a moment, no more than a year before it, and the first one after it.
    fn near(&self, at: DateTime<Utc>) -> Vec<Occurrence> {
        let before = [TimeDelta::hours(1), TimeDelta::days(1), TimeDelta::days(366)]
            .into_iter()
            .find_map(|window| self.after(at - window).take_while(|it| it.at < at).last());
        before.into_iter().chain(self.after(at).next()).collect()
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
    fn a_local_time_is_located_by_what_has_no_row_yet() {
        let now = at("2026-03-10T12:00:00Z");
        let start = Reached { expanded_to: at("2026-03-01T00:00:00Z"), made: 0 };
        let ends = Some("2026-05-01T00:00:00Z");
        let series = series(daily(), ends, Some(50));
        let reached = series.expand(start, now).reached;
        let locate = |planned: &str| series.locate(reached, now, planned.parse().unwrap(), 0);
        let Located::Ahead(found, number) = locate("2026-04-16T02:30:00") else {
            panic!("{:?}", locate("2026-04-16T02:30:00"))
        };
        assert_eq!((found.at.to_rfc3339().as_str(), number), ("2026-04-16T02:30:00+02:00", 46));
        assert_eq!(series.after(start.expanded_to).nth(46), Some(found));
        assert_eq!(locate("2026-04-20T02:30:00"), Located::Beyond, "by the count");
        assert_eq!(locate("2026-05-02T02:30:00"), Located::Beyond, "by the end");
        assert!(matches!(locate("2026-03-05T02:30:00"), Located::Passed(_)));
        let Located::Nowhere(near) = locate("2026-04-16T02:31:00") else {
            panic!("it is somewhere")
        };
        let near: Vec<_> = near.iter().map(|it| it.planned.to_string()).collect();
        assert_eq!(near, ["2026-04-16 02:30:00", "2026-04-17 02:30:00"]);
        let often = self::series(every_second(), None, None);
        let day_after = often.locate(reached, now, "2026-04-15T02:30:00".parse().unwrap(), 0);
        assert_eq!(day_after, Located::TooFar);
    }

    #[test]
    fn how_many_made_ones_lie_ahead_is_known_without_their_rows() {
        for now in ["2026-03-01T00:00:00Z", "2026-03-20T01:29:59Z", "2026-03-20T01:30:00Z"] {
            let series = series(daily(), None, None);
            let start = Reached { expanded_to: at("2026-03-01T00:00:00Z"), made: 0 };
            let expansion = series.expand(start, at(now));
            let ahead = expansion.fresh.iter().filter(|it| it.at > at(now)).count() as u64;
            assert_eq!(series.made_ahead(expansion.reached, at(now)), ahead);
        }
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
