//! Rates: so many uses of a key in a time, evenly refilled, with a burst (GCRA, the generic cell
//! rate algorithm). One number per key says when its account is full again.
//!
//! The same arithmetic stands twice: in a script that Redis runs on its own clock, and here for
//! the time when Redis is down. A test compares them.
//!
//! **Invariant:** a rate never blocks and never fails; at worst each process counts alone.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::Error;
use crate::wire::Wire;

/// The most keys that are counted in process.
const KEYS_KEPT: usize = 10_000;

/// What came of taking one use of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Whether this use is allowed.
    pub allowed: bool,
    /// How many uses the key allows at once, and per period.
    pub limit: u32,
    /// How many more uses would be allowed now.
    pub remaining: u32,
    /// When all of `limit` are available again, if none is used.
    pub reset_after: Duration,
    /// When one use will be allowed; zero if this one was.
    pub retry_after: Duration,
    /// Whether all processes shared the account; `false` while Redis is down.
    pub shared: bool,
}

static SCRIPT: LazyLock<redis::Script> =
    LazyLock::new(|| redis::Script::new(include_str!("rate.lua")));

/// Takes one use of `key` from the account in Redis.
pub(crate) async fn shared(
    wire: &Wire,
    prefix: &str,
    key: &str,
    limit: u32,
    per: Duration,
) -> Result<Rate, Error> {
    let terms = Terms::new(limit, per);
    let mut script = SCRIPT.key(format!("{prefix}:rate:{key}"));
    script.arg(terms.per).arg(terms.limit);
    let (allowed, full_in): (bool, u64) =
        wire.call("take", async |redis| script.invoke_async(redis).await).await?;
    Ok(terms.rate(allowed, full_in, true))
}

/// The accounts of this process, for the time when Redis is down.
pub(crate) struct Local {
    start: Instant,
    full_at_by_key: Mutex<HashMap<String, u64>>,
}

impl Default for Local {
    fn default() -> Self {
        Self { start: Instant::now(), full_at_by_key: Mutex::default() }
    }
}

impl Local {
    /// Remembers what Redis said, so that an outage does not begin with a burst.
    pub(crate) fn note(&self, key: &str, rate: &Rate) {
        self.change(key, |_| ((), micros(rate.reset_after)));
    }

    /// Takes one use of `key` from this process' account.
    pub(crate) fn take(&self, key: &str, limit: u32, per: Duration) -> Rate {
        let terms = Terms::new(limit, per);
        let (allowed, full_in) = self.change(key, |full_in| {
            let (allowed, full_in) = terms.take(full_in);
            ((allowed, full_in), full_in)
        });
        terms.rate(allowed, full_in, false)
    }

    /// Changes in how many microseconds the account of `key` is full.
    fn change<T>(&self, key: &str, how: impl FnOnce(u64) -> (T, u64)) -> T {
        let now = micros(self.start.elapsed());
        let mut accounts = self.full_at_by_key.lock().unwrap_or_else(PoisonError::into_inner);
        let full_in = accounts.get(key).map_or(0, |full_at| full_at.saturating_sub(now));
        let (outcome, full_in) = how(full_in);
        if let Some(full_at) = accounts.get_mut(key) {
            *full_at = now + full_in;
            return outcome;
        }
        if accounts.len() >= KEYS_KEPT {
            accounts.retain(|_, full_at| *full_at > now);
        }
        if accounts.len() >= KEYS_KEPT {
            accounts.clear();
        }
        accounts.insert(key.to_owned(), now + full_in);
        outcome
    }
}

/// A rate's numbers; times in microseconds.
#[derive(Debug, Clone, Copy)]
struct Terms {
    limit: u64,
    per: u64,
}

impl Terms {
    /// A limit of none and a period of nothing are rounded up, so that nothing divides by zero.
    fn new(limit: u32, per: Duration) -> Self {
        Self { limit: u64::from(limit.max(1)), per: micros(per).max(1) }
    }

    /// One use costs this much time.
    fn cost(self) -> u64 {
        self.per.div_ceil(self.limit)
    }

    /// Takes one use of an account that is full in `full_in`; says whether it may, and when the
    /// account is full then. Kept equal to `rate.lua`.
    fn take(self, full_in: u64) -> (bool, u64) {
        let after = full_in + self.cost();
        if after > self.cost() * self.limit { (false, full_in) } else { (true, after) }
    }

    fn rate(self, allowed: bool, full_in: u64, shared: bool) -> Rate {
        let (cost, whole) = (self.cost(), self.cost() * self.limit);
        let retry_after = if allowed { 0 } else { (full_in + cost).saturating_sub(whole) };
        Rate {
            allowed,
            limit: u32::try_from(self.limit).unwrap_or(u32::MAX),
            remaining: u32::try_from(whole.saturating_sub(full_in) / cost).unwrap_or(u32::MAX),
            reset_after: Duration::from_micros(full_in),
            retry_after: Duration::from_micros(retry_after),
            shared,
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX / 4).min(u64::MAX / 4)
}
