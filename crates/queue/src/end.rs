//! How a run ended, and what that means for its job.
//!
//! **Invariant:** every way in which a handler can end has exactly one meaning here.

use chrono::{DateTime, Utc};
use serde_json::Value;
use std::time::Duration;

use jobs::protocol::Outcome;
use jobs::{Code, Failure, Kind, Problem, Retry, Wait};
use store::ledger::Finish;

/// How a run ended.
#[derive(Clone, Debug)]
pub enum End {
    /// The work is done.
    Done(Value),
    /// The run has ended in the handler's own transaction.
    Recorded {
        /// How the job ended; `None` when it waits for another run.
        outcome: Option<Outcome>,
        /// What went wrong.
        code: Option<Code>,
    },
    /// The handler answered a failure.
    Failed(Failure),
    /// This build cannot run the job; another may. It waits, and an operator is told.
    Parked(Wait),
}

/// A key to be closed for the whole fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CloseKey {
    pub(crate) key: String,
    pub(crate) until: DateTime<Utc>,
    pub(crate) reason: String,
}

/// What the finisher does with a run.
#[derive(Clone, Debug)]
pub(crate) enum Settle {
    /// End it in the ledger, closing a key with it.
    Finish(Finish, Option<CloseKey>),
    /// Give the job back unharmed.
    HandBack,
    /// Nothing is left to do.
    Nothing,
}

/// How long a job waits that this build cannot run.
const PARKED: Duration = Duration::from_secs(300);

/// What the end of a run means for its job, of which `attempt` runs failed before. `draw` in `0.0..1.0` is the jitter of a retry.
pub(crate) fn settle(kind: Option<Kind>, attempt: i32, end: End, draw: f64) -> Settle {
    match end {
        End::Done(result) => Settle::Finish(Finish::Done(result), None),
        End::Recorded { .. } => Settle::Nothing,
        End::Parked(wait) => Settle::Finish(Finish::SnoozeFor(PARKED, wait), None),
        End::Failed(failure) => match failure {
            Failure::Retry(problem) => {
                let failed = u32::try_from(attempt + 1).unwrap_or(1);
                Settle::Finish(Finish::Retry(problem, retry_of(kind).pause(failed, draw)), None)
            }
            Failure::Snooze { until, why, close } => {
                let closed = why.key.clone().filter(|_| close).map(|key| CloseKey {
                    key,
                    until,
                    reason: why.message.clone(),
                });
                Settle::Finish(Finish::Snooze(until, why), closed)
            }
            Failure::Dead(problem) => Settle::Finish(Finish::Dead(problem), None),
            Failure::Cancel { reason } => {
                Settle::Finish(Finish::Cancelled(Problem::new(Code::Cancelled, reason)), None)
            }
            // A lost claim makes the hand-back change nothing.
            Failure::Interrupted | Failure::ClaimLost => Settle::HandBack,
        },
    }
}

fn retry_of(kind: Option<Kind>) -> Retry {
    kind.map_or(Retry::BACKGROUND, |kind| kind.spec().retry)
}
