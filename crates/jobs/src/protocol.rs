//! How a job moves from state to state: one pure function.
//!
//! Every SQL statement of the ledger is a fast form of [`next`]; a property test in `crates/store`
//! runs each of them on generated rows and compares.
//!
//! **Invariant:** whoever writes to a job names the claim under which it works; an event with an
//! old claim number changes nothing.

use chrono::{DateTime, TimeDelta, Utc};

/// A job that crashed its worker this often is quarantined.
pub const MAX_CRASHES: u32 = 3;

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The work is done.
    Done,
    /// No attempt is left, or none could succeed.
    Dead,
    /// Somebody no longer wanted it.
    Cancelled,
}

impl Outcome {
    /// The word in rows and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Done => "done",
            Outcome::Dead => "dead",
            Outcome::Cancelled => "cancelled",
        }
    }
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Waits for its `run_at`.
    Scheduled,
    /// Waits for a worker.
    Ready,
    /// A worker has it.
    Running,
    /// It is history.
    Ended(Outcome),
}

/// What the protocol knows of a job.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Job {
    /// Where it stands.
    pub state: State,
    /// Not before this moment.
    pub run_at: DateTime<Utc>,
    /// Attempts that failed.
    pub attempt: u32,
    /// Attempts that may fail.
    pub max_attempts: u32,
    /// Workers that died while they had it.
    pub crashes: u32,
    /// The fence.
    pub claim_no: u64,
    /// Somebody asked to cancel it.
    pub cancel_requested: bool,
    /// It runs, and its handler has begun. A claimed job that crashed before waits until it is alone.
    pub begun: bool,
}

/// How one run of a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The work is done.
    Done,
    /// The attempt failed; the next one not before this pause is over.
    Retry(TimeDelta),
    /// Not now; costs no attempt.
    Snooze(DateTime<Utc>),
    /// No attempt can succeed.
    Dead,
    /// No longer wanted.
    Cancelled,
}

/// What may happen to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Its moment has come.
    Promote,
    /// A worker takes it.
    Claim,
    /// The worker that has it lets its handler begin; said only of jobs that crashed before.
    Begin(u64),
    /// A claimer meets it while one of its keys is closed until then.
    Park(DateTime<Utc>),
    /// The worker that has it says how the run ended.
    Finish(u64, Verdict),
    /// The worker that has it gives it back unharmed: a deploy.
    HandBack(u64),
    /// The worker that has it has been silent for too long.
    Rescue,
    /// Somebody no longer wants it.
    Cancel,
}

/// The job after the event, or `None` when the event does not apply and changes nothing.
pub fn next(job: &Job, event: Event, now: DateTime<Utc>) -> Option<Job> {
    let mut after = job.clone();
    match (job.state, event) {
        (State::Scheduled, Event::Promote) if job.run_at <= now => after.state = State::Ready,
        (State::Ready, Event::Claim) => {
            after.state = State::Running;
            after.claim_no += 1;
            after.begun = job.crashes == 0;
        }
        (State::Running, Event::Begin(claim_no)) if claim_no == job.claim_no => after.begun = true,
        (State::Ready, Event::Park(until)) => {
            after.state = State::Scheduled;
            after.run_at = until;
        }
        (State::Running, Event::Finish(claim_no, verdict)) if claim_no == job.claim_no => {
            finish(&mut after, verdict, now);
        }
        (State::Running, Event::HandBack(claim_no)) if claim_no == job.claim_no => {
            after.state =
                if job.cancel_requested { State::Ended(Outcome::Cancelled) } else { State::Ready };
            after.claim_no += 1;
        }
        (State::Running, Event::Rescue) => {
            // What had not begun cannot have killed its worker.
            after.crashes += u32::from(job.begun);
            after.claim_no += 1;
            after.state = if job.cancel_requested {
                State::Ended(Outcome::Cancelled)
            } else if after.crashes >= MAX_CRASHES {
                State::Ended(Outcome::Dead)
            } else {
                State::Ready
            };
        }
        (State::Scheduled | State::Ready, Event::Cancel) => {
            after.state = State::Ended(Outcome::Cancelled);
        }
        (State::Running, Event::Cancel) if !job.cancel_requested => after.cancel_requested = true,
        (
            State::Scheduled | State::Ready | State::Running | State::Ended(_),
            Event::Promote
            | Event::Claim
            | Event::Begin(_)
            | Event::Park(_)
            | Event::Finish(..)
            | Event::HandBack(_)
            | Event::Rescue
            | Event::Cancel,
        ) => return None,
    }
    after.begun &= after.state == State::Running;
    Some(after)
}

fn finish(after: &mut Job, verdict: Verdict, now: DateTime<Utc>) {
    match verdict {
        Verdict::Done => after.state = State::Ended(Outcome::Done),
        Verdict::Cancelled => after.state = State::Ended(Outcome::Cancelled),
        Verdict::Dead => {
            after.attempt += 1;
            after.state = State::Ended(Outcome::Dead);
        }
        Verdict::Retry(pause) => {
            after.attempt += 1;
            if after.attempt >= after.max_attempts && !after.cancel_requested {
                after.state = State::Ended(Outcome::Dead);
            } else {
                wait(after, now + pause);
            }
        }
        Verdict::Snooze(until) => wait(after, until),
    }
}

/// Waits for a moment, unless nobody wants the job any more.
fn wait(after: &mut Job, until: DateTime<Utc>) {
    if after.cancel_requested {
        after.state = State::Ended(Outcome::Cancelled);
    } else {
        after.state = State::Scheduled;
        after.run_at = until;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running() -> Job {
        Job {
            state: State::Running,
            run_at: DateTime::UNIX_EPOCH,
            attempt: 0,
            max_attempts: 2,
            crashes: 0,
            claim_no: 7,
            cancel_requested: false,
            begun: true,
        }
    }

    fn now() -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(1)
    }

    #[test]
    fn an_old_claim_changes_nothing() {
        for verdict in [Verdict::Done, Verdict::Dead, Verdict::Snooze(now())] {
            assert_eq!(next(&running(), Event::Finish(6, verdict), now()), None);
        }
        assert_eq!(next(&running(), Event::HandBack(6), now()), None);
    }

    #[test]
    fn a_snooze_spends_no_attempt_and_the_last_failure_ends_the_job() {
        let snoozed = next(&running(), Event::Finish(7, Verdict::Snooze(now())), now());
        assert_eq!(snoozed.map(|job| job.attempt), Some(0));
        let mut last = running();
        last.attempt = 1;
        let ended = next(&last, Event::Finish(7, Verdict::Retry(TimeDelta::seconds(1))), now());
        assert_eq!(ended.map(|job| job.state), Some(State::Ended(Outcome::Dead)));
    }

    #[test]
    fn the_third_crash_quarantines_and_a_deploy_costs_nothing() {
        let mut job = running();
        for crash in 1..=MAX_CRASHES {
            (job.state, job.begun) = (State::Running, true);
            job = next(&job, Event::Rescue, now()).expect("a running job can be rescued");
            assert_eq!(job.crashes, crash);
        }
        assert_eq!(job.state, State::Ended(Outcome::Dead));
        let back = next(&running(), Event::HandBack(7), now()).expect("its own claim");
        assert_eq!((back.attempt, back.crashes, back.state), (0, 0, State::Ready));
    }

    #[test]
    fn a_suspect_is_blamed_only_for_what_it_began() {
        let mut job = running();
        (job.state, job.begun, job.crashes) = (State::Ready, false, 2);
        let claimed = next(&job, Event::Claim, now()).expect("it is ready");
        assert!(!claimed.begun);
        let freed = next(&claimed, Event::Rescue, now()).expect("it runs");
        assert_eq!((freed.crashes, freed.state), (2, State::Ready));
        assert_eq!(next(&claimed, Event::Begin(7), now()), None, "an old claim");
        let begun = next(&claimed, Event::Begin(8), now()).expect("its own claim");
        let blamed = next(&begun, Event::Rescue, now()).expect("it runs");
        assert_eq!((blamed.crashes, blamed.state), (3, State::Ended(Outcome::Dead)));
    }

    #[test]
    fn a_cancelled_job_does_not_come_back() {
        let mut job = running();
        job.cancel_requested = true;
        for event in [Event::Rescue, Event::HandBack(7), Event::Finish(7, Verdict::Snooze(now()))] {
            let after = next(&job, event, now()).expect("the claim is right");
            assert_eq!(after.state, State::Ended(Outcome::Cancelled), "{event:?}");
        }
    }
}
