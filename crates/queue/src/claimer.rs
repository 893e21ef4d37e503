//! Takes jobs of one queue from the ledger while slots are free.
//!
//! Sleeps until the bell rings, the next job is due, or a second is over; so a lost bell costs a
//! second at most, and a job starts when it is due and not before.
//!
//! **Invariant:** at most as many jobs are claimed and not yet settled as the queue has slots.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::finish_layer::{Delivery, Receipt};
use crate::finisher::Settlement;
use crate::lease::Lease;
use crate::share::Share;
use bell::{Heard, Listener};
use jobs::Queue;
use store::ledger::{self, ClaimedJob, Window};
use store::{Claim, Store};

/// The longest sleep between two looks at the ledger.
const LOOK: Duration = Duration::from_secs(1);
/// At most so many due jobs are made ready at once.
const PROMOTE: i32 = 500;

/// Everything a claimer needs.
pub(crate) struct Claimer {
    pub(crate) store: Store,
    pub(crate) queue: Queue,
    pub(crate) slots: usize,
    pub(crate) share: Arc<Share>,
    pub(crate) lease: Arc<Lease>,
    pub(crate) listener: Listener,
    /// Rung by Postgres when Redis is down, and by the finisher: an organization that had all the
    /// slots it may take has one less.
    pub(crate) notified: Arc<Notify>,
    pub(crate) deliveries: mpsc::UnboundedSender<Delivery>,
    pub(crate) finisher: mpsc::UnboundedSender<Settlement>,
}

impl Claimer {
    /// Claims until the process is asked to stop.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let slots = Arc::new(Semaphore::new(self.slots));
        let mut cursor = Uuid::now_v7();
        loop {
            if slots.available_permits() == 0 {
                // Leave the rings to workers that have room.
                self.listener.hush();
            }
            let free = tokio::select! {
                () = shutdown.cancelled() => return,
                free = free_slots(&slots) => free,
            };
            let sleep = match self.claim(&mut cursor, free).await {
                // There may be more: lanes share a claim evenly, whatever each has waiting.
                Ok(met) if met > 0 => continue,
                Ok(_) => self.until_due().await,
                Err(error) => {
                    tracing::warn!(queue = %self.queue, %error, cause = ?std::error::Error::source(&error), "cannot claim");
                    LOOK
                }
            };
            let room = slots.available_permits().max(1);
            tokio::select! {
                () = shutdown.cancelled() => return,
                heard = self.listener.heard(room, sleep) => match heard {
                    Heard::Bell(_) | Heard::Timeout => {}
                },
                () = self.notified.notified() => {}
            }
        }
    }

    /// Claims into the free slots; says how many jobs it met, claimed or moved out of the way.
    async fn claim(
        &mut self,
        cursor: &mut Uuid,
        free: Vec<OwnedSemaphorePermit>,
    ) -> Result<usize, store::Error> {
        if !self.lease.is_good() {
            return Ok(0);
        }
        let worker = self.lease.worker();
        ledger::promote(&self.store, self.queue, PROMOTE).await?;
        let mut window = Window {
            jobs: i32::try_from(free.len()).unwrap_or(i32::MAX),
            per_lane: self.share.of_one(self.queue),
            per_claim: self.share.of(free.len()),
            cursor: *cursor,
        };
        let claims = ledger::claim(&self.store, self.queue, worker, &mut window).await?;
        *cursor = window.cursor;
        let met = claims.jobs.len() + claims.parked;
        for (job, slot) in claims.jobs.into_iter().zip(free) {
            self.deliver(job, slot, worker);
        }
        Ok(met)
    }

    fn deliver(&self, job: ClaimedJob, slot: OwnedSemaphorePermit, worker: jobs::WorkerId) {
        let claim = Claim { job_id: job.id, claim_no: job.claim_no };
        let receipt = Receipt::new(&job, self.queue, slot, self.finisher.clone());
        let Some(stop) = self.lease.admit(claim, worker) else {
            return drop(receipt);
        };
        if let Err(undelivered) =
            self.deliveries.send(Delivery { job, stop, receipt: Some(receipt) })
        {
            drop(undelivered);
        }
    }

    /// How long until the next job is due, a second at most.
    async fn until_due(&mut self) -> Duration {
        match ledger::next_due(&self.store, self.queue).await {
            Ok(due) => due.unwrap_or(LOOK).clamp(Duration::from_millis(1), LOOK),
            Err(_) => LOOK,
        }
    }
}

/// Waits for a slot, then takes all that are free.
async fn free_slots(slots: &Arc<Semaphore>) -> Vec<OwnedSemaphorePermit> {
    let first = slots.clone().acquire_owned().await.expect("the semaphore is never closed");
    let mut free = vec![first];
    while let Ok(slot) = slots.clone().try_acquire_owned() {
        free.push(slot);
    }
    free
}
