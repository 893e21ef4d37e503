//! Takes jobs of one queue from the ledger while slots are free.
//!
//! Sleeps until the bell rings, the next job is due, or a second is over; so a lost bell costs a
//! second at most, and a job starts when it is due and not before.
//!
//! **Invariant:** at most as many jobs run as the queue has slots, and a limited number more is over
//! and not yet settled.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::end::End;
use crate::figures::{self, Operation};
use crate::finish_layer::{Delivery, Receipt};
use crate::finisher::Settlement;
use crate::floors::Floors;
use crate::held::Held;
use crate::lease::Lease;
use crate::seats::{Seat, Seats};
use bell::{Heard, Listener};
use jobs::{Failure, Queue};
use store::ledger::{self, Asking, ClaimedJob, Told, Window};
use store::{Claim, Conn};

/// The longest sleep between two looks at the ledger.
const LOOK: Duration = Duration::from_secs(1);
/// A connection is not kept longer than this while all slots are taken.
const MOMENT: Duration = Duration::from_millis(20);

/// Everything a claimer needs.
pub(crate) struct Claimer {
    pub(crate) connection: Held,
    pub(crate) queue: Queue,
    pub(crate) seats: Arc<Seats>,
    pub(crate) lease: Arc<Lease>,
    pub(crate) listener: Listener,
    /// Rung by Postgres when Redis is down, and when an organization that had all the slots it may
    /// take has one less.
    pub(crate) notified: Arc<Notify>,
    pub(crate) deliveries: mpsc::UnboundedSender<Box<Delivery>>,
    pub(crate) finisher: mpsc::UnboundedSender<Box<Settlement>>,
}

impl Claimer {
    /// Claims until the process is asked to stop.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut cursor = Uuid::now_v7();
        let mut floors = Floors::new();
        let mut backlog = false;
        loop {
            if self.seats.free() == 0 {
                // Leave the rings to workers that have room.
                self.listener.hush();
            }
            let free = tokio::select! {
                () = shutdown.cancelled() => return,
                free = free_seats(&self.seats, &mut self.connection, backlog) => free,
            };
            let room = free.len();
            let sleep = match self.claim(&mut cursor, &mut floors, free).await {
                // There may be more: lanes share a claim evenly, whatever each has waiting.
                Ok(met) if met > 0 => {
                    backlog = met >= room;
                    continue;
                }
                Ok(_) => self.until_due(&floors).await.unwrap_or(LOOK),
                Err(error) => {
                    tracing::warn!(queue = %self.queue, %error, cause = ?std::error::Error::source(&error), "cannot claim");
                    LOOK
                }
            };
            self.connection.let_go();
            let room = self.seats.free().max(1);
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
        floors: &mut Floors,
        free: Vec<Seat>,
    ) -> Result<usize, store::Error> {
        if !self.lease.is_good() {
            return Ok(0);
        }
        let worker = self.lease.worker();
        let mut left_out = floors.to_leave_out();
        let mut window = Window {
            jobs: i32::try_from(free.len()).unwrap_or(i32::MAX),
            per_lane: self.seats.per_lane(),
            running: self.seats.taken(),
            floors: std::mem::take(&mut left_out.floors),
            due_since: left_out.due_since,
            cursor: *cursor,
            start: left_out.first,
        };
        let began = Instant::now();
        let claiming = Operation::claim(self.queue);
        let mut conn = self.connection.take().await?;
        let claims = ledger::claim(&mut conn, self.queue, worker, &mut window).await;
        let claims = claiming.ended(claims).inspect_err(|_| self.lease.suspect_strays())?;
        figures::claimed(self.queue, claims.jobs.len(), claims.parked);
        figures::promoted(self.queue, claims.promoted as u64);
        left_out.floors = window.floors;
        floors.learn(&left_out, &claims, began.elapsed());
        *cursor = window.cursor;
        let met = claims.met();
        let told = ask_the_limits(&mut conn, self.queue, &claims.jobs).await;
        if told.iter().all(Option::is_some) {
            self.connection.keep(conn);
        }
        for ((job, seat), told) in claims.jobs.into_iter().zip(free).zip(told) {
            self.deliver(job, seat, worker, told);
        }
        Ok(met)
    }

    /// How long until the next job of the queue is due, a second at most.
    async fn until_due(&mut self, floors: &Floors) -> Result<Duration, store::Error> {
        let since = floors.to_leave_out().due_since;
        let mut conn = self.connection.take().await?;
        let due = ledger::next_due(&mut conn, self.queue, since).await?;
        self.connection.keep(conn);
        Ok(due.unwrap_or(LOOK).clamp(Duration::from_millis(1), LOOK))
    }

    /// Hands a job to its handler, unless a limit makes it wait or could not be asked.
    fn deliver(&self, job: ClaimedJob, seat: Seat, worker: jobs::WorkerId, told: Option<Told>) {
        let claim = Claim { job_id: job.id, claim_no: job.claim_no };
        let seat = self.seats.take(seat, job.lane);
        let receipt =
            |permits| Receipt::new(&job, self.queue, seat, permits, self.finisher.clone());
        let receipt = match told {
            Some(Told::Run(permits)) => receipt(permits),
            Some(Told::Wait(until, why)) => {
                let wait = Failure::Snooze { until, why, close: false };
                return receipt(Vec::new()).settle(End::Failed(wait));
            }
            None => return drop(receipt(Vec::new())),
        };
        let Some(stop) = self.lease.admit(claim, worker) else {
            return drop(receipt);
        };
        let delivery = Box::new(Delivery { job, stop, receipt: Some(receipt) });
        if let Err(undelivered) = self.deliveries.send(delivery) {
            drop(undelivered);
        }
    }
}

/// The free slots, once there are any. Others use the connection when that takes longer.
async fn free_seats(seats: &Seats, connection: &mut Held, backlog: bool) -> Vec<Seat> {
    let mut free = pin!(seats.all_free(backlog));
    if let Ok(free) = timeout(MOMENT, &mut free).await {
        return free;
    }
    connection.let_go();
    free.await
}

/// What the limits of their keys say to jobs: most have no keys, and may run.
async fn ask_the_limits(conn: &mut Conn, queue: Queue, jobs: &[ClaimedJob]) -> Vec<Option<Told>> {
    let mut told: Vec<Option<Told>> = jobs.iter().map(|_| Some(Told::Run(Vec::new()))).collect();
    let with_keys = jobs.iter().enumerate().filter(|(_, job)| !job.limit_keys.is_empty());
    let (places, asking): (Vec<usize>, Vec<Asking>) = with_keys
        .map(|(place, job)| {
            let claim = Claim { job_id: job.id, claim_no: job.claim_no };
            let (keys, waited_for) = (job.limit_keys.clone(), job.waited_for.clone());
            (place, Asking { claim, keys, waited_for })
        })
        .unzip();
    if asking.is_empty() {
        return told;
    }
    match ledger::admit(conn, &asking).await {
        Ok(answers) => {
            for (place, answer) in places.into_iter().zip(answers) {
                told[place] = Some(answer);
            }
        }
        Err(error) => {
            tracing::warn!(%queue, %error, "cannot ask the limits: jobs go back");
            for place in places {
                told[place] = None;
            }
        }
    }
    told
}
