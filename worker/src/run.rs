//! One run of one job, as its handler sees it.
//!
//! **Invariant:** a handler writes only through [`Run::begin`], whose transaction is fenced by the
//! job's claim, or through a statement that records a definite outcome on a publishing intent.

use serde_json::json;
use std::future::Future;
use std::sync::{Arc, Mutex};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::fleet::Fleet;
use jobs::protocol::Outcome;
use jobs::{Code, Failure, JobKind, NewJob, OrganizationId, Origin, Problem, Queue};
use queue::Stop;
use store::ledger::{ClaimedJob, Finish};
use store::{Claim, Claimed};

/// How a handler ends.
#[derive(Debug)]
pub(crate) enum Ended<T> {
    /// The work is done; the finisher will record it.
    Done(T),
    /// The run has ended in the handler's own transaction.
    Recorded {
        /// How the job ended; `None` when it waits for another run.
        outcome: Option<Outcome>,
        /// What went wrong.
        code: Option<Code>,
    },
}

/// What a handler answers.
pub(crate) type Answer<K> = Result<Ended<<K as JobKind>::Output>, Failure>;

/// One run of one job.
#[derive(Debug)]
pub(crate) struct Run<K> {
    /// What every handler shares.
    pub(crate) fleet: Arc<Fleet>,
    /// The job as it was claimed.
    pub(crate) job: ClaimedJob,
    /// Its arguments.
    pub(crate) args: K,
    /// Tells the run to stop: cancelled, a deploy, the lease lost.
    pub(crate) stop: Stop,
    /// Holds the process open for calls that must not be cut.
    pub(crate) shielded: TaskTracker,
    /// Queues to ring when the transaction that ends the job has committed.
    pub(crate) to_ring: Mutex<Vec<Queue>>,
}

impl<K: JobKind> Run<K> {
    /// The claim that fences this run's writes.
    pub(crate) fn claim(&self) -> Claim {
        Claim { job_id: self.job.id, claim_no: self.job.claim_no }
    }

    /// Whose work it is.
    ///
    /// # Errors
    /// Dead when the job names no organization, which its kind needs.
    pub(crate) fn organization(&self) -> Result<OrganizationId, Failure> {
        self.job.organization_id.ok_or_else(|| {
            Failure::Dead(Problem {
                code: jobs::Code::InvalidArgument,
                message: format!("{} needs an organization", K::KIND),
                field: Some("organizationId".to_owned()),
            })
        })
    }

    /// Whether a failure of this attempt is the last one.
    pub(crate) fn is_last_attempt(&self) -> bool {
        self.job.attempt + 1 >= self.job.max_attempts
    }

    /// A transaction that holds the job's claim.
    ///
    /// # Errors
    /// [`Failure::ClaimLost`], [`Failure::Interrupted`].
    pub(crate) async fn begin(&self) -> Result<Claimed, Failure> {
        self.fleet.store.claimed(self.claim()).await.map_err(failed)
    }

    /// Enqueues jobs that follow from this one, in its transaction. Ids are derived from this job's,
    /// so that a second run meets the first one's rows.
    ///
    /// # Errors
    /// [`Failure::Interrupted`].
    pub(crate) async fn follow_up(
        &self,
        tx: &mut Claimed,
        jobs: impl IntoIterator<Item = NewJob>,
    ) -> Result<(), Failure> {
        let jobs = jobs.into_iter().enumerate().map(|(index, mut job)| {
            job.id = self.job.id.derive(&format!("follow-up {index} {}", job.kind)).into();
            job
        });
        self.enqueue(tx, jobs.collect()).await
    }

    /// Enqueues a job that others may have asked for as well: its unique key says so.
    ///
    /// # Errors
    /// [`Failure::Interrupted`].
    pub(crate) async fn ask_for(&self, tx: &mut Claimed, job: NewJob) -> Result<(), Failure> {
        debug_assert!(job.unique_key.is_some());
        self.enqueue(tx, vec![job]).await
    }

    async fn enqueue(&self, tx: &mut Claimed, mut jobs: Vec<NewJob>) -> Result<(), Failure> {
        for job in &mut jobs {
            job.origin = Origin::Worker;
            job.actor.clone_from(&self.job.actor);
            job.trace_context.clone_from(&self.job.trace_context);
        }
        store::ledger::enqueue(tx, &jobs).await.map_err(failed)?;
        for job in &jobs {
            boot::figures::sent(job.kind.spec().queue.as_str(), job.kind.as_str(), 1);
        }
        let mut to_ring = self.to_ring.lock().expect("nobody panics while holding this lock");
        to_ring.extend(jobs.iter().map(|job| job.kind.spec().queue));
        Ok(())
    }

    /// Ends the job as done in the transaction that did its work.
    ///
    /// # Errors
    /// [`Failure::ClaimLost`], [`Failure::Interrupted`].
    pub(crate) async fn end(&self, tx: Claimed, output: &K::Output) -> Answer<K> {
        self.finish(tx, Finish::Done(json!(output))).await
    }

    /// Ends the job as dead in the transaction that recorded why.
    ///
    /// # Errors
    /// [`Failure::ClaimLost`], [`Failure::Interrupted`].
    pub(crate) async fn end_dead(&self, tx: Claimed, problem: Problem) -> Answer<K> {
        self.finish(tx, Finish::Dead(problem)).await
    }

    /// Ends the run in the handler's own transaction, in any way.
    ///
    /// # Errors
    /// [`Failure::ClaimLost`], [`Failure::Interrupted`].
    pub(crate) async fn finish(&self, mut tx: Claimed, finish: Finish) -> Answer<K> {
        let code = match &finish {
            Finish::Dead(problem) | Finish::Cancelled(problem) | Finish::Retry(problem, _) => {
                Some(problem.code)
            }
            Finish::Done(_) | Finish::Snooze(..) | Finish::SnoozeFor(..) => None,
        };
        let ended =
            store::ledger::finish(&mut tx, &[(self.claim(), finish)]).await.map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        let outcome = ended.iter().find_map(|ended| ended.outcome);
        if outcome.is_some() && self.job.notify_end {
            self.fleet.bell.ended(self.job.id.0);
        }
        self.ring();
        Ok(Ended::Recorded { outcome, code })
    }

    /// Rings for the jobs that were enqueued, once their transaction has committed.
    pub(crate) fn ring(&self) {
        let rung = std::mem::take(
            &mut *self.to_ring.lock().expect("nobody panics while holding this lock"),
        );
        for queue in rung {
            self.fleet.ring(queue);
        }
    }

    /// Runs a future to its end even when this run is stopped or its lease is lost, keeps the
    /// process open for it, and keeps the run from being cut short meanwhile.
    pub(crate) fn shielded<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let shield = self.stop.shield();
        self.shielded.spawn(async move {
            let outcome = future.await;
            drop(shield);
            outcome
        })
    }
}

/// What a database error means for a run.
pub(crate) fn failed(error: store::Error) -> Failure {
    use store::Error as E;
    match error {
        E::ClaimLost(_) => Failure::ClaimLost,
        E::Unavailable(_) => Failure::Interrupted,
        error @ (E::Rule { .. }
        | E::Forbidden(_)
        | E::WrongLogin(_)
        | E::WrongSchema(_)
        | E::Broken(_)) => {
            tracing::error!(%error, cause = ?std::error::Error::source(&error), "a statement of a handler failed");
            Failure::Retry(Problem::new(jobs::Code::Internal, "a statement failed"))
        }
    }
}
