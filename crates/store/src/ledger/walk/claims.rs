//! Claims: they take, make ready and move out of the way only what they may, and leave nothing
//! that may run.

use chrono::{DateTime, Utc};
use std::collections::HashSet;
use uuid::Uuid;

use super::world::{Health, Known, World};
use crate::ledger::{self, Claims, Window};
use jobs::protocol::{Event, State};
use jobs::{Queue, WorkerId};

impl World {
    fn is_paused(&self, known: &Known) -> bool {
        self.paused.contains(&Some(known.lane))
            || self.paused.contains(&None) && known.queue == Queue::Interactive
    }

    /// When the last of the keys that the job needs opens; `None` when all are open.
    fn opening(&self, known: &Known, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let closed = known.keys.iter().filter_map(|key| self.closed.get(key.as_str()));
        closed.copied().filter(|until| *until > now).max()
    }

    pub(super) async fn claim(
        &mut self,
        (worker, health): (WorkerId, Health),
        queue: Queue,
        most: i32,
    ) -> Claims {
        let mut window = Window { jobs: most, per_lane: 1_000, ..Window::default() };
        let claims = ledger::claim(&mut self.conn, queue, worker, &mut window).await.unwrap();
        let now = self.now().await;
        if health == Health::Gone {
            assert_eq!(claims.met(), 0, "a worker that is gone claims, {}", self.at);
            self.see("claimed by a lost worker", 1);
            return claims;
        }
        assert!(claims.jobs.len() <= most.try_into().unwrap(), "{}", self.at);
        let mut taken = HashSet::new();
        for job in &claims.jobs {
            let id = job.id.0;
            let known = &self.jobs[&id];
            assert!(taken.insert(id), "twice, {}", self.at);
            assert_eq!(known.queue, queue, "{}", self.at);
            assert!(!self.is_paused(known), "a paused lane, {}", self.at);
            assert_eq!(self.opening(known, now), None, "a closed key, {}", self.at);
            if known.job.state == State::Scheduled {
                assert!(self.step(id, Event::Promote, now), "it is not due, {}", self.at);
                self.see("claimed at once when due", 1);
            }
            assert!(
                self.step(id, Event::Claim, now),
                "{known:?}, {}",
                self.at,
                known = self.jobs[&id]
            );
            let known = self.jobs.get_mut(&id).unwrap();
            known.holder = Some(worker);
            known.limited = false;
            assert_eq!(job.claim_no, known.job.claim_no.cast_signed(), "{}", self.at);
            assert_eq!(job.attempt, known.job.attempt.cast_signed(), "{}", self.at);
            assert_eq!(job.crashes, known.job.crashes.cast_signed(), "{}", self.at);
        }
        self.see("claimed", taken.len());
        let (promoted, parked) = self.moved(queue, &taken, now).await;
        assert_eq!((claims.promoted, claims.parked), (promoted, parked), "{}", self.at);
        self.see("promoted", promoted);
        self.see("parked", parked);
        claims
    }

    /// What else the claim did: due jobs made ready, and jobs moved out of the way.
    async fn moved(
        &mut self,
        queue: Queue,
        taken: &HashSet<Uuid>,
        now: DateTime<Utc>,
    ) -> (usize, usize) {
        let rows = self.rows().await;
        let (mut promoted, mut parked) = (0, 0);
        for id in self.of_state(|state| matches!(state, State::Scheduled | State::Ready)) {
            let (known, row) = (&self.jobs[&id], &rows[&id]);
            if known.queue != queue || taken.contains(&id) {
                continue;
            }
            let was = known.job.state;
            let is_promoted = was == State::Scheduled && row.state == "ready";
            let is_parked =
                row.state == "scheduled" && (was == State::Ready || row.run_at != known.job.run_at);
            if !is_parked && !is_promoted {
                continue;
            }
            let opening = self.opening(known, now);
            if was == State::Scheduled {
                assert!(self.step(id, Event::Promote, now), "it is not due, {}", self.at);
            }
            if !is_parked {
                promoted += 1;
                continue;
            }
            let until = opening.unwrap_or_else(|| panic!("no key is closed, {}", self.at));
            // Of two that open together, either.
            let key = row.parked_by.clone().unwrap();
            assert_eq!(self.closed.get(key.as_str()), Some(&until), "{key}, {}", self.at);
            assert!(self.jobs[&id].keys.contains(&key), "{key}, {}", self.at);
            assert!(!self.is_paused(&self.jobs[&id]), "a paused lane, {}", self.at);
            assert!(self.step(id, Event::Park(until), now), "{}", self.at);
            let known = self.jobs.get_mut(&id).unwrap();
            (known.parked_by, known.limited) = (Some(key), false);
            parked += 1;
        }
        (promoted, parked)
    }

    /// Claims until there is nothing to claim: then nothing is left that may run.
    pub(super) async fn claim_all(&mut self, worker: (WorkerId, Health), queue: Queue) {
        let now = self.now().await;
        let mut rounds = 0;
        while self.claim(worker, queue, 20).await.met() > 0 {
            self.compare().await;
            rounds += 1;
            assert!(rounds < 1_000, "it does not end, {}", self.at);
        }
        if worker.1 == Health::Gone {
            return;
        }
        for known in self.jobs.values().filter(|known| known.queue == queue) {
            let may_run = match known.job.state {
                State::Ready => true,
                State::Scheduled => known.job.run_at <= now,
                State::Running | State::Ended(_) => false,
            };
            assert!(!may_run || self.is_paused(known), "{known:?} is left, {}", self.at);
        }
    }
}
