//! Listening: a worker with free slots blocks on its queue's list of tokens.
//!
//! Redis serves those who block in the order in which they began, one token each, so that one
//! ring wakes one worker and not all of them.
//!
//! **Invariant:** [`Listener::heard`] returns within the time it was granted, whatever Redis
//! does; and giving up on it half-way loses no token.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use redis::RedisResult;
use redis::aio::MultiplexedConnection;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::wire::{Wire, lost};
use crate::{DEADLINE, Error, PAUSE};

/// The shortest time that Redis is asked to block; zero would mean for ever.
const SHORTEST_BLOCK: Duration = Duration::from_millis(10);

/// What a listener heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// The bell, this many times: that many jobs were enqueued, or more. They may be gone.
    Bell(usize),
    /// Nothing in the time granted. Look at the table nevertheless.
    Timeout,
}

/// One listener for one queue's rings. It holds a connection of its own once it has listened.
pub struct Listener {
    wire: Option<Arc<Wire>>,
    key: String,
    connection: Option<MultiplexedConnection>,
    blocked: Option<Blocked>,
}

/// A list's name, and what was taken from it.
type Token = (String, String);

/// A `BLPOP` on its way; kept when its caller gives up, so that the token it may bring is heard by
/// the next call.
struct Blocked {
    answer: BoxFuture<'static, RedisResult<Option<Token>>>,
    overdue: Instant,
}

impl Listener {
    pub(crate) fn new(wire: Option<Arc<Wire>>, key: String) -> Self {
        Self { wire, key, connection: None, blocked: None }
    }

    /// Blocks until the bell rings, `max` at most. Takes up to `room` tokens (one at least): say
    /// how many jobs you could start, and leave the rest to wake others.
    ///
    /// While Redis is down it sleeps, and listens again as soon as Redis is back. Safe to cancel:
    /// what was under way is heard by the next call. If there may be none for long (all slots
    /// taken), [`hush`](Listener::hush).
    pub async fn heard(&mut self, room: usize, max: Duration) -> Heard {
        let deadline = Instant::now() + max;
        let Some(wire) = self.wire.clone() else {
            sleep_until(deadline).await;
            return Heard::Timeout;
        };
        loop {
            if !wire.is_up() {
                self.hush();
                if timeout_at(deadline, wire.up()).await.is_err() {
                    return Heard::Timeout;
                }
            }
            match timeout_at(deadline, self.token(&wire, deadline)).await {
                Ok(Ok(true)) => return Heard::Bell(1 + self.more(room).await),
                Ok(Ok(false)) if Instant::now() < deadline => {}
                Ok(Ok(false)) | Err(_) => return Heard::Timeout,
                Ok(Err(_)) => {
                    lost("listen", 1);
                    self.hush();
                    let again = deadline.min(Instant::now() + PAUSE);
                    sleep_until(again).await;
                    if again == deadline {
                        return Heard::Timeout;
                    }
                }
            }
        }
    }

    /// Stops listening until the next [`heard`](Listener::heard): no ring is taken that could
    /// have woken somebody else.
    pub fn hush(&mut self) {
        self.blocked = None;
        self.connection = None;
    }

    /// Blocks for one token; `false` when Redis said that there was none in time.
    async fn token(&mut self, wire: &Wire, deadline: Instant) -> Result<bool, Error> {
        if self.blocked.is_none() {
            let connection = match &self.connection {
                Some(connection) => connection.clone(),
                None => self.connection.insert(wire.dedicated().await?).clone(),
            };
            self.blocked = Some(block(connection, &self.key, deadline));
        }
        let Some(blocked) = &mut self.blocked else { return Ok(false) };
        let answer = timeout_at(blocked.overdue, &mut blocked.answer).await;
        self.blocked = None;
        match answer {
            Ok(Ok(token)) => Ok(token.is_some()),
            Ok(Err(error)) => Err(Error::Refused(error)),
            Err(_) => Err(Error::Late),
        }
    }

    /// Takes up to `room - 1` tokens that wait already.
    async fn more(&mut self, room: usize) -> usize {
        let (Some(connection), true) = (&mut self.connection, room > 1) else { return 0 };
        let mut pop = redis::cmd("LPOP");
        pop.arg(&self.key).arg(room - 1);
        match timeout(DEADLINE, pop.query_async::<Option<Vec<String>>>(connection)).await {
            Ok(Ok(tokens)) => tokens.map_or(0, |tokens| tokens.len()),
            Ok(Err(_)) | Err(_) => {
                self.hush();
                0
            }
        }
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").field("key", &self.key).finish_non_exhaustive()
    }
}

fn block(mut connection: MultiplexedConnection, key: &str, deadline: Instant) -> Blocked {
    let most = deadline.saturating_duration_since(Instant::now()).max(SHORTEST_BLOCK);
    let mut pop = redis::cmd("BLPOP");
    pop.arg(key).arg(most.as_secs_f64());
    Blocked {
        answer: Box::pin(async move { pop.query_async(&mut connection).await }),
        overdue: Instant::now() + most + DEADLINE,
    }
}
