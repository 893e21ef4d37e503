//! One run in figures, from its claim to its settlement.
//!
//! **Invariant:** costs a run no lookup by name unless it failed: what a kind records is found once
//! and kept.

use chrono::{DateTime, TimeDelta, Utc};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use super::{
    END_TO_END_DURATION, PROCESS_DURATION, RUNS, SYSTEM, WAIT_DURATION, fenced_writes,
    limiter_waits, retries,
};
use crate::end::{End, Settle};
use crate::finisher::Settlement;
use jobs::protocol::Outcome;
use jobs::{Code, Failure, Kind, Queue};
use metrics::{Counter, Histogram, counter, histogram};
use store::Store;
use store::ledger::{ClaimedJob, Ended, Finish, KeyClass};

/// What became of a run's job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Became {
    Done,
    Dead,
    Cancelled,
    Retried,
    Snoozed,
    Parked,
    HandedBack,
    Fenced,
}

impl Became {
    const ALL: [Became; 8] = [
        Became::Done,
        Became::Dead,
        Became::Cancelled,
        Became::Retried,
        Became::Snoozed,
        Became::Parked,
        Became::HandedBack,
        Became::Fenced,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Became::Done => "done",
            Became::Dead => "dead",
            Became::Cancelled => "cancelled",
            Became::Retried => "retried",
            Became::Snoozed => "snoozed",
            Became::Parked => "parked",
            Became::HandedBack => "handed_back",
            Became::Fenced => "fenced",
        }
    }

    const fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Became::Done,
            Outcome::Dead => Became::Dead,
            Outcome::Cancelled => Became::Cancelled,
        }
    }

    const fn is_end(self) -> bool {
        matches!(self, Became::Done | Became::Dead | Became::Cancelled)
    }
}

/// What the runs of one kind in one queue record.
#[derive(Debug)]
struct OfKind {
    wait: Histogram,
    process: Histogram,
    end_to_end: Histogram,
    runs: [Counter; Became::ALL.len()],
}

/// A place for each kind in each queue, and one in each queue for kinds that this build does not
/// know.
static KEPT: [OnceLock<OfKind>; Queue::ALL.len() * (Kind::ALL.len() + 1)] =
    [const { OnceLock::new() }; Queue::ALL.len() * (Kind::ALL.len() + 1)];

fn of(queue: Queue, kind: Option<Kind>) -> &'static OfKind {
    let row = queue as usize * (Kind::ALL.len() + 1);
    KEPT[row + kind.map_or(Kind::ALL.len(), |kind| kind as usize)].get_or_init(|| {
        let (queue, kind) = (queue.as_str(), name(kind));
        OfKind {
            wait: histogram!(WAIT_DURATION, "queue" => queue, "job_kind" => kind),
            process: process(queue, kind, ""),
            end_to_end: histogram!(END_TO_END_DURATION, "queue" => queue, "job_kind" => kind),
            runs: Became::ALL.map(|became| {
                counter!(RUNS, "queue" => queue, "job_kind" => kind, "outcome" => became.as_str())
            }),
        }
    })
}

fn name(kind: Option<Kind>) -> &'static str {
    kind.map_or("unknown", Kind::as_str)
}

fn process(queue: &'static str, kind: &'static str, error: &'static str) -> Histogram {
    histogram!(PROCESS_DURATION,
        "messaging_system" => SYSTEM,
        "messaging_operation_name" => "run",
        "messaging_operation_type" => "process",
        "messaging_destination_name" => queue,
        "job_kind" => kind,
        "error_type" => error)
}

/// Sets the runs of the kind to zero.
pub(super) fn prepare(queue: Queue, kind: Option<Kind>) {
    for runs in &of(queue, kind).runs {
        runs.absolute(0);
    }
}

/// One run.
#[derive(Debug)]
pub(crate) struct RunFigures {
    of: &'static OfKind,
    queue: Queue,
    kind: Option<Kind>,
    due: DateTime<Utc>,
    asked: DateTime<Utc>,
    began: Option<Instant>,
    ran: Duration,
    became: Became,
    error: &'static str,
    repeats: Option<Code>,
}

impl RunFigures {
    /// The job was claimed from this queue. Unless more is told, it is handed back.
    pub(crate) fn new(job: &ClaimedJob, queue: Queue, kind: Option<Kind>) -> Self {
        let due = job.run_at.max(job.created_at);
        // A retry and a snooze move the due time: a job that ran before counts from its enqueueing.
        let asked = if job.claim_no == 1 { due } else { job.created_at };
        Self {
            of: of(queue, kind),
            queue,
            kind,
            due,
            asked,
            began: None,
            ran: Duration::ZERO,
            became: Became::HandedBack,
            error: "interrupted",
            repeats: None,
        }
    }

    /// Its run begins.
    pub(crate) fn begin(&mut self) {
        self.began = Some(Instant::now());
        self.of.wait.record(seconds_since(self.due));
    }

    /// Its run answered.
    pub(crate) fn answered(&mut self, end: &End) {
        (self.became, self.error) = match end {
            End::Done(_) => (Became::Done, ""),
            End::Recorded { outcome, code } => {
                (outcome.map_or(Became::Snoozed, Became::of), code.map_or("", Code::as_str))
            }
            End::Parked(wait) => {
                debug_assert!(wait.key.is_none(), "parked jobs wait for a build, not for a key");
                (Became::Parked, "")
            }
            End::Failed(failure) => match failure {
                Failure::Retry(problem) => {
                    self.repeats = Some(problem.code);
                    (Became::Retried, problem.code.as_str())
                }
                Failure::Snooze { .. } => (Became::Snoozed, ""),
                Failure::Dead(problem) => (Became::Dead, problem.code.as_str()),
                Failure::Cancel { .. } => (Became::Cancelled, Code::Cancelled.as_str()),
                Failure::Interrupted => (Became::HandedBack, "interrupted"),
                Failure::ClaimLost => (Became::Fenced, "claim_lost"),
            },
        };
    }

    /// Its run is over, also when it was dropped.
    pub(crate) fn end(&mut self) {
        self.ran = self.began.map(|began| began.elapsed()).unwrap_or_default();
    }
}

/// The ledger knows how the run ended; `ended` is what it answered to a finish.
pub(crate) fn settled(run: &Settlement, ended: Option<&Ended>) {
    let figures = &run.figures;
    let became = match (&run.settle, ended) {
        (Settle::Nothing | Settle::HandBack, _) => figures.became,
        (Settle::Finish(..), None) => Became::Fenced,
        (Settle::Finish(..), Some(ended)) => ended.outcome.map_or(figures.became, Became::of),
    };
    figures.of.runs[became as usize].increment(1);
    if figures.began.is_some() {
        let ran = figures.ran.as_secs_f64();
        match figures.error {
            "" => figures.of.process.record(ran),
            error => process(figures.queue.as_str(), name(figures.kind), error).record(ran),
        }
    }
    if became.is_end() {
        figures.of.end_to_end.record(seconds_since(figures.asked));
    }
    match became {
        Became::Fenced => {
            fenced_writes(figures.queue).increment(1);
            tracing::warn!(job.id = %run.claim.job_id, job.claim_no = run.claim.claim_no,
                "a write of a run came too late: its claim is lost");
        }
        Became::Retried => {
            if let Some(code) = figures.repeats {
                retries(figures.queue, name(figures.kind), code).increment(1);
            }
        }
        Became::Snoozed => {
            if let Settle::Finish(Finish::Snooze(_, wait) | Finish::SnoozeFor(_, wait), _) =
                &run.settle
                && let Some(key) = &wait.key
            {
                limiter_waits(figures.queue, KeyClass::of(key).as_str()).increment(1);
            }
        }
        Became::Done | Became::Dead | Became::Cancelled | Became::Parked | Became::HandedBack => {}
    }
}

/// How far the database's clock is ahead of this machine's, in microseconds.
static AHEAD: AtomicI64 = AtomicI64::new(0);

/// Reads the database's clock, by which the moments in rows were written.
pub(crate) async fn read_the_clock(store: &Store) -> Result<(), store::Error> {
    let mut tx = store.begin().await?;
    let (asked, began) = (Utc::now(), Instant::now());
    let now = store::now(&mut tx).await?;
    let halfway = TimeDelta::from_std(began.elapsed() / 2).unwrap_or_default();
    let ahead = now - asked - halfway;
    AHEAD.store(ahead.num_microseconds().unwrap_or_default(), Ordering::Relaxed);
    Ok(())
}

fn seconds_since(moment: DateTime<Utc>) -> f64 {
    let now = Utc::now() + TimeDelta::microseconds(AHEAD.load(Ordering::Relaxed));
    (now - moment).num_microseconds().map_or(0.0, |micros| micros.max(0) as f64 / 1e6)
}
