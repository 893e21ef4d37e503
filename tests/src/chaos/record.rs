//! What was done to the fleet, as far as the verdict needs it.
//!
//! **Invariant:** moments are taken before a fault begins and after it has ended, so that nothing is
//! blamed on a fault that came later.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

/// What happened to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// `kill -9`.
    Killed,
    /// SIGSTOP; it may have gone on later.
    Frozen,
    /// SIGTERM, after which it ended by itself and in good order.
    RolledOver,
    /// SIGTERM, after which it did not end as it should.
    Stuck,
}

/// What happened to one process, and when.
#[derive(Clone, Debug)]
pub(crate) struct Fate {
    /// Its name, which no other process has.
    pub(crate) process: String,
    /// What.
    pub(crate) end: End,
    /// When it began.
    pub(crate) at: DateTime<Utc>,
    /// When it was over: dead, or going on.
    pub(crate) until: DateTime<Utc>,
    /// The jobs that it had, for a worker that was asked to end.
    pub(crate) had: Vec<String>,
}

/// A time in which Postgres could not be reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outage {
    /// Its beginning.
    pub(crate) from: DateTime<Utc>,
    /// Its end.
    pub(crate) until: DateTime<Utc>,
}

/// The record of a run.
#[derive(Debug, Default)]
pub(crate) struct Record(Mutex<Pages>);

/// What it says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pages {
    /// How often each kind of fault happened.
    pub(crate) faults: BTreeMap<&'static str, usize>,
    /// What happened to processes.
    pub(crate) fates: Vec<Fate>,
    /// When Postgres was away.
    pub(crate) outages: Vec<Outage>,
    /// What nobody asked for: processes that ended by themselves, faults that could not be done.
    pub(crate) oddities: Vec<String>,
}

impl Record {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of it so far.
    pub(crate) fn read(&self) -> Pages {
        self.pages().clone()
    }

    /// How many faults there were.
    pub(crate) fn count(&self) -> usize {
        self.pages().faults.values().sum()
    }

    /// One more fault of this kind.
    pub(crate) fn fault(&self, word: &'static str) {
        *self.pages().faults.entry(word).or_default() += 1;
    }

    /// What became of a process.
    pub(crate) fn fate(&self, fate: Fate) {
        self.pages().fates.push(fate);
    }

    /// Postgres was away since then, until now.
    pub(crate) fn outage_since(&self, from: DateTime<Utc>) {
        self.pages().outages.push(Outage { from, until: Utc::now() });
    }

    /// Something that nobody asked for.
    pub(crate) fn oddity(&self, what: String) {
        self.pages().oddities.push(what);
    }
}
