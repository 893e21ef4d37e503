//! Waiting for the end of jobs, for as long as the caller prefers.
//!
//! The bell tells of an end at once; the row is read when it does, and now and then besides.
//!
//! **Invariant:** waiting begins before the jobs are inserted, and what is answered was read from
//! their rows.

use bell::{EndWait, Waited};
use std::time::Duration;
use tokio::time::Instant;

use super::{Job, Request, read};
use crate::app::App;
use jobs::JobId;

/// How often rows are read when no bell can be relied on, and when one can.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const LOOK_EVERY_BESIDE_BELL: Duration = Duration::from_secs(1);

/// What is left of the request's time for the answer itself.
const FOR_THE_ANSWER: Duration = Duration::from_millis(500);

/// A wait that has begun.
pub(super) struct Wait {
    longest: Option<Duration>,
    until: Instant,
    ends: Vec<EndWait>,
}

impl Wait {
    /// Begins to wait for jobs that are about to be inserted.
    pub(super) async fn begin(
        app: &App,
        request: &Request,
        ids: impl Iterator<Item = JobId>,
    ) -> Self {
        let left = request.context.time_left().saturating_sub(FOR_THE_ANSWER);
        let longest = request.wait.map(|wait| wait.min(left));
        let mut ends = Vec::new();
        if longest.is_some() {
            for id in ids {
                ends.push(app.bell.wait_end(id.0).await);
            }
        }
        let until = Instant::now() + longest.unwrap_or_default();
        Self { longest, until, ends }
    }

    /// The same wait, for jobs that an earlier request inserted: nobody may have ordered that their
    /// end be told.
    pub(super) fn of_others(self) -> Self {
        Self { ends: Vec::new(), ..self }
    }

    /// How many seconds of waiting the caller gets.
    pub(super) fn applied(&self) -> Option<u64> {
        self.longest.map(|longest| longest.as_secs())
    }

    /// The jobs, as they were last read: ended, or as far as they came in time.
    pub(super) async fn until_ended(
        mut self,
        app: &App,
        request: &Request,
        mut jobs: Vec<Job>,
    ) -> Vec<Job> {
        if self.longest.is_none() {
            return jobs;
        }
        loop {
            let pending: Vec<JobId> =
                jobs.iter().filter(|job| !job.has_ended()).map(|job| job.view.id).collect();
            let left = self.until.saturating_duration_since(Instant::now());
            let Some(first) = pending.first() else { return jobs };
            if left.is_zero() {
                return jobs;
            }
            tokio::select! {
                () = self.pause(app, *first, left) => {}
                () = app.shutdown.cancelled() => return jobs,
            }
            self.look(app, request, &pending, &mut jobs).await;
        }
    }

    /// Until the job's end is told, or it is time to look.
    async fn pause(&mut self, app: &App, first: JobId, left: Duration) {
        let Some(at) = self.ends.iter().position(|end| end.job_id() == first.0) else {
            return tokio::time::sleep(LOOK_EVERY.min(left)).await;
        };
        let look = if app.bell.is_up() { LOOK_EVERY_BESIDE_BELL } else { LOOK_EVERY };
        if self.ends[at].wait(look.min(left)).await == Waited::Ended {
            // What was told once is told at once again: from here on only the row counts.
            self.ends.swap_remove(at);
        }
    }

    async fn look(&self, app: &App, request: &Request, pending: &[JobId], jobs: &mut [Job]) {
        let seen = async {
            let mut tx = app.database.writing(&request.principal).await?;
            let seen = read(&mut tx, pending).await?;
            tx.commit().await?;
            crate::problem::Result::Ok(seen)
        };
        // The jobs are in the ledger: a database that is away for a moment ends no wait.
        for job in seen.await.unwrap_or_default() {
            if let Some(place) = jobs.iter_mut().find(|other| other.view.id == job.view.id) {
                *place = job;
            }
        }
    }
}
