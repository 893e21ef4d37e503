//! Frees the jobs of workers that fell silent, as every worker's keeper does too: so it happens
//! even when no worker is left.
//!
//! **Invariant:** nothing is rescued soon after an own loss of the database, when silence may have
//! been ours.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

use crate::{Scheduler, Step, every, figures};
use jobs::Queue;
use store::ledger;

const AT_ONCE: i32 = 1000;
/// A database that takes so long to answer has stalled.
const STALL: Duration = Duration::from_secs(2);

pub(crate) async fn run(scheduler: Arc<Scheduler>, shutdown: CancellationToken) {
    let grace = scheduler.config.lease.rescue_grace;
    let mut steady_since = Instant::now();
    every(Step::Rescue, &scheduler.cadences, shutdown, async || {
        let asked = Instant::now();
        let answer = scheduler.store.ping().await;
        // A database that was slow to answer was slow for the workers too.
        if answer.is_err() || asked.elapsed() > STALL {
            steady_since = Instant::now();
            return answer;
        }
        if steady_since.elapsed() < grace {
            return Ok(());
        }
        let ttl = scheduler.config.lease.ttl;
        let rescued = ledger::rescue(&scheduler.store, ttl, grace, AT_ONCE).await?;
        let mut ready: HashMap<Queue, usize> = HashMap::new();
        for job in rescued {
            tracing::warn!(job.id = %job.job_id, job.kind = job.kind, worker.id = ?job.worker,
                outcome = ?job.outcome, "rescued from a dead worker");
            figures::rescued(&job);
            if job.outcome.is_some() && job.notify_end {
                scheduler.bell.ended(job.job_id.0);
            } else if let Ok(queue) = job.queue.parse() {
                *ready.entry(queue).or_default() += 1;
            }
        }
        for (queue, jobs) in ready {
            scheduler.ring(queue, jobs).await;
        }
        Ok(())
    })
    .await;
}
