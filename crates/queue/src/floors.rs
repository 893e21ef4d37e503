//! Where claims of busy lanes go on, so that they need not pass over what was claimed before.
//!
//! An index keeps an entry for every job claimed since the last vacuum, and for longer while some
//! transaction still sees the job waiting. A claim that begins at the front of a lane passes over
//! all of them.
//!
//! **Invariant:** what comes to stand before a floor (a higher priority, a job handed back) is met
//! by the next look at everything: a second later, or up to ten where such looks are slow.

use chrono::{DateTime, TimeDelta, Utc};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

use store::ledger::{Claims, Floor};

/// A lane has a floor from so many claims on,
const BUSY: u32 = 256;
/// or when a claim takes longer than this: something old keeps dead entries in its way.
const SLOW: Duration = Duration::from_millis(100);
/// The lanes with the most claims have floors, at most so many.
const MOST: usize = 64;
/// At most so many lanes are remembered.
const REMEMBERED: usize = 4096;
/// A lane is forgotten when nothing was claimed for so long.
const FORGET: Duration = Duration::from_secs(600);
/// The time between two looks at everything: a multiple of what a look takes, within limits.
const LOOKS_APART: u32 = 20;
const LOOK: Duration = Duration::from_secs(1);
const LOOK_AT_LATEST: Duration = Duration::from_secs(10);
/// Jobs may become visible so much later than their moment says.
const SKEW: TimeDelta = TimeDelta::seconds(2);

/// One queue's floors.
#[derive(Debug)]
pub(crate) struct Floors {
    lanes: HashMap<Uuid, Lane>,
    due_since: Option<DateTime<Utc>>,
    /// Before this lane there was nothing but dead entries at the last look at everything.
    first: Uuid,
    look_at: Instant,
}

#[derive(Debug)]
struct Lane {
    floor: Floor,
    claims: u32,
    claimed_at: Instant,
}

/// What one claim leaves out.
#[derive(Debug, Default)]
pub(crate) struct LeftOut {
    pub(crate) floors: Vec<(Uuid, Floor)>,
    pub(crate) due_since: Option<DateTime<Utc>>,
    pub(crate) first: Uuid,
}

impl Floors {
    pub(crate) fn new() -> Self {
        let look_at = Instant::now();
        Self { lanes: HashMap::new(), due_since: None, first: Uuid::nil(), look_at }
    }

    /// What the next claim shall leave out: nothing, when it is time to look at everything.
    pub(crate) fn to_leave_out(&self) -> LeftOut {
        if Instant::now() >= self.look_at {
            return LeftOut::default();
        }
        let mut busy: Vec<_> = self.lanes.iter().filter(|(_, lane)| lane.claims >= BUSY).collect();
        if busy.is_empty() {
            return LeftOut::default();
        }
        busy.sort_unstable_by_key(|(_, lane)| std::cmp::Reverse(lane.claims));
        busy.truncate(MOST);
        let floors = busy.into_iter().map(|(&id, lane)| (id, lane.floor)).collect();
        LeftOut { floors, due_since: self.due_since, first: self.first }
    }

    /// Learns from a claim that left this out and took so long.
    pub(crate) fn learn(&mut self, left_out: &LeftOut, claims: &Claims, took: Duration) {
        let now = Instant::now();
        if left_out.floors.is_empty() {
            self.look_at = now + (took * LOOKS_APART).clamp(LOOK, LOOK_AT_LATEST);
            self.lanes.retain(|_, lane| now - lane.claimed_at < FORGET);
            if self.lanes.len() > REMEMBERED {
                self.lanes.retain(|_, lane| lane.claims >= BUSY);
            }
            self.due_since = None;
            let lanes = claims.jobs.iter().map(|job| job.lane);
            self.first = lanes.min().filter(|_| took > SLOW).unwrap_or_default();
        }
        let mut reached: HashMap<Uuid, (Floor, u32)> = HashMap::new();
        for job in &claims.jobs {
            let at = Floor { priority: job.priority, run_at: job.run_at, job_id: job.id };
            let (floor, claims) = reached.entry(job.lane).or_insert((at, 0));
            *floor = at.max(*floor);
            *claims += 1;
        }
        for (id, (floor, claims)) in reached {
            let lane = self.lanes.entry(id).or_insert(Lane { floor, claims: 0, claimed_at: now });
            // Lower than before, when a look at everything found something before the floor.
            lane.floor = floor;
            lane.claims = lane.claims.saturating_add(claims);
            if took > SLOW {
                lane.claims = lane.claims.max(BUSY);
            }
            lane.claimed_at = now;
        }
        for (id, first) in &claims.promoted_from {
            if let Some(lane) = self.lanes.get_mut(id)
                && first <= &lane.floor
            {
                lane.claims = 0;
            }
        }
        if let Some(until) = claims.due_until {
            self.due_since = self.due_since.max(Some(until - SKEW));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobs::JobId;
    use serde_json::Value;
    use store::ledger::ClaimedJob;

    fn claimed(lane: Uuid, priority: i16, n: u32) -> Claims {
        let job = |_| ClaimedJob {
            id: JobId::new(),
            claim_no: 1,
            organization_id: None,
            lane,
            priority,
            actor: String::new(),
            kind: String::new(),
            args_version: 1,
            args: Value::Null,
            attempt: 0,
            max_attempts: 1,
            crashes: 0,
            run_at: DateTime::UNIX_EPOCH,
            created_at: DateTime::UNIX_EPOCH,
            notify_end: false,
            cancel_requested: false,
            trace_context: None,
            limit_keys: Vec::new(),
            waited_for: None,
        };
        Claims { jobs: (0..n).map(job).collect(), ..Claims::default() }
    }

    fn claim(floors: &mut Floors, claims: &Claims, took: Duration) -> LeftOut {
        let left_out = floors.to_leave_out();
        floors.learn(&left_out, claims, took);
        left_out
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_lane_has_a_floor_and_everything_is_looked_at_now_and_then() {
        let (mut floors, lane) = (Floors::new(), Uuid::now_v7());
        claim(&mut floors, &claimed(lane, 3, BUSY), Duration::ZERO);
        let next = claim(&mut floors, &claimed(lane, 5, 1), Duration::ZERO);
        assert_eq!(next.floors.len(), 1);
        assert_eq!(floors.to_leave_out().floors[0].1.priority, 5, "it goes up with each claim");
        tokio::time::advance(LOOK).await;
        let look = claim(&mut floors, &claimed(lane, 1, 1), Duration::from_secs(1));
        assert!(look.floors.is_empty());
        assert_eq!(floors.to_leave_out().floors[0].1.priority, 1, "what was found is followed");
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(floors.to_leave_out().floors.len(), 1, "slow looks are rare");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(floors.to_leave_out().floors.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_made_ready_before_the_floor_is_met_by_the_next_claim() {
        let (mut floors, lane) = (Floors::new(), Uuid::now_v7());
        let earlier = JobId::new();
        claim(&mut floors, &claimed(lane, 0, BUSY), Duration::ZERO);
        let first = |job_id| Floor { priority: 0, run_at: DateTime::UNIX_EPOCH, job_id };
        let promoted = |first| {
            let promoted_from = HashMap::from([(lane, first)]);
            Claims { promoted: 1, promoted_from, ..Claims::default() }
        };
        claim(&mut floors, &promoted(first(JobId::new())), Duration::ZERO);
        assert_eq!(floors.to_leave_out().floors.len(), 1, "it comes behind the floor");
        claim(&mut floors, &promoted(first(earlier)), Duration::ZERO);
        assert!(floors.to_leave_out().floors.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_claim_gives_its_lanes_floors_at_once() {
        let (mut floors, lane) = (Floors::new(), Uuid::now_v7());
        claim(&mut floors, &claimed(lane, 0, 1), SLOW);
        assert!(floors.to_leave_out().floors.is_empty());
        claim(&mut floors, &claimed(lane, 0, 1), SLOW * 2);
        let left_out = floors.to_leave_out();
        assert_eq!(
            (left_out.floors.len(), left_out.first),
            (1, lane),
            "nor looks before the first"
        );
        tokio::time::advance(LOOK_AT_LATEST).await;
        claim(&mut floors, &claimed(lane, 0, 1), Duration::ZERO);
        assert!(floors.to_leave_out().first.is_nil(), "a quick look needs no such help");
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_lane_has_no_floor_and_is_forgotten() {
        let (mut floors, lane) = (Floors::new(), Uuid::now_v7());
        claim(&mut floors, &claimed(lane, 0, BUSY - 1), Duration::ZERO);
        assert!(floors.to_leave_out().floors.is_empty());
        tokio::time::advance(FORGET).await;
        claim(&mut floors, &Claims::default(), Duration::ZERO);
        assert!(floors.lanes.is_empty());
    }
}
