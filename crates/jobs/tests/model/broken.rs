//! What the model must notice: transition functions with one rule broken, and surroundings with one
//! part missing.

use chrono::{DateTime, Utc};
use jobs::protocol::{Event, Job, Outcome, State as Stage, Verdict, next};

use crate::fleet::Part;
use crate::ledger::Next;
use crate::properties::{ENDS, NO_CRASH, OWN_RUNS};
use crate::rules::{self, Rule};

/// A broken transition function, and what it breaks.
pub(crate) struct Mutant {
    pub(crate) name: &'static str,
    pub(crate) next: Next,
    pub(crate) breaks: Rule,
    /// So many faults it takes.
    pub(crate) faults: u8,
}

const fn mutant(name: &'static str, faults: u8, breaks: Rule, next: Next) -> Mutant {
    Mutant { name, next, breaks, faults }
}

/// `next`, and a change to what becomes of this kind of event.
fn but(job: &Job, event: Event, now: DateTime<Utc>, change: impl Fn(&mut Job)) -> Option<Job> {
    let mut after = next(job, event, now)?;
    change(&mut after);
    Some(after)
}

fn with_state(job: &Job, state: Stage) -> Job {
    Job { state, ..job.clone() }
}

pub(crate) const TRANSITIONS: &[Mutant] = &[
    mutant(
        "a finish ignores the claim number",
        1,
        rules::STALE_CLAIM,
        |job, event, now| match event {
            Event::Finish(_, verdict) => next(job, Event::Finish(job.claim_no, verdict), now),
            event => next(job, event, now),
        },
    ),
    mutant("a hand-back ignores the claim number", 1, rules::STALE_CLAIM, |job, event, now| {
        match event {
            Event::HandBack(_) => next(job, Event::HandBack(job.claim_no), now),
            event => next(job, event, now),
        }
    }),
    mutant("a finish ignores the state", 1, rules::STALE_CLAIM, |job, event, now| match event {
        Event::Finish(..) => next(&with_state(job, Stage::Running), event, now),
        event => next(job, event, now),
    }),
    mutant("a finished job is finished again", 1, rules::TWO_ENDS, |job, event, now| {
        match (event, job.state) {
            (Event::Finish(..), Stage::Ended(_)) => {
                next(&with_state(job, Stage::Running), event, now)
            }
            (event, _) => next(job, event, now),
        }
    }),
    mutant("what runs is claimed again", 0, rules::TWO_RIGHTS, |job, event, now| {
        match (event, job.state) {
            (Event::Claim, Stage::Running) => next(&with_state(job, Stage::Ready), event, now),
            (event, _) => next(job, event, now),
        }
    }),
    mutant("a claim keeps the claim number", 0, rules::MOVES, |job, event, now| match event {
        Event::Claim => but(job, event, now, |after| after.claim_no = job.claim_no),
        event => next(job, event, now),
    }),
    mutant("a hand-back keeps the claim number", 1, rules::MOVES, |job, event, now| match event {
        Event::HandBack(_) => but(job, event, now, |after| after.claim_no = job.claim_no),
        event => next(job, event, now),
    }),
    mutant("a rescue keeps the claim number", 1, rules::MOVES, |job, event, now| match event {
        Event::Rescue => but(job, event, now, |after| after.claim_no = job.claim_no),
        event => next(job, event, now),
    }),
    mutant(
        "a rescue and a claim keep the claim number",
        1,
        rules::TWO_RIGHTS,
        |job, event, now| match event {
            Event::Rescue | Event::Claim => {
                but(job, event, now, |after| after.claim_no = job.claim_no)
            }
            event => next(job, event, now),
        },
    ),
    mutant("a live claim's finish is refused once", 0, rules::LIVE_CLAIM, |job, event, now| {
        match event {
            Event::Finish(_, Verdict::Retry(_)) if job.attempt > 0 => None,
            event => next(job, event, now),
        }
    }),
    mutant("a retry forgets the attempt", 0, rules::ATTEMPTS, |job, event, now| match event {
        Event::Finish(_, Verdict::Retry(_)) => {
            but(job, event, now, |after| after.attempt = job.attempt)
        }
        event => next(job, event, now),
    }),
    mutant("a snooze costs an attempt", 0, rules::ATTEMPTS, |job, event, now| match event {
        Event::Finish(_, Verdict::Snooze(_)) => but(job, event, now, |after| after.attempt += 1),
        event => next(job, event, now),
    }),
    mutant("the last attempt is not the last", 0, rules::ATTEMPTS, |job, event, now| match event {
        Event::Finish(_, Verdict::Retry(_)) => {
            but(job, event, now, |after| after.state = Stage::Scheduled)
        }
        event => next(job, event, now),
    }),
    mutant("a rescue costs an attempt", 1, rules::CRASHES, |job, event, now| match event {
        Event::Rescue => but(job, event, now, |after| after.attempt += 1),
        event => next(job, event, now),
    }),
    mutant("a rescue counts no crash", 1, rules::CRASHES, |job, event, now| match event {
        Event::Rescue => but(job, event, now, |after| after.crashes = job.crashes),
        event => next(job, event, now),
    }),
    mutant(
        "a job that had not begun is blamed",
        2,
        rules::CRASHES,
        |job, event, now| match event {
            Event::Rescue => next(&Job { begun: true, ..job.clone() }, event, now),
            event => next(job, event, now),
        },
    ),
    mutant("the second crash quarantines", 2, rules::QUARANTINE, |job, event, now| match event {
        Event::Rescue if job.crashes == 1 => {
            but(job, event, now, |after| after.state = Stage::Ended(Outcome::Dead))
        }
        event => next(job, event, now),
    }),
    mutant("a hand-back counts a crash", 1, rules::HANDED_BACK, |job, event, now| match event {
        Event::HandBack(_) => but(job, event, now, |after| after.crashes += 1),
        event => next(job, event, now),
    }),
    mutant("a hand-back costs an attempt", 1, rules::HANDED_BACK, |job, event, now| match event {
        Event::HandBack(_) => but(job, event, now, |after| after.attempt += 1),
        event => next(job, event, now),
    }),
    mutant(
        "a rescued job forgets that it was cancelled",
        1,
        rules::CANCELLED,
        |job, event, now| match event {
            Event::Rescue => next(&Job { cancel_requested: false, ..job.clone() }, event, now),
            event => next(job, event, now),
        },
    ),
    mutant("a job runs before it is due", 0, rules::NOT_DUE, |job, event, now| match event {
        Event::Promote => next(&Job { run_at: now, ..job.clone() }, event, now),
        event => next(job, event, now),
    }),
    mutant("a job that is due is not", 0, ENDS, |job, event, now| match event {
        Event::Promote if job.run_at >= now => None,
        event => next(job, event, now),
    }),
    mutant("a cancelled job is not rescued", 1, ENDS, |job, event, now| match event {
        Event::Rescue if job.cancel_requested => None,
        event => next(job, event, now),
    }),
];

/// A part, the faults that it takes to miss it, and what is broken without it.
pub(crate) const PARTS: &[(Part, u8, Rule)] = &[
    (Part::Polling, 1, ENDS),
    (Part::NoRevival, 1, rules::REVIVED),
    (Part::Strays, 1, ENDS),
    (Part::Suspicion, 1, ENDS),
    (Part::SuspicionAfterSilence, 2, ENDS),
    (Part::Disowning, 1, OWN_RUNS),
    (Part::HandOver, 2, NO_CRASH),
];
