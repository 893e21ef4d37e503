//! Ringing: what callers say is gathered and told to Redis by one task, in one round trip.
//!
//! The first ring after a silence goes out at once; those that come during its round trip, and
//! the millisecond after, go together in the next.
//!
//! **Invariant:** ringing never waits, and holds at most one number per queue and
//! [`ENDS_PER_ROUND`] ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use uuid::Uuid;

use crate::wire::{Task, Wire, lost};
use crate::{TOKENS_KEPT, TOKENS_LIVE, TOKENS_PER_RING};

/// The least time between two round trips.
const GATHER: Duration = Duration::from_millis(1);

/// The most ends told in one round trip (64 KiB); more than that within a millisecond are left to
/// the waiters' own reads.
const ENDS_PER_ROUND: usize = 4096;

/// What was said since the last round trip.
#[derive(Default)]
struct Said {
    jobs_by_queue: BTreeMap<String, usize>,
    ended: Vec<Uuid>,
}

#[derive(Default)]
struct Desk {
    said: Mutex<Said>,
    news: Notify,
}

impl Desk {
    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rings of this process, and the task that tells them.
pub(crate) struct Ringer {
    wire: Arc<Wire>,
    desk: Arc<Desk>,
    _task: Task,
}

impl Ringer {
    pub(crate) fn start(wire: Arc<Wire>, prefix: &str) -> Self {
        let desk = Arc::new(Desk::default());
        let task = Task::start(tell(wire.clone(), desk.clone(), prefix.to_owned()));
        Self { wire, desk, _task: task }
    }

    pub(crate) fn ring(&self, queue: &str, jobs: usize) -> bool {
        if jobs == 0 {
            return !self.wire.is_down();
        }
        self.say("ring", |said| {
            match said.jobs_by_queue.get_mut(queue) {
                Some(rung) => *rung = rung.saturating_add(jobs),
                None => {
                    said.jobs_by_queue.insert(queue.to_owned(), jobs);
                }
            }
            true
        })
    }

    pub(crate) fn ended(&self, job_id: Uuid) -> bool {
        self.say("ended", |said| {
            let room = said.ended.len() < ENDS_PER_ROUND;
            if room {
                said.ended.push(job_id);
            }
            room
        })
    }

    fn say(&self, call: &'static str, what: impl FnOnce(&mut Said) -> bool) -> bool {
        metrics::counter!("bell_rings_total", "call" => call).increment(1);
        let taken = !self.wire.is_down() && what(&mut self.desk.said());
        if taken {
            self.desk.news.notify_one();
        } else {
            lost(call, 1);
        }
        taken
    }
}

/// The list on which the workers of `queue` block.
pub(crate) fn key(prefix: &str, queue: &str) -> String {
    format!("{prefix}:bell:{queue}")
}

async fn tell(wire: Arc<Wire>, desk: Arc<Desk>, prefix: String) {
    loop {
        desk.news.notified().await;
        let said = std::mem::take(&mut *desk.said());
        let round = round_trip(&said, &prefix);
        if wire.call("round", async |redis| round.query_async::<()>(redis).await).await.is_err() {
            lost("ring", said.jobs_by_queue.len());
            lost("ended", said.ended.len());
        }
        tokio::time::sleep(GATHER).await;
    }
}

/// Everything that was said, as one round trip.
fn round_trip(said: &Said, prefix: &str) -> redis::Pipeline {
    let mut round = redis::pipe();
    for (queue, jobs) in &said.jobs_by_queue {
        let key = key(prefix, queue);
        let tokens = ["1"; TOKENS_PER_RING];
        let count = (*jobs).clamp(1, TOKENS_PER_RING);
        round.cmd("RPUSH").arg(&key).arg(&tokens[..count]).ignore();
        round.cmd("LTRIM").arg(&key).arg(0).arg(TOKENS_KEPT - 1).ignore();
        round.cmd("PEXPIRE").arg(&key).arg(TOKENS_LIVE.as_millis() as u64).ignore();
    }
    if !said.ended.is_empty() {
        let ids: Vec<u8> = said.ended.iter().flat_map(Uuid::as_bytes).copied().collect();
        round.cmd("PUBLISH").arg(format!("{prefix}:ends")).arg(ids).ignore();
    }
    round
}
