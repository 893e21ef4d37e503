//! What the modelled fleet consists of: the ledger's rows, the incarnations, the processes with
//! what they believe, and the requests nobody waits for any more.
//!
//! **Invariant:** what a process believes stands in [`Process`] alone, and may be wrong. Times are
//! relative to the database's `now()`, which is always [`NOW`]: the clock runs for ever, and the
//! states stay finite.

use chrono::{DateTime, TimeDelta, Utc};
use jobs::protocol::{Job, State as Stage, Verdict};
use std::collections::BTreeSet;

use crate::rules::Rule;

/// The database's clock.
pub(crate) const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;
/// A pause, a snooze, a closed key: one tick each.
pub(crate) const TICK: TimeDelta = TimeDelta::seconds(1);
/// Silent for so many ticks, an incarnation may be declared lost.
pub(crate) const SILENCE: u8 = 2;
/// For so many ticks after a claim has failed, strays are looked for.
pub(crate) const SUSPICION: u8 = 3;

/// Everything, at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    /// Tables `jobs` and `job_history`.
    pub(crate) rows: Vec<Row>,
    /// Table `workers`: a row for each incarnation.
    pub(crate) leases: Vec<Lease>,
    /// The worker processes.
    pub(crate) processes: Vec<Process>,
    /// Requests whose sender is dead or has given up: they arrive at any time, or never.
    pub(crate) stragglers: BTreeSet<Straggler>,
    /// The bell in Redis has been rung and not yet heard.
    pub(crate) rung: bool,
    /// Faults that may still happen.
    pub(crate) faults: u8,
    /// The first rule that a transition broke.
    pub(crate) broken: Option<Rule>,
}

/// A job in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    /// What the protocol knows.
    pub(crate) job: Job,
    /// The incarnation that has it.
    pub(crate) worker: Option<usize>,
    /// How often it was claimed. Counted by the model, so that it knows the truth without trusting
    /// the claim number.
    pub(crate) claims: u8,
    /// Which of these claims may write; none while it waits and when it has ended.
    pub(crate) right: Option<u8>,
    /// Whether the handler of that claim may have begun, in truth.
    pub(crate) begun: bool,
}

impl Row {
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.job.state, Stage::Ended(_))
    }
}

/// A row of table `workers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Lease {
    /// Not heard of for so many ticks.
    Alive(u8),
    Lost,
    Stopped,
}

/// A worker process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    pub(crate) link: Link,
    /// It was told to stop: admits nothing any more.
    pub(crate) closing: bool,
    /// By its own clock, the lease may be lost: admits nothing until it is renewed.
    pub(crate) expired: bool,
    /// The incarnation that it believes to be.
    pub(crate) me: usize,
    pub(crate) claimer: Claimer,
    pub(crate) runs: Vec<Run>,
    /// For so many more ticks its keeper looks for strays.
    pub(crate) suspicion: u8,
    /// Claims that the keeper saw in the ledger and does not run: seen once.
    pub(crate) strays: BTreeSet<Claim>,
    /// Seen twice: being handed back.
    pub(crate) returning: BTreeSet<Claim>,
    /// The claim under way was handed back as a stray: its answer comes too late.
    pub(crate) disowned: bool,
}

/// How a process stands to the rest of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Link {
    Up,
    /// Frozen by SIGSTOP, or cut off from the database. What one that is cut off does by itself
    /// nobody sees before it is back, and it can be done then.
    Away,
    /// There is no such process.
    Down,
}

/// What a process' claimer does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Claimer {
    Awake,
    /// Found nothing: waits for the bell, or until a second is over.
    Asleep,
    /// Has asked for jobs, as this incarnation.
    Asked(usize),
    /// The database has committed the claim; the answer is under way.
    Answered(usize, Claim),
    /// The same, and it takes long.
    Slow(usize, Claim),
}

/// A claim, as its worker knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Claim {
    pub(crate) job: usize,
    /// The fence.
    pub(crate) claim_no: u64,
    /// Which of the job's claims it is, in truth.
    pub(crate) right: u8,
    /// The job crashed before: the run is to begin only when the ledger knows.
    pub(crate) suspect: bool,
}

/// One run of a job in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Run {
    pub(crate) claim: Claim,
    /// The incarnation that claimed it.
    pub(crate) by: usize,
    /// The lease knows of it; without that it is handed back as soon as it comes.
    pub(crate) admitted: bool,
    /// Its handler runs.
    pub(crate) begun: bool,
    /// `None` while the handler works.
    pub(crate) settle: Option<Settle>,
}

/// What the finisher asks of the database, again and again until it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Settle {
    Finish(Answer),
    HandBack,
}

/// What a handler answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Answer {
    Done,
    Retry,
    Snooze,
    Dead,
    Cancelled,
}

impl Answer {
    pub(crate) fn verdict(self) -> Verdict {
        match self {
            Answer::Done => Verdict::Done,
            Answer::Retry => Verdict::Retry(TICK),
            Answer::Snooze => Verdict::Snooze(NOW + TICK),
            Answer::Dead => Verdict::Dead,
            Answer::Cancelled => Verdict::Cancelled,
        }
    }
}

/// A request that nobody waits for any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Straggler {
    /// For a job, as this incarnation.
    Ask(usize),
    Settle(Claim, Settle),
}

impl Process {
    pub(crate) fn new(me: usize) -> Process {
        Process {
            link: Link::Up,
            closing: false,
            expired: false,
            me,
            claimer: Claimer::Awake,
            runs: Vec::new(),
            suspicion: 0,
            strays: BTreeSet::new(),
            returning: BTreeSet::new(),
            disowned: false,
        }
    }
}

impl World {
    /// Every claim that somebody may still write with: in a handler, a finisher, on the wire.
    pub(crate) fn claims_about(&self) -> impl Iterator<Item = Claim> {
        let of_process = |process: &Process| {
            let answered = match process.claimer {
                Claimer::Answered(_, claim) | Claimer::Slow(_, claim) => Some(claim),
                Claimer::Awake | Claimer::Asleep | Claimer::Asked(_) => None,
            };
            let runs = process.runs.iter().map(|run| run.claim);
            runs.chain(answered).chain(process.returning.iter().copied()).collect::<Vec<_>>()
        };
        let on_the_wire = self.stragglers.iter().filter_map(|straggler| match straggler {
            Straggler::Ask(_) => None,
            Straggler::Settle(claim, _) => Some(*claim),
        });
        self.processes.iter().flat_map(of_process).chain(on_the_wire)
    }
}
