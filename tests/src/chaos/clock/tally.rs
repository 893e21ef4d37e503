//! What became of the ticks, and what was done meanwhile.
//!
//! **Invariant:** a tick that is missed, doubled or early fails the run, and is told.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};

use super::fault::Fault;
use super::strike::Strike;
use crate::chaos::rescue::Spread;

/// How many complaints are shown.
const SHOWN: usize = 20;
/// So many faults are at least five of each kind.
const ENOUGH: usize = 5 * Fault::AT_ANY_TIME.len();
/// How long before and after a fault a tick may feel it.
const ECHO: TimeDelta = TimeDelta::milliseconds(300);

/// What became of a tick.
#[derive(Clone, Debug)]
pub(super) enum Tick {
    /// It went out once, so late.
    Out { at: DateTime<Utc>, late: TimeDelta },
    /// It is not there, or not out.
    Missed(String),
    /// It is there once more.
    Doubled(String),
    /// It went out before its time.
    Early(String),
}

/// What became of the ticks of a series.
#[derive(Clone, Debug, Default)]
pub(super) struct Fates {
    out: Vec<(DateTime<Utc>, TimeDelta)>,
    missed: usize,
    doubled: usize,
    early: usize,
    complaints: Vec<String>,
}

impl Fates {
    pub(super) fn add(&mut self, tick: Tick) {
        let (count, complaint) = match tick {
            Tick::Out { at, late } => return self.out.push((at, late)),
            Tick::Missed(told) => (&mut self.missed, format!("missed: {told}")),
            Tick::Doubled(told) => (&mut self.doubled, format!("doubled: {told}")),
            Tick::Early(told) => (&mut self.early, format!("early: {told}")),
        };
        *count += 1;
        self.complaints.push(complaint);
    }
}

/// The outcome.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    seed: u64,
    series: usize,
    each: usize,
    secs: u64,
    fates: Fates,
    strikes: BTreeMap<Fault, Vec<Strike>>,
}

impl Tally {
    pub(super) fn new(seed: u64, series: usize, each: usize) -> Self {
        Self { seed, series, each, ..Self::default() }
    }

    pub(super) fn struck(&mut self, fault: Fault, strike: Strike) {
        self.strikes.entry(fault).or_default().push(strike);
    }

    pub(super) fn add(&mut self, fates: Fates) {
        self.fates.out.extend(fates.out);
        self.fates.missed += fates.missed;
        self.fates.doubled += fates.doubled;
        self.fates.early += fates.early;
        self.fates.complaints.extend(fates.complaints);
    }

    pub(super) fn complain(&mut self, complaint: String) {
        self.fates.complaints.push(complaint);
    }

    /// In a run of some length every fault that can be done at any time has been done.
    pub(super) fn ended(&mut self, secs: u64) {
        self.secs = secs;
        if self.faults() < ENOUGH {
            return;
        }
        for fault in Fault::AT_ANY_TIME {
            if !self.strikes.contains_key(&fault) {
                self.complain(format!("never reached: {}", fault.words()));
            }
        }
    }

    /// How many ticks there were to be.
    pub fn ticks(&self) -> usize {
        self.series * self.each
    }

    /// How many ticks went out, each once and in its place.
    pub fn published(&self) -> usize {
        self.fates.out.len()
    }

    /// How many schedulers were killed.
    pub fn kills(&self) -> usize {
        self.strikes.values().flatten().map(|strike| strike.kills).sum()
    }

    /// How many kinds of faults there were.
    pub fn kinds(&self) -> usize {
        self.strikes.len()
    }

    fn faults(&self) -> usize {
        self.strikes.values().map(Vec::len).sum()
    }

    /// Whether every tick went out once.
    pub fn is_good(&self) -> bool {
        self.fates.complaints.is_empty() && self.published() == self.ticks()
    }

    /// What is not as it should be, for people.
    pub fn complaints(&self) -> &[String] {
        &self.fates.complaints
    }

    /// How late ticks of these moments went out.
    fn lateness(&self, of: impl Fn(DateTime<Utc>) -> bool) -> Spread {
        let ticks = self.fates.out.iter().filter(|(at, _)| of(*at));
        Spread::of(ticks.map(|(_, late)| *late).collect())
    }

    /// The totals, in one line.
    pub fn line(&self) -> String {
        let late = self.lateness(|_| true);
        format!(
            "clock seed={} ticks={} series={} kills={} faults={} published={} missed={} doubled={} early={} \
             late_p50_ms={} late_p99_ms={} late_max_ms={} secs={} verdict={}",
            self.seed,
            self.ticks(),
            self.series,
            self.kills(),
            self.faults(),
            self.published(),
            self.fates.missed,
            self.fates.doubled,
            self.fates.early,
            late.percentile(50),
            late.percentile(99),
            late.percentile(100),
            self.secs,
            if self.is_good() { "good" } else { "BAD" },
        )
    }

    /// The page.
    pub fn page(&self) -> String {
        let mut page = format!(
            "Seed {}, {} ticks of one second in {} series, {} schedulers killed, {} faults, {} s.\n\n\
             | ticks | published once | **missed** | **doubled** | **early** |\n\
             | --- | --- | --- | --- | --- |\n\
             | {} | {} | {} | {} | {} |\n\n\
             | what was done to schedulers | times | killed | ticks meanwhile | late: p50 | p99 | worst |\n\
             | --- | --- | --- | --- | --- | --- | --- |\n",
            self.seed,
            self.ticks(),
            self.series,
            self.kills(),
            self.faults(),
            self.secs,
            self.ticks(),
            self.published(),
            self.fates.missed,
            self.fates.doubled,
            self.fates.early,
        );
        let mut row = |what: &str, times: String, kills: usize, late: &Spread| {
            let [p50, p99, worst] = [50, 99, 100].map(|percent| late.percentile(percent));
            let ticks = late.count();
            let _ = writeln!(
                page,
                "| {what} | {times} | {kills} | {ticks} | {p50} ms | {p99} ms | {worst} ms |"
            );
        };
        for (fault, strikes) in &self.strikes {
            let kills = strikes.iter().map(|strike| strike.kills).sum();
            let late = self.lateness(|at| strikes.iter().any(|strike| strike.touches(at)));
            row(fault.words(), strikes.len().to_string(), kills, &late);
        }
        let all = || self.strikes.values().flatten();
        let free = self.lateness(|at| !all().any(|strike| strike.touches(at)));
        row("nothing", String::new(), 0, &free);
        row("**all**", self.faults().to_string(), self.kills(), &self.lateness(|_| true));
        for complaint in self.complaints().iter().take(SHOWN) {
            let _ = writeln!(page, "\n- {complaint}");
        }
        page
    }
}

impl Strike {
    fn touches(&self, tick: DateTime<Utc>) -> bool {
        (self.from - ECHO..=self.until + ECHO).contains(&tick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_tick_that_went_out_once_and_not_early_is_good() {
        let told = || "told".to_owned();
        let at = DateTime::UNIX_EPOCH;
        let tally = |ticks: Vec<Tick>| {
            let (mut tally, mut fates) = (Tally::new(1, 1, 1), Fates::default());
            ticks.into_iter().for_each(|tick| fates.add(tick));
            tally.add(fates);
            tally
        };
        let out = || Tick::Out { at, late: TimeDelta::milliseconds(30) };
        assert!(tally(vec![out()]).is_good());
        for bad in [
            tally(Vec::new()),
            tally(vec![Tick::Missed(told())]),
            tally(vec![Tick::Early(told())]),
            tally(vec![out(), Tick::Doubled(told())]),
            tally(vec![out(), out()]),
        ] {
            assert!(!bad.is_good(), "{}", bad.line());
        }
    }

    #[test]
    fn lateness_is_told_for_the_ticks_that_a_fault_met() {
        let at = |secs| DateTime::UNIX_EPOCH + TimeDelta::seconds(secs);
        let mut tally = Tally::new(1, 1, 3);
        let mut fates = Fates::default();
        for (secs, late) in [(10, 20), (11, 700), (12, 40)] {
            fates.add(Tick::Out { at: at(secs), late: TimeDelta::milliseconds(late) });
        }
        tally.add(fates);
        let from = at(11) - TimeDelta::milliseconds(200);
        tally.struck(Fault::Both, Strike { kills: 2, from, until: at(11) });
        let page = tally.page();
        assert!(page.contains(" | 1 | 2 | 1 | 700 ms | 700 ms | 700 ms |"), "{page}");
        assert!(page.contains("| nothing |  | 0 | 2 | 20 ms | 40 ms | 40 ms |"), "{page}");
    }
}
