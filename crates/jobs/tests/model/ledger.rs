//! The database's side: what each statement does to the rows. Whether it does it is up to the
//! transition function, which is production's own unless a test breaks it.

use chrono::{DateTime, Utc};
use jobs::protocol::{Event, Job, State as Stage};

use crate::rules;
use crate::state::{Claim, Lease, NOW, SILENCE, Settle, TICK, World};

/// The type of [`jobs::protocol::next`].
pub(crate) type Next = fn(&Job, Event, DateTime<Utc>) -> Option<Job>;

impl World {
    /// One event of one job; whether it was accepted.
    pub(crate) fn apply(
        &mut self,
        next: Next,
        job: usize,
        event: Event,
        writer: Option<Claim>,
    ) -> bool {
        let row = &mut self.rows[job];
        let Some(after) = next(&row.job, event, NOW) else {
            self.broken = self.broken.or(rules::refused(row, writer));
            return false;
        };
        self.broken = self.broken.or(rules::accepted(row, event, writer, &after));
        row.job = after;
        match (row.job.state, event) {
            (Stage::Running, Event::Claim) => {
                row.claims += 1;
                row.right = Some(row.claims);
                // A suspect's handler waits for the answer to its beginning.
                row.begun = row.job.crashes == 0;
            }
            (Stage::Running, Event::Begin(_)) => row.begun = true,
            (Stage::Running, _) => {}
            (Stage::Scheduled | Stage::Ready | Stage::Ended(_), _) => {
                row.right = None;
                row.begun = false;
                row.worker = None;
            }
        }
        true
    }

    /// `claim.sql`: the claim that the incarnation has now.
    pub(crate) fn claim(&mut self, next: Next, job: usize, incarnation: usize) -> Option<Claim> {
        if !self.apply(next, job, Event::Claim, None) {
            return None;
        }
        let row = &mut self.rows[job];
        row.worker = Some(incarnation);
        let suspect = row.job.crashes > 0;
        Some(Claim { job, claim_no: row.job.claim_no, right: row.claims, suspect })
    }

    /// `finish.sql` and `hand_back.sql`.
    pub(crate) fn settle(&mut self, next: Next, claim: Claim, settle: Settle) {
        let event = match settle {
            Settle::Finish(answer) => Event::Finish(claim.claim_no, answer.verdict()),
            Settle::HandBack => Event::HandBack(claim.claim_no),
        };
        self.apply(next, claim.job, event, Some(claim));
    }

    /// `begin.sql`: whether the claim still is.
    pub(crate) fn begin(&mut self, next: Next, claim: Claim) -> bool {
        self.apply(next, claim.job, Event::Begin(claim.claim_no), Some(claim))
    }

    /// A tick of the database's clock.
    pub(crate) fn tick(&mut self) {
        for lease in &mut self.leases {
            if let Lease::Alive(silent) = lease {
                *silent = SILENCE.min(*silent + 1);
            }
        }
        for row in &mut self.rows {
            row.job.run_at = (row.job.run_at - TICK).max(NOW);
        }
    }

    /// `renew`: whether the incarnation still is.
    pub(crate) fn renew(&mut self, incarnation: usize) -> bool {
        let lease = &mut self.leases[incarnation];
        if matches!(lease, Lease::Alive(_)) {
            *lease = Lease::Alive(0);
        }
        matches!(lease, Lease::Alive(_))
    }

    /// `register`.
    pub(crate) fn register(&mut self) -> usize {
        self.leases.push(Lease::Alive(0));
        self.leases.len() - 1
    }

    /// `held_by`.
    pub(crate) fn held_by(&self, incarnation: usize) -> impl Iterator<Item = Claim> {
        self.rows.iter().enumerate().filter_map(move |(job, row)| {
            let right = row.right.filter(|_| row.worker == Some(incarnation))?;
            let suspect = row.job.crashes > 0;
            Some(Claim { job, claim_no: row.job.claim_no, right, suspect })
        })
    }
}
