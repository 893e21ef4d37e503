//! Keeps the lease, rescues the jobs of workers that fell silent, passes on requests to cancel.
//!
//! **Invariant:** what is silent is decided by the database's clock; this process' own clock only
//! ever makes it stop its own work sooner.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;

use crate::figures;
use crate::lease::Lease;
use crate::settings::Settings;
use bell::Bell;
use jobs::{Queue, WorkerId};
use store::ledger::{self, Rescued};
use store::{Claim, Store};

/// How often requests to cancel are looked for.
const CANCEL_EVERY: Duration = Duration::from_secs(1);
const RESCUE_AT_ONCE: i32 = 1000;

/// Everything a keeper needs.
pub(crate) struct Keeper {
    /// With a connection of its own.
    pub(crate) store: Store,
    pub(crate) bell: Bell,
    pub(crate) lease: Arc<Lease>,
    pub(crate) settings: Arc<Settings>,
}

impl Keeper {
    /// Renews, rescues and cancels until the process has settled everything.
    pub(crate) async fn run(self, settled: CancellationToken) {
        let mut renew = tokio::time::interval(self.settings.renew);
        renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut cancel = tokio::time::interval(CANCEL_EVERY);
        cancel.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut steady_since = Instant::now();
        let mut strays = Vec::new();
        loop {
            tokio::select! {
                () = settled.cancelled() => return,
                _ = cancel.tick() => self.stop_what_must_stop().await,
                _ = renew.tick() => {
                    if !self.renewed().await {
                        steady_since = Instant::now();
                        continue;
                    }
                    let patience = self.settings.renew;
                    let _ = timeout(patience, figures::read_the_clock(&self.store)).await;
                    if steady_since.elapsed() >= self.settings.grace {
                        let _ = timeout(patience, self.rescue()).await;
                    }
                    if self.lease.may_have_strays() {
                        let _ = timeout(patience, self.return_strays(&mut strays)).await;
                    }
                }
            }
        }
    }

    async fn stop_what_must_stop(&self) {
        // Sooner than the database would take the jobs away.
        let stopped = self.lease.expire(self.settings.ttl.saturating_sub(self.settings.renew / 2));
        if stopped > 0 {
            tracing::warn!(stopped, "the lease could not be renewed in time: runs are stopped");
        }
        let asked = ledger::cancel_requests(&self.store, self.lease.worker());
        if let Ok(Ok(jobs)) = timeout(self.settings.renew, asked).await {
            self.lease.cancel(&jobs);
        }
    }

    /// Whether the database knows that this process lives. A database that does not answer must not
    /// keep the loop from looking at the lease.
    async fn renewed(&self) -> bool {
        match timeout(self.settings.renew, self.renew_lease()).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(%error, cause = ?std::error::Error::source(&error), "cannot renew the lease");
                false
            }
            Err(_) => {
                tracing::warn!("cannot renew the lease: the database does not answer");
                false
            }
        }
    }

    async fn renew_lease(&self) -> Result<(), store::Error> {
        let sent_at = Instant::now();
        if ledger::renew(&self.store, self.lease.worker()).await? {
            self.lease.renewed(sent_at);
            return Ok(());
        }
        let worker = WorkerId::new();
        register(&self.store, worker, &self.settings).await?;
        let stopped = self.lease.begin_anew(worker);
        tracing::error!(worker.id = %worker, stopped, "was declared lost: begins anew");
        figures::lease_lost();
        Ok(())
    }

    /// Hands back what the ledger says is ours and we do not run: claims whose answer was lost. Seen
    /// twice in a row, since a claim may be committed and not yet admitted.
    async fn return_strays(&self, seen_before: &mut Vec<Claim>) -> Result<(), store::Error> {
        let held = ledger::held_by(&self.store, self.lease.worker()).await?;
        let unknown = self.lease.unknown(&held);
        let strays: Vec<Claim> =
            unknown.iter().filter(|claim| seen_before.contains(claim)).copied().collect();
        *seen_before = unknown;
        if strays.is_empty() {
            return Ok(());
        }
        let mut tx = self.store.begin().await?;
        let returned = ledger::hand_back(&mut tx, &strays).await?;
        tx.commit().await?;
        tracing::warn!(returned, "claims whose answer was lost are handed back");
        figures::strays_returned(returned);
        Ok(())
    }

    /// Frees the jobs of silent workers, and rings for them.
    async fn rescue(&self) {
        let (silence, grace) = (self.settings.ttl, self.settings.grace);
        match ledger::rescue(&self.store, silence, grace, RESCUE_AT_ONCE).await {
            Ok(rescued) => announce(&self.bell, &rescued),
            Err(error) => {
                tracing::warn!(%error, cause = ?std::error::Error::source(&error), "cannot rescue");
            }
        }
    }
}

/// Begins an incarnation in the ledger.
pub(crate) async fn register(
    store: &Store,
    worker: WorkerId,
    settings: &Settings,
) -> Result<(), store::Error> {
    let queues =
        settings.queues.iter().map(|(q, n)| (q.as_str().to_owned(), (*n).into())).collect();
    let queues = serde_json::Value::Object(queues);
    ledger::register(store, worker, &settings.name, &settings.host, &settings.version, &queues)
        .await
}

fn announce(bell: &Bell, rescued: &[Rescued]) {
    let mut by_queue: HashMap<&str, usize> = HashMap::new();
    for job in rescued {
        tracing::warn!(job.id = %job.job_id, job.kind = job.kind, worker.id = ?job.worker,
            outcome = ?job.outcome, "rescued from a dead worker");
        figures::rescued(job);
        if job.outcome.is_none() {
            *by_queue.entry(&job.queue).or_default() += 1;
        } else if job.notify_end {
            bell.ended(job.job_id.0);
        }
    }
    for (queue, jobs) in by_queue {
        bell.ring(queue, jobs);
    }
}

/// Hears Postgres' notifications, for the times without Redis.
pub(crate) async fn hear_notifications(
    store: Store,
    ears: HashMap<Queue, Arc<Notify>>,
    shutdown: CancellationToken,
) {
    let hear = async {
        loop {
            if let Ok(mut notifications) = store.notifications().await {
                while let Ok(queue) = notifications.next().await {
                    if let Some(ear) = queue.parse().ok().and_then(|queue: Queue| ears.get(&queue))
                    {
                        ear.notify_one();
                    }
                }
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = hear => {}
    }
}
