//! Waiting for the end of a job: one subscription per process, shared by all who wait.
//!
//! Ends of all jobs that somebody waits for come through one channel and are sorted out here, so
//! that beginning to wait costs no round trip.
//!
//! **Invariant:** a lost message is harmless. Waiters read the job's row themselves; this only
//! tells them when.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::wire::{Task, Wire, lost};
use crate::{DEADLINE, Error, PAUSE};

/// How a wait went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// The job has ended: read its row.
    Ended,
    /// Nothing was heard in the time granted. Read the row nevertheless.
    Timeout,
}

/// Those who wait in this process, by job.
#[derive(Default)]
struct Waiters(Mutex<HashMap<Uuid, watch::Sender<bool>>>);

impl Waiters {
    fn with<T>(&self, look: impl FnOnce(&mut HashMap<Uuid, watch::Sender<bool>>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells those who wait for any of `ids`, 16 bytes each.
    fn tell(&self, ids: &[u8]) {
        self.with(|waiters| {
            for id in ids.chunks_exact(16).filter_map(|id| Uuid::from_slice(id).ok()) {
                if let Some(waiter) = waiters.remove(&id) {
                    waiter.send_replace(true);
                }
            }
        });
    }
}

/// Where the subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subscribed {
    /// Not yet.
    Soon,
    Yes,
    /// It broke, or could not be made: waiting for it would only cost time.
    No,
}

/// This process' subscription to the ends of jobs, made when somebody first waits.
pub(crate) struct Ends {
    channel: String,
    waiters: Arc<Waiters>,
    subscription: OnceLock<(Task, watch::Receiver<Subscribed>)>,
}

impl Ends {
    pub(crate) fn new(channel: String) -> Self {
        Self { channel, waiters: Arc::default(), subscription: OnceLock::new() }
    }

    /// Begins to wait for `job_id`, and returns once the subscription stands, or cannot now.
    pub(crate) async fn wait_for(&self, job_id: Uuid, wire: &Arc<Wire>) -> EndWait {
        let ended = self.waiters.with(|waiters| {
            waiters.entry(job_id).or_insert_with(|| watch::Sender::new(false)).subscribe()
        });
        let wait = EndWait { job_id, ended: Some((ended, self.waiters.clone())) };
        let (_, subscribed) = self.subscription.get_or_init(|| {
            let (say, subscribed) = watch::channel(Subscribed::Soon);
            let (wire, channel) = (wire.clone(), self.channel.clone());
            (Task::start(subscribe(wire, channel, self.waiters.clone(), say)), subscribed)
        });
        if !wire.is_down() {
            let mut subscribed = subscribed.clone();
            let settled = subscribed.wait_for(|subscribed| *subscribed != Subscribed::Soon);
            if !matches!(timeout(DEADLINE, settled).await, Ok(Ok(now)) if *now == Subscribed::Yes) {
                lost("wait_end", 1);
            }
        }
        wait
    }
}

/// Keeps the subscription for as long as the bell hangs.
async fn subscribe(
    wire: Arc<Wire>,
    channel: String,
    waiters: Arc<Waiters>,
    say: watch::Sender<Subscribed>,
) {
    loop {
        wire.up().await;
        tokio::select! {
            // The keeper of the wire notices a Redis that hangs; this connection would not.
            () = wire.down() => {}
            outcome = follow(&wire, &channel, &waiters, &say) => {
                if let Err(error) = outcome {
                    let error: &dyn std::error::Error = &error;
                    tracing::debug!(error, "could not subscribe to the ends of jobs");
                }
            }
        }
        say.send_replace(Subscribed::No);
        sleep(PAUSE).await;
    }
}

/// Subscribes, and tells of ends until the connection breaks.
async fn follow(
    wire: &Wire,
    channel: &str,
    waiters: &Waiters,
    say: &watch::Sender<Subscribed>,
) -> Result<(), Error> {
    let mut pubsub = wire.pubsub().await?;
    match timeout(DEADLINE, pubsub.subscribe(channel)).await {
        Ok(outcome) => outcome.map_err(Error::Refused)?,
        Err(_) => return Err(Error::Late),
    }
    say.send_replace(Subscribed::Yes);
    let (mut sink, mut messages) = pubsub.split();
    loop {
        match timeout(PAUSE, messages.next()).await {
            Ok(Some(message)) => waiters.tell(message.get_payload_bytes()),
            Ok(None) => return Ok(()),
            // A connection that was cut off silently would be quiet for ever.
            Err(_) => match timeout(DEADLINE, sink.ping::<redis::Value>()).await {
                Ok(outcome) => drop(outcome.map_err(Error::Refused)?),
                Err(_) => return Err(Error::Late),
            },
        }
    }
}

/// A wait for the end of one job, begun before the job was inserted.
pub struct EndWait {
    job_id: Uuid,
    ended: Option<(watch::Receiver<bool>, Arc<Waiters>)>,
}

impl EndWait {
    /// A wait that hears nothing.
    pub(crate) fn deaf(job_id: Uuid) -> Self {
        Self { job_id, ended: None }
    }

    /// The job waited for.
    pub fn job_id(&self) -> Uuid {
        self.job_id
    }

    /// Waits until the job's end was told, `max` at most. May be called again, and says at once
    /// what it knows already. Safe to cancel.
    pub async fn wait(&mut self, max: Duration) -> Waited {
        let Some((ended, _)) = &mut self.ended else {
            sleep(max).await;
            return Waited::Timeout;
        };
        let told = timeout(max, async {
            // The sender goes only after it has told.
            let _gone = ended.wait_for(|ended| *ended).await;
        });
        if told.await.is_ok() { Waited::Ended } else { Waited::Timeout }
    }
}

impl Drop for EndWait {
    fn drop(&mut self) {
        let Some((ended, waiters)) = self.ended.take() else { return };
        drop(ended);
        waiters.with(|waiters| {
            if waiters.get(&self.job_id).is_some_and(|waiter| waiter.receiver_count() == 0) {
                waiters.remove(&self.job_id);
            }
        });
    }
}

impl std::fmt::Debug for EndWait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EndWait").field("job_id", &self.job_id).finish_non_exhaustive()
    }
}
