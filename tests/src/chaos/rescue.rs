//! How long a dead worker's jobs stayed with it, and what deploys cost: from the ledger's own entries.
//!
//! **Invariant:** a crash or an attempt is blamed on the last thing that happened to its worker before;
//! what a deploy may have cost counts as its cost.

use std::collections::HashMap;

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::Row as _;

use super::ground::Ground;
use super::record::{End, Fate, Pages};

/// An entry that is so much later than the end of a worker may still be its own.
const TRAIL: TimeDelta = TimeDelta::seconds(1);
/// What the network costs, and what a job's own arguments cost wherever it runs: no deploy's fault.
const OF_THE_NETWORK: [&str; 4] = ["unavailable", "rate_limited", "platform_refused", "timeout"];
const OF_ITS_OWN: [&str; 3] = ["invalid_argument", "not_found", "conflict"];

/// A set of times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spread {
    sorted: Vec<TimeDelta>,
}

impl Spread {
    pub(super) fn of(mut times: Vec<TimeDelta>) -> Self {
        times.sort();
        Self { sorted: times }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.sorted.len()
    }

    /// So many percent are at most this long, in milliseconds; 0 when there are none.
    pub(crate) fn percentile(&self, percent: usize) -> i64 {
        let nth = (self.sorted.len() * percent).div_ceil(100).max(1) - 1;
        self.sorted.get(nth).map_or(0, TimeDelta::num_milliseconds)
    }
}

/// What the ledger says of deaths and deploys.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deaths {
    /// From SIGKILL or SIGSTOP to the moment when the job was ready again, for every job.
    pub(crate) rescue: Spread,
    /// The same where Postgres was there all the time: then nobody waits for a grace.
    pub(crate) undisturbed: Spread,
    /// From SIGKILL or SIGSTOP to the moment when the job ran again, for jobs that crashed once.
    pub(crate) again: Spread,
    /// Crashes counted by the ledger.
    pub(crate) crashes: usize,
    /// Of these, those of workers that lived and had lost Postgres for longer than their lease.
    pub(crate) cut_off: usize,
    /// Jobs that a worker had when it was asked to end.
    pub(crate) handed_over: usize,
    /// Attempts and crashes that deploys cost.
    pub(crate) cost_of_deploys: usize,
    /// What they were, for people.
    pub(crate) costs: Vec<String>,
}

struct Entry {
    job: String,
    kind: String,
    crashes: i32,
    started_at: Option<DateTime<Utc>>,
    code: String,
    at: DateTime<Utc>,
    worker: Option<String>,
    entries: i32,
}

const ENTRIES: &str = "select l.id::text, l.kind, l.crashes, l.started_at, e ->> 'code',
        (e ->> 'at')::timestamptz, split_part(e ->> 'message', ' ', 2), jsonb_array_length(l.errors)
    from (select id, kind, crashes, started_at, errors from job_history where errors <> '[]'
          union all select id, kind, crashes, started_at, errors from jobs where errors <> '[]') l
    cross join lateral jsonb_array_elements(l.errors) e
    where e ? 'at'";

/// Reads the ledger's entries against the record. In the `shadow` after an outage nobody is declared
/// dead as quickly as otherwise: the grace, and some.
///
/// # Errors
/// When the ledger cannot be asked.
pub(crate) async fn read(ground: &Ground, pages: &Pages, shadow: TimeDelta) -> Result<Deaths> {
    let workers = ground.eyes.rows("select id::text, name from workers", &[]).await?;
    let names: HashMap<String, String> =
        workers.iter().map(|row| (row.get(0), row.get(1))).collect();
    let rows = ground.eyes.rows(ENTRIES, &[]).await?;
    let entries: Vec<Entry> = rows
        .iter()
        .map(|row| Entry {
            job: row.get(0),
            kind: row.get(1),
            crashes: row.get(2),
            started_at: row.get(3),
            code: row.get::<Option<String>, _>(4).unwrap_or_default(),
            at: row.get(5),
            worker: names.get(&row.get::<String, _>(6)).cloned(),
            entries: row.get(7),
        })
        .collect();
    Ok(weigh(&entries, pages, shadow))
}

fn weigh(entries: &[Entry], pages: &Pages, shadow: TimeDelta) -> Deaths {
    let mut deaths = Deaths::default();
    let (mut rescue, mut undisturbed, mut again) = (Vec::new(), Vec::new(), Vec::new());
    for entry in entries.iter().filter(|entry| entry.code == "crashed") {
        deaths.crashes += 1;
        let Some(fate) = last_fate(pages, entry, shadow) else {
            deaths.cut_off += 1;
            continue;
        };
        match fate.end {
            End::Killed | End::Frozen | End::Stuck => {
                rescue.push(entry.at - fate.at);
                if !is_disturbed(pages, fate.at - shadow, entry.at) {
                    undisturbed.push(entry.at - fate.at);
                }
                let ran = entry.started_at.filter(|at| *at >= entry.at && entry.entries == 1);
                // A post that meets its own open intent waits, and starts once more.
                let ran = ran.filter(|_| entry.crashes == 1 && !entry.kind.starts_with("post."));
                again.extend(ran.map(|ran| ran - fate.at));
            }
            End::RolledOver => {
                deaths.costs.push(format!("{} {} crashed by a deploy", entry.kind, entry.job));
            }
        }
    }
    for fate in pages.fates.iter().filter(|fate| fate.end == End::RolledOver) {
        deaths.handed_over += fate.had.len();
        let of_it = |entry: &&Entry| {
            fate.had.contains(&entry.job)
                && (fate.at..=fate.until + TRAIL).contains(&entry.at)
                && entry.code != "crashed"
                && !OF_ITS_OWN.contains(&entry.code.as_str())
                && !(is_networks(&entry.kind) && OF_THE_NETWORK.contains(&entry.code.as_str()))
        };
        for entry in entries.iter().filter(of_it) {
            deaths.costs.push(format!("{} {}: {}", entry.kind, entry.job, entry.code));
        }
    }
    deaths.cost_of_deploys = deaths.costs.len();
    deaths.rescue = Spread::of(rescue);
    deaths.undisturbed = Spread::of(undisturbed);
    deaths.again = Spread::of(again);
    deaths
}

fn is_networks(kind: &str) -> bool {
    kind.starts_with("post.") || kind == "connection.import"
}

/// The last thing that happened to the entry's worker before.
fn last_fate<'a>(pages: &'a Pages, entry: &Entry, shadow: TimeDelta) -> Option<&'a Fate> {
    let fates = pages
        .fates
        .iter()
        .filter(|fate| Some(&fate.process) == entry.worker.as_ref() && fate.at <= entry.at);
    // A worker that slept and then lived on for long lost its lease for another reason.
    fates
        .max_by_key(|fate| fate.at)
        .filter(|fate| fate.end != End::Frozen || entry.at < fate.until + shadow)
}

fn is_disturbed(pages: &Pages, from: DateTime<Utc>, until: DateTime<Utc>) -> bool {
    pages.outages.iter().any(|outage| outage.from < until && outage.until > from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHADOW: TimeDelta = TimeDelta::seconds(16);

    fn at(secs: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + secs, 0).expect("a valid time")
    }

    fn fate(process: &str, end: End, from: i64, until: i64) -> Fate {
        Fate {
            process: process.into(),
            end,
            at: at(from),
            until: at(until),
            had: vec!["job".into()],
        }
    }

    fn entry(worker: &str, code: &str, secs: i64) -> Entry {
        Entry {
            job: "job".into(),
            kind: "content.create".into(),
            crashes: 1,
            started_at: Some(at(secs + 1)),
            code: code.into(),
            at: at(secs),
            worker: Some(worker.into()),
            entries: 1,
        }
    }

    #[test]
    fn a_rescue_is_measured_from_the_kill_to_the_entry() {
        let fates = vec![fate("worker.1", End::Killed, 100, 101)];
        let pages = Pages { fates, ..Pages::default() };
        let deaths = weigh(&[entry("worker.1", "crashed", 112)], &pages, SHADOW);
        assert_eq!(deaths.rescue.percentile(99), 12_000);
        assert_eq!(deaths.undisturbed.percentile(50), 12_000);
        assert_eq!(deaths.again.percentile(50), 13_000);
        assert_eq!(deaths.cost_of_deploys, 0);
    }

    #[test]
    fn what_a_deploy_costs_is_found() {
        let fates = vec![fate("worker.2", End::RolledOver, 100, 102)];
        let pages = Pages { fates, ..Pages::default() };
        let cost = |worker, code, secs| {
            weigh(&[entry(worker, code, secs)], &pages, SHADOW).cost_of_deploys
        };
        assert_eq!(cost("worker.2", "crashed", 110), 1);
        assert_eq!(cost("worker.3", "internal", 101), 1);
        assert_eq!(cost("worker.3", "internal", 200), 0);
        assert_eq!(cost("worker.3", "crashed", 101), 0);
    }

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let spread = Spread::of((1..=200).map(TimeDelta::milliseconds).collect());
        assert_eq!([50, 99, 100].map(|percent| spread.percentile(percent)), [100, 198, 200]);
        assert_eq!(Spread::default().percentile(99), 0);
    }
}
