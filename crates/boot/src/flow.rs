//! Whether due work moves: what `/health/work` answers, and the gauges beside it.
//!
//! A process looks at the next job of each queue, again and again. A backlog that is worked off has
//! another next job at every look, however late it is; where work stands still, it is the same.
//!
//! **Invariant:** a queue whose next job changes is never called stuck, and one whose next job has
//! been the same for the bound always is.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use metrics::{Unit, describe_gauge, gauge};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::admin::{Failing, Reason};

/// How often a process looks by itself.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long a look may take; less than the whole check may.
const LOOK_TIMEOUT: Duration = Duration::from_secs(4);

const OLDEST_DUE: &str = "queue_oldest_due_seconds";
const STUCK: &str = "queue_stuck_seconds";

/// The oldest due job of a queue that nothing holds back.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// The queue.
    pub queue: &'static str,
    /// The job.
    pub job_id: String,
    /// How long it has been due.
    pub due_for: Duration,
}

/// A queue in which due work does not move.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stuck {
    /// The queue.
    pub queue: &'static str,
    /// How long its oldest due job has been due.
    pub oldest_due_secs: f64,
    /// How long that job has been the next one.
    pub stuck_secs: f64,
    /// The job.
    pub job_id: String,
}

type Look = Box<dyn Fn() -> BoxFuture<'static, Result<Vec<Head>, Reason>> + Send + Sync>;

/// Watches whether due work moves.
pub struct Flow {
    queues: Vec<&'static str>,
    max_age: Duration,
    look: Look,
    /// `None` before the first look.
    seen: Mutex<Option<HashMap<&'static str, Seen>>>,
}

/// The head of a queue, and since when it has been that.
#[derive(Clone, Debug)]
struct Seen {
    job_id: String,
    since: Instant,
}

impl Flow {
    /// Watches these queues by way of `look`, which answers the heads of those that have any. A job
    /// may be the head of its queue for `max_age`.
    pub fn new<F>(
        queues: impl IntoIterator<Item = &'static str>,
        max_age: Duration,
        look: impl Fn() -> F + Send + Sync + 'static,
    ) -> Arc<Self>
    where
        F: Future<Output = Result<Vec<Head>, Reason>> + Send + 'static,
    {
        describe_gauge!(
            OLDEST_DUE,
            Unit::Seconds,
            "How long the oldest due job that nothing holds back has been due"
        );
        describe_gauge!(
            STUCK,
            Unit::Seconds,
            "How long the same due job has been the next one of its queue"
        );
        let queues = queues.into_iter().collect();
        let look: Look = Box::new(move || Box::pin(look()));
        Arc::new(Self { queues, max_age, look, seen: Mutex::new(None) })
    }

    /// Looks, and fails where due work does not move.
    ///
    /// # Errors
    ///
    /// [`Failing`] names the queues, or says that nothing could be seen.
    pub async fn check(&self) -> Result<(), Failing> {
        let heads = tokio::time::timeout(LOOK_TIMEOUT, (self.look)()).await;
        let heads = heads.unwrap_or_else(|_| Err("the database does not answer".to_owned()))?;
        let stuck = self.judge(&heads, Instant::now());
        let Some(worst) = stuck.first() else { return Ok(()) };
        let reason = format!(
            "due work does not move: the oldest job of the queue {} has been due for {:.0} s, and \
             nothing holds it back",
            worst.queue, worst.oldest_due_secs
        );
        Err(Failing { reason, queues: stuck })
    }

    /// Looks again and again, so that there is always an earlier look to compare with.
    pub async fn watch(self: Arc<Self>, until: CancellationToken) {
        let mut turns = tokio::time::interval(LOOK_EVERY);
        turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut flowed = true;
        loop {
            tokio::select! {
                () = until.cancelled() => return,
                _ = turns.tick() => {}
            }
            let outcome = self.check().await;
            if let Err(failing) = &outcome
                && flowed
            {
                tracing::warn!(reason = failing.reason, "work.stuck");
            } else if outcome.is_ok() && !flowed {
                tracing::info!("work.flows");
            }
            flowed = outcome.is_ok();
        }
    }

    /// Compares with the look before, and sets the gauges. The worst comes first.
    fn judge(&self, heads: &[Head], now: Instant) -> Vec<Stuck> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.take();
        let mut stuck = Vec::new();
        let mut after = HashMap::new();
        for &queue in &self.queues {
            let head = heads.iter().find(|head| head.queue == queue);
            let Some(head) = head else {
                gauge!(OLDEST_DUE, "queue" => queue).set(0.0);
                gauge!(STUCK, "queue" => queue).set(0.0);
                continue;
            };
            let since = match before.as_ref().map(|before| before.get(queue)) {
                Some(Some(known)) if known.job_id == head.job_id => known.since,
                Some(_) => now,
                // At the first look nothing says that it moved.
                None => now.checked_sub(head.due_for).unwrap_or(now),
            };
            let still = now.saturating_duration_since(since);
            gauge!(OLDEST_DUE, "queue" => queue).set(head.due_for.as_secs_f64());
            gauge!(STUCK, "queue" => queue).set(still.as_secs_f64());
            if still >= self.max_age {
                stuck.push(Stuck {
                    queue,
                    oldest_due_secs: head.due_for.as_secs_f64(),
                    stuck_secs: still.as_secs_f64(),
                    job_id: head.job_id.clone(),
                });
            }
            after.insert(queue, Seen { job_id: head.job_id.clone(), since });
        }
        *seen = Some(after);
        stuck.sort_by(|a, b| b.oldest_due_secs.total_cmp(&a.oldest_due_secs));
        stuck
    }
}

impl std::fmt::Debug for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flow").field("max_age", &self.max_age).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
