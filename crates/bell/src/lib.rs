//! The fleet's bell: everything the processes tell one another through Redis.
//!
//! Postgres holds the truth; this crate only makes it quick. Whoever enqueues a job
//! [rings](Bell::ring) its queue after the commit, a worker with free slots
//! [listens](Bell::listen), a request that waits for a result [waits for the end](Bell::wait_end)
//! of its job, and each use of an API key is [taken](Bell::take) from one account that all
//! processes share. It is the only crate that names Redis.
//!
//! | Redis key or channel | what it is |
//! | --- | --- |
//! | `<prefix>:bell:<queue>` | list of wake-up tokens, at most [`TOKENS_KEPT`], gone after [`TOKENS_LIVE`] |
//! | `<prefix>:ends` | channel; each message is the 16-byte ids of jobs that ended |
//! | `<prefix>:rate:<key>` | one rate's theoretical arrival time, expiring with it |
//!
//! **Invariant:** losing Redis loses nothing and blocks nobody. No call waits longer than
//! [`DEADLINE`] for Redis beyond the time its caller granted; while Redis is down a call returns
//! at once; nothing panics; and nothing that matters is kept here alone.

mod ends;
mod error;
mod forget;
mod listen;
mod rate;
mod ring;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

pub use ends::{EndWait, Waited};
pub use error::Error;
pub use listen::{Heard, Listener};
pub use rate::Rate;

/// The longest that any call waits for Redis, to connect or to answer, beyond what its caller
/// granted. Callers meet it at most once per outage: from then on calls return at once.
pub const DEADLINE: Duration = Duration::from_millis(250);

/// How long Redis is left alone after a failure before it is tried again. Also how often a quiet
/// connection is checked.
pub const PAUSE: Duration = Duration::from_secs(1);

/// The most wake-up tokens that one ring leaves, however many jobs it is for: each wakes one
/// worker, and a worker that finds more than it can take leaves the rest to those that poll.
pub const TOKENS_PER_RING: usize = 16;

/// The most wake-up tokens kept for one queue.
pub const TOKENS_KEPT: usize = 64;

/// How long unheard wake-up tokens live: long enough for a worker between two claims, short
/// enough that an idle fleet is not woken by yesterday's rings.
pub const TOKENS_LIVE: Duration = Duration::from_secs(5);

/// A handle on the fleet's Redis. Cheap to clone; all clones share one connection, one circuit
/// and one subscription. When the last clone is dropped, its connections close.
#[derive(Clone)]
pub struct Bell {
    inner: Arc<Inner>,
}

struct Inner {
    prefix: String,
    rates: rate::Local,
    redis: Option<Redis>,
}

struct Redis {
    wire: Arc<wire::Wire>,
    ringer: ring::Ringer,
    ends: ends::Ends,
}

impl Bell {
    /// Hangs a bell on the Redis at `url`, every key of which will begin with `prefix` and a
    /// colon. Connects in the background: Redis may be down now, and come later. Without a URL
    /// the bell is [silent](Bell::silent).
    ///
    /// # Errors
    ///
    /// [`Error::MalformedUrl`], or [`Error::NoRuntime`] when called outside a Tokio runtime.
    pub fn connect(url: Option<&str>, prefix: &str) -> Result<Self, Error> {
        let Some(url) = url else { return Ok(Self::hang(prefix, None)) };
        let wire = Arc::new(wire::Wire::open(url)?);
        let ringer = ring::Ringer::start(wire.clone(), prefix);
        let ends = ends::Ends::new(format!("{prefix}:ends"));
        Ok(Self::hang(prefix, Some(Redis { wire, ringer, ends })))
    }

    /// A bell that nobody hears: rings go nowhere, listeners sleep, and rates are counted in this
    /// process alone.
    pub fn silent() -> Self {
        Self::hang("silent", None)
    }

    fn hang(prefix: &str, redis: Option<Redis>) -> Self {
        describe_metrics();
        let inner = Inner { prefix: prefix.to_owned(), rates: rate::Local::default(), redis };
        Self { inner: Arc::new(inner) }
    }

    /// Whether Redis answered lately (checked every [`PAUSE`]). A silent bell is never up.
    pub fn is_up(&self) -> bool {
        self.inner.redis.as_ref().is_some_and(|redis| redis.wire.is_up())
    }

    /// Tells workers that `jobs` jobs were committed to `queue`. Returns at once; a background
    /// task rings, and many rings of about a millisecond become one round trip.
    ///
    /// Returns whether there was a Redis to ring: if not, say it some other way (`NOTIFY`).
    /// `true` is no promise that anyone heard.
    pub fn ring(&self, queue: &str, jobs: usize) -> bool {
        self.inner.redis.as_ref().is_some_and(|redis| redis.ringer.ring(queue, jobs))
    }

    /// A listener for the rings of `queue`, with a connection of its own.
    pub fn listen(&self, queue: &str) -> Listener {
        let wire = self.inner.redis.as_ref().map(|redis| redis.wire.clone());
        Listener::new(wire, ring::key(&self.inner.prefix, queue))
    }

    /// Tells those who wait for it that a job has ended. Like [`ring`](Bell::ring) in everything
    /// else.
    pub fn ended(&self, job_id: Uuid) -> bool {
        self.inner.redis.as_ref().is_some_and(|redis| redis.ringer.ended(job_id))
    }

    /// Begins to wait for the end of a job. Call it before the job is inserted: an end that is
    /// published after this returned is not missed, unless Redis is lost on the way. So read the
    /// job's row too, now and then.
    pub async fn wait_end(&self, job_id: Uuid) -> EndWait {
        match &self.inner.redis {
            Some(redis) => redis.ends.wait_for(job_id, &redis.wire).await,
            None => EndWait::deaf(job_id),
        }
    }

    /// Takes one of the `limit` uses of `key` allowed per `per`, evenly refilled and with a burst
    /// of up to `limit` (GCRA). All processes share the account, on Redis' clock; while Redis is
    /// down each process counts for itself, from what it last saw.
    pub async fn take(&self, key: &str, limit: u32, per: Duration) -> Rate {
        let Inner { prefix, rates, redis } = &*self.inner;
        if let Some(redis) = redis
            && let Ok(rate) = rate::shared(&redis.wire, prefix, key, limit, per).await
        {
            rates.note(key, &rate);
            return rate;
        }
        rates.take(key, limit, per)
    }

    /// Deletes every key of this bell's prefix, and no other; returns how many. For tests and the
    /// demo.
    ///
    /// # Errors
    ///
    /// When Redis is down, absent, or fails on the way.
    pub async fn forget_all(&self) -> Result<usize, Error> {
        let redis = self.inner.redis.as_ref().ok_or(Error::Down)?;
        forget::all(&redis.wire, &self.inner.prefix).await
    }
}

impl std::fmt::Debug for Bell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bell")
            .field("prefix", &self.inner.prefix)
            .field("silent", &self.inner.redis.is_none())
            .field("up", &self.is_up())
            .finish()
    }
}

/// Gives the metrics of this crate their descriptions, for whatever recorder is installed.
fn describe_metrics() {
    metrics::describe_counter!("bell_rings_total", "Wake-ups and ends asked of Redis");
    metrics::describe_counter!("bell_losses_total", "Calls that Redis did not serve, by call");
    metrics::describe_gauge!("bell_up", "Whether Redis answered lately: 1 or 0");
    // An increase from nothing is none to Prometheus.
    for call in ["ring", "ended", "round", "listen", "wait_end", "take"] {
        metrics::counter!("bell_losses_total", "call" => call).absolute(0);
    }
}
