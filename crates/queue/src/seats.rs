//! The slots of one queue in this process, and how many of them each organization has.
//!
//! A slot is free again when its run is over. What the ledger is still to be told holds no slot, so
//! that claiming goes on meanwhile, up to a limit.
//!
//! **Invariant:** one organization never has more than its share, and leaves at least one slot to
//! others where there are two. Every process keeps to it, so the whole fleet does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use uuid::Uuid;

/// The slots of one queue.
#[derive(Debug)]
pub(crate) struct Seats {
    slots: usize,
    free: Arc<Semaphore>,
    /// For the runs of all slots, and those that the ledger is to be told of.
    claims: Arc<Semaphore>,
    per_lane: usize,
    taken: Mutex<HashMap<Uuid, usize>>,
    /// Rung when a lane that had its share may have one more.
    room: Arc<Notify>,
}

/// A free slot.
#[derive(Debug)]
pub(crate) struct Seat {
    slot: OwnedSemaphorePermit,
    claim: OwnedSemaphorePermit,
}

/// A slot that one run has, until it is dropped.
#[derive(Debug)]
pub(crate) struct Taken {
    seats: Arc<Seats>,
    lane: Uuid,
    _slot: OwnedSemaphorePermit,
}

/// A claim that is not settled, until it is dropped.
#[derive(Debug)]
pub(crate) struct Unsettled {
    _claim: OwnedSemaphorePermit,
}

/// With a backlog, a claim waits for half of the slots, but no longer than this.
const MOMENT: Duration = Duration::from_millis(3);

/// So many runs may be over without the ledger knowing.
const UNTOLD: usize = 1000;

const POISON: &str = "nobody panics while holding this lock";

impl Seats {
    /// `percent` of the slots may be one lane's.
    pub(crate) fn new(slots: usize, percent: u32, room: Arc<Notify>) -> Self {
        let share = slots.saturating_mul(percent as usize) / 100;
        let free = Arc::new(Semaphore::new(slots));
        let claims = Arc::new(Semaphore::new(slots.saturating_add(UNTOLD)));
        Self { slots, free, claims, per_lane: share.max(1), taken: Mutex::default(), room }
    }

    pub(crate) fn free(&self) -> usize {
        self.free.available_permits().min(self.claims.available_permits())
    }

    /// Of one lane, at most so many run at once.
    pub(crate) fn per_lane(&self) -> i32 {
        i32::try_from(self.per_lane).unwrap_or(i32::MAX)
    }

    /// How many each lane has that has any.
    pub(crate) fn taken(&self) -> Vec<(Uuid, i32)> {
        let taken = self.taken.lock().expect(POISON);
        taken.iter().map(|(&lane, &n)| (lane, i32::try_from(n).unwrap_or(i32::MAX))).collect()
    }

    /// Waits for a free slot, then gives all that are free. With a backlog it waits a moment longer
    /// for more of them: a claim costs little more for many jobs than for one.
    pub(crate) async fn all_free(&self, backlog: bool) -> Vec<Seat> {
        let enough = if backlog { self.slots / 2 } else { 1 };
        let mut slots = some_of(&self.free, enough).await;
        let mut claims = some_of(&self.claims, enough).await;
        let mut seats = Vec::with_capacity(slots.num_permits());
        while let (Some(slot), Some(claim)) = (slots.split(1), claims.split(1)) {
            seats.push(Seat { slot, claim });
        }
        seats
    }

    /// A run of the lane takes the slot.
    pub(crate) fn take(self: &Arc<Self>, seat: Seat, lane: Uuid) -> (Taken, Unsettled) {
        *self.taken.lock().expect(POISON).entry(lane).or_default() += 1;
        let taken = Taken { seats: self.clone(), lane, _slot: seat.slot };
        (taken, Unsettled { _claim: seat.claim })
    }
}

/// Waits for one, a moment for enough of them, and takes what is there then.
async fn some_of(free: &Arc<Semaphore>, enough: usize) -> OwnedSemaphorePermit {
    let next = free.clone().acquire_owned().await;
    let mut some = next.expect("the semaphore is never closed");
    let more = u32::try_from(enough.saturating_sub(1)).unwrap_or(u32::MAX);
    if more > 0
        && let Ok(Ok(more)) = timeout(MOMENT, free.clone().acquire_many_owned(more)).await
    {
        some.merge(more);
    }
    let rest = u32::try_from(free.available_permits()).unwrap_or(u32::MAX);
    if let Ok(rest) = free.clone().try_acquire_many_owned(rest) {
        some.merge(rest);
    }
    some
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock().expect(POISON);
        let Some(n) = taken.get_mut(&self.lane) else { return };
        let had_its_share = *n >= self.seats.per_lane;
        *n -= 1;
        if *n == 0 {
            taken.remove(&self.lane);
        }
        drop(taken);
        if had_its_share {
            self.seats.room.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn rung(room: &Notify) -> bool {
        timeout(Duration::from_millis(1), room.notified()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_lane_has_its_share_at_most_and_says_when_it_may_have_more() {
        let room = Arc::<Notify>::default();
        let seats = Arc::new(Seats::new(4, 75, room.clone()));
        assert_eq!((seats.free(), seats.per_lane()), (4, 3));
        let lane = Uuid::now_v7();
        let free = seats.all_free(false).await.into_iter().take(3);
        let (mut runs, untold): (Vec<Taken>, Vec<Unsettled>) =
            free.map(|seat| seats.take(seat, lane)).unzip();
        assert_eq!((seats.free(), seats.taken()), (1, vec![(lane, 3)]));
        assert!(!rung(&room).await);
        runs.pop();
        assert!(rung(&room).await, "it had its share");
        runs.pop();
        assert!(!rung(&room).await, "it had room already");
        runs.clear();
        assert_eq!((seats.free(), seats.taken()), (4, vec![]));
        drop(untold);
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_runs_may_wait_to_be_told() {
        let seats = Arc::new(Seats::new(2, 75, Arc::default()));
        let mut untold = Vec::new();
        while seats.free() > 0 {
            let free = seats.all_free(false).await.into_iter();
            untold.extend(free.map(|seat| seats.take(seat, Uuid::nil()).1));
        }
        assert_eq!(untold.len(), 2 + UNTOLD);
        assert!(timeout(MOMENT, seats.all_free(false)).await.is_err());
        untold.pop();
        assert_eq!(seats.all_free(false).await.len(), 1);
    }

    #[test]
    fn a_single_slot_is_everybodys() {
        assert_eq!(Seats::new(1, 75, Arc::default()).per_lane(), 1);
    }
}
