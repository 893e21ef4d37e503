//! What a key allows, how much of it is used, and when the next job may start: pure functions.
//!
//! A key stands for something that many jobs share: an account, a call of a network, an
//! organization's publishing. A limit is set for a key, or for all keys of a pattern in which one
//! part is `*`.
//!
//! **Invariant:** nobody overtakes: while jobs wait for a key, a newcomer waits behind them.

use chrono::{DateTime, TimeDelta, Utc};

/// How long a job that waits for one of `concurrency` runs to end is left alone, should nobody
/// tell it of the end.
const LOOK: TimeDelta = TimeDelta::seconds(15);
/// So far apart do they look.
const APART: TimeDelta = TimeDelta::milliseconds(50);

/// What a key allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// At most so many runs at once.
    pub concurrency: Option<u32>,
    /// At most so many starts in a time.
    pub rate: Option<Rate>,
}

/// So many starts in any stretch of time of this length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The starts.
    pub starts: u32,
    /// The length.
    pub per: TimeDelta,
}

/// How much of a key is used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// Runs that have it now.
    pub running: u32,
    /// When the present window began.
    pub window_began: DateTime<Utc>,
    /// Starts in the present window.
    pub starts: u32,
    /// Starts in the window before.
    pub starts_before: u32,
    /// When the last of those who wait for it looks again.
    pub line_ends: Option<DateTime<Utc>>,
}

impl Limit {
    /// `None` when one more may start at `now`, else when to ask again. `waited` says that the job
    /// stood in line for this key and its moment has come.
    pub fn opens_at(
        &self,
        usage: &Usage,
        waited: bool,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let line = usage.line_ends.filter(|ends| *ends > now && !waited);
        let rate = self.rate.and_then(|rate| {
            let opens = rate.opens_at(usage, now);
            let behind = line.map(|ends| ends + rate.per / rate.starts.max(1).cast_signed());
            opens.max(behind)
        });
        let busy = self.concurrency.is_some_and(|most| usage.running >= most);
        let concurrency = (self.concurrency.is_some() && (busy || line.is_some()))
            .then(|| line.map_or(now + LOOK, |ends| (now + LOOK).max(ends + APART)));
        rate.max(concurrency)
    }

    /// In words, for people.
    pub fn in_words(&self) -> String {
        let rate =
            self.rate.map(|rate| format!("{} starts in {} s", rate.starts, rate.per.num_seconds()));
        let runs = self.concurrency.map(|most| format!("{most} at once"));
        [runs, rate].into_iter().flatten().collect::<Vec<_>>().join(" and ")
    }
}

impl Rate {
    /// When the next start is allowed; `None` when it is now.
    fn opens_at(&self, usage: &Usage, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let usage = usage.at(self, now);
        let most = f64::from(self.starts) - 1.0;
        // What the window before still weighs falls evenly until this one ends.
        let weighs_little =
            |of: u32, most: f64| if of == 0 { 0.0 } else { (1.0 - most / f64::from(of)).max(0.0) };
        let (began, share) = if f64::from(usage.starts) <= most {
            (usage.window_began, weighs_little(usage.starts_before, most - f64::from(usage.starts)))
        } else {
            (usage.window_began + self.per, weighs_little(usage.starts, most))
        };
        let micros = self.per.num_microseconds().unwrap_or(i64::MAX) as f64 * share;
        let opens = began + TimeDelta::microseconds(micros.ceil() as i64);
        (opens > now).then_some(opens)
    }
}

impl Usage {
    /// Nothing is used.
    pub fn none(now: DateTime<Utc>) -> Self {
        Self { running: 0, window_began: now, starts: 0, starts_before: 0, line_ends: None }
    }

    /// The same, seen later: windows pass.
    fn at(mut self, rate: &Rate, now: DateTime<Utc>) -> Self {
        if now >= self.window_began + rate.per * 2 {
            (self.window_began, self.starts, self.starts_before) = (now, 0, 0);
        } else if now >= self.window_began + rate.per {
            self.window_began += rate.per;
            (self.starts, self.starts_before) = (0, self.starts);
        }
        self
    }

    /// One more has started.
    pub fn started(&mut self, limit: &Limit, now: DateTime<Utc>) {
        if let Some(rate) = &limit.rate {
            *self = self.at(rate, now);
        }
        self.running += 1;
        self.starts += 1;
    }
}

/// The patterns whose limit may be meant for the key, the closest first: the key itself, then the
/// key with one part replaced by `*`.
pub fn limit_patterns(key: &str) -> Vec<String> {
    let parts: Vec<&str> = key.split(':').collect();
    let starred = (0..parts.len()).rev().map(|nth| {
        let mut parts = parts.clone();
        parts[nth] = "*";
        parts.join(":")
    });
    std::iter::once(key.to_owned()).chain(starred).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const T: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn rate(starts: u32, seconds: i64) -> Limit {
        let rate = Rate { starts, per: TimeDelta::seconds(seconds) };
        Limit { concurrency: None, rate: Some(rate) }
    }

    proptest! {
        #[test]
        fn no_stretch_of_time_sees_twice_the_rate_and_the_average_is_kept(
            starts in 1u32..20, seconds in 1i64..100, gaps in prop::collection::vec(0i64..2_000_000, 1..300),
        ) {
            let limit = rate(starts, seconds);
            let (mut now, mut usage, mut began) = (T, Usage::none(T), Vec::new());
            for gap in gaps {
                now += TimeDelta::microseconds(gap);
                if let Some(opens) = limit.opens_at(&usage, true, now) {
                    prop_assert!(opens > now);
                    prop_assert!(opens <= now + TimeDelta::seconds(2 * seconds) + TimeDelta::milliseconds(1));
                    now = opens;
                    prop_assert_eq!(limit.opens_at(&usage, true, now), None, "it opens when it said so");
                }
                usage.started(&limit, now);
                began.push(now);
            }
            let per = TimeDelta::seconds(seconds);
            for (nth, first) in began.iter().enumerate() {
                let within = began[nth..].iter().filter(|at| **at - *first < per).count();
                prop_assert!(within <= 2 * starts as usize, "{} in one window", within);
                let long = began[nth..].iter().filter(|at| **at - *first < per * 10).count();
                prop_assert!(long <= 11 * starts as usize, "{} in ten windows", long);
            }
        }
    }

    #[test]
    fn a_newcomer_waits_behind_those_who_wait_and_whose_turn_it_is_goes() {
        let limit = rate(10, 10);
        let usage = Usage { line_ends: Some(T + TimeDelta::seconds(5)), ..Usage::none(T) };
        assert_eq!(limit.opens_at(&usage, false, T), Some(T + TimeDelta::seconds(6)));
        assert_eq!(limit.opens_at(&usage, true, T), None);
        let two = Limit { concurrency: Some(2), rate: None };
        assert_eq!(two.opens_at(&Usage { running: 1, ..Usage::none(T) }, false, T), None);
        let full = Usage { running: 2, ..Usage::none(T) };
        assert_eq!(two.opens_at(&full, false, T), Some(T + LOOK));
        assert_eq!(two.opens_at(&full, true, T), Some(T + LOOK), "its turn makes no room");
    }

    #[test]
    fn a_key_has_the_patterns_that_leave_out_one_part() {
        assert_eq!(
            limit_patterns("x:user:17:POST /2/tweets"),
            [
                "x:user:17:POST /2/tweets",
                "x:user:17:*",
                "x:user:*:POST /2/tweets",
                "x:*:17:POST /2/tweets",
                "*:user:17:POST /2/tweets",
            ]
        );
        assert_eq!(rate(100, 900).in_words(), "100 starts in 900 s");
    }
}
