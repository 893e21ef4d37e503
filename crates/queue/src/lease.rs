//! The process' lease on the jobs it runs: one incarnation at a time.
//!
//! **Invariant:** jobs run only under the incarnation that claimed them; when it is lost, or has
//! not been renewed for so long that it may be, every run is told to stop.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::stop::{Reason, Stop};
use jobs::{JobId, WorkerId};
use store::Claim;

/// What this process holds.
#[derive(Debug)]
pub(crate) struct Lease {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    worker: WorkerId,
    /// When the last successful renewal was sent.
    renewed_at: Instant,
    running: HashMap<JobId, (i64, Stop)>,
    closing: bool,
    /// Not renewed for so long that the jobs may be somebody else's.
    expired: bool,
    /// When a claim last failed: it may have been committed all the same.
    claim_failed_at: Option<Instant>,
}

/// A claim that failed is committed so much later at most: a statement is not given longer.
const LATE_COMMIT: Duration = Duration::from_secs(90);

const POISON: &str = "nobody panics while holding this lock";

impl Lease {
    pub(crate) fn new(worker: WorkerId) -> Self {
        Self {
            state: Mutex::new(State {
                worker,
                renewed_at: Instant::now(),
                running: HashMap::new(),
                closing: false,
                expired: false,
                claim_failed_at: None,
            }),
        }
    }

    pub(crate) fn worker(&self) -> WorkerId {
        self.state.lock().expect(POISON).worker
    }

    /// Whether jobs may be claimed: not while the lease may be lost.
    pub(crate) fn is_good(&self) -> bool {
        !self.state.lock().expect(POISON).expired
    }

    /// Takes a claimed job under the lease; `None` when the incarnation that claimed it is over, or
    /// the process stops.
    pub(crate) fn admit(&self, claim: Claim, claimed_by: WorkerId) -> Option<Stop> {
        let mut state = self.state.lock().expect(POISON);
        if state.worker != claimed_by || state.closing || state.expired {
            return None;
        }
        let stop = Stop::default();
        state.running.insert(claim.job_id, (claim.claim_no, stop.clone()));
        Some(stop)
    }

    /// Forgets a run that has been settled.
    pub(crate) fn release(&self, claim: Claim) {
        let mut state = self.state.lock().expect(POISON);
        if state.running.get(&claim.job_id).is_some_and(|(number, _)| *number == claim.claim_no) {
            state.running.remove(&claim.job_id);
        }
    }

    /// A claim failed, and its answer with it.
    pub(crate) fn suspect_strays(&self) {
        self.state.lock().expect(POISON).claim_failed_at = Some(Instant::now());
    }

    /// Whether the ledger may say that we hold what we do not know of.
    pub(crate) fn may_have_strays(&self) -> bool {
        let failed_at = self.state.lock().expect(POISON).claim_failed_at;
        failed_at.is_some_and(|at| at.elapsed() < LATE_COMMIT)
    }

    /// Of the claims that the ledger says are ours, those that we do not run: their answer was lost.
    pub(crate) fn unknown(&self, held: &[Claim]) -> Vec<Claim> {
        let state = self.state.lock().expect(POISON);
        let runs = |claim: &Claim| {
            state.running.get(&claim.job_id).is_some_and(|(number, _)| *number == claim.claim_no)
        };
        held.iter().filter(|claim| !runs(claim)).copied().collect()
    }

    pub(crate) fn renewed(&self, sent_at: Instant) {
        let mut state = self.state.lock().expect(POISON);
        state.renewed_at = sent_at;
        state.expired = false;
    }

    /// Stops every run when the lease has not been renewed for `limit`: others may take the jobs at
    /// any moment now. Says how many were stopped.
    pub(crate) fn expire(&self, limit: Duration) -> usize {
        let mut state = self.state.lock().expect(POISON);
        if state.renewed_at.elapsed() < limit {
            return 0;
        }
        state.expired = true;
        stop_all(&state, Reason::LeaseLost)
    }

    /// The incarnation was declared lost: a new one begins, and nothing of the old one goes on.
    pub(crate) fn begin_anew(&self, worker: WorkerId) -> usize {
        let mut state = self.state.lock().expect(POISON);
        let stopped = stop_all(&state, Reason::LeaseLost);
        state.worker = worker;
        state.renewed_at = Instant::now();
        state.expired = false;
        stopped
    }

    /// Passes on requests to cancel.
    pub(crate) fn cancel(&self, jobs: &[JobId]) {
        let state = self.state.lock().expect(POISON);
        for job in jobs {
            if let Some((_, stop)) = state.running.get(job) {
                stop.stop(Reason::Cancelled);
            }
        }
    }

    /// Admits nothing any more, and tells every run to stop.
    pub(crate) fn close(&self) -> usize {
        let mut state = self.state.lock().expect(POISON);
        state.closing = true;
        stop_all(&state, Reason::Shutdown)
    }
}

fn stop_all(state: &State, reason: Reason) -> usize {
    let running = state.running.values().filter(|(_, stop)| !stop.is_stopped());
    running.inspect(|(_, stop)| stop.stop(reason)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_whose_answer_was_lost_is_unknown_and_one_that_runs_is_not() {
        let worker = WorkerId::new();
        let lease = Lease::new(worker);
        let runs = Claim { job_id: JobId::new(), claim_no: 3 };
        let lost = Claim { job_id: JobId::new(), claim_no: 1 };
        assert!(lease.admit(runs, worker).is_some());
        assert_eq!(lease.unknown(&[runs, lost]), [lost]);
        lease.release(runs);
        assert_eq!(lease.unknown(&[runs]), [runs]);
    }
}
