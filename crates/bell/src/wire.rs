//! The connection to Redis, with a circuit that opens when it fails.
//!
//! One task per bell keeps the connection: it connects, checks it every [`PAUSE`], and after a
//! failure leaves Redis alone for a [`PAUSE`] before it tries again. Everybody else only looks at
//! what the keeper last said, so that during an outage nobody waits for a connection.
//!
//! **Invariant:** a call waits at most [`DEADLINE`], and not at all while the circuit is open.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisResult};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::{DEADLINE, Error, PAUSE};

/// A task that is stopped when its owner goes.
pub(crate) struct Task(JoinHandle<()>);

impl Task {
    /// Starts `work` on the runtime of the caller.
    pub(crate) fn start(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What the keeper last said of the connection.
#[derive(Clone)]
enum State {
    /// The first connection is being made.
    Connecting,
    /// Connected; the number tells one connection's failures from another's.
    Up(MultiplexedConnection, u64),
    /// Failed; nobody is to try before the keeper has.
    Down,
}

/// One Redis, as seen from this process.
pub(crate) struct Wire {
    client: Client,
    state: watch::Receiver<State>,
    faults: mpsc::Sender<u64>,
    _keeper: Task,
}

impl Wire {
    /// Starts to connect to `url`.
    pub(crate) fn open(url: &str) -> Result<Self, Error> {
        let client = Client::open(url).map_err(Error::MalformedUrl)?;
        if url.starts_with("rediss:") {
            // Without a choice of its cryptography rustls panics when it connects; an error only
            // says that the process has chosen already.
            let _chosen = rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
        tokio::runtime::Handle::try_current().map_err(|_| Error::NoRuntime)?;
        let (said, state) = watch::channel(State::Connecting);
        let (faults, reported) = mpsc::channel(16);
        let keeper = Task::start(keep(client.clone(), said, reported));
        Ok(Self { client, state, faults, _keeper: keeper })
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(*self.state.borrow(), State::Up(..))
    }

    pub(crate) fn is_down(&self) -> bool {
        matches!(*self.state.borrow(), State::Down)
    }

    /// Returns when Redis is up; never, while it is not.
    pub(crate) async fn up(&self) {
        let mut state = self.state.clone();
        if state.wait_for(|state| matches!(state, State::Up(..))).await.is_err() {
            std::future::pending().await
        }
    }

    /// Returns when Redis is down; never, while it is not.
    pub(crate) async fn down(&self) {
        let mut state = self.state.clone();
        if state.wait_for(|state| matches!(state, State::Down)).await.is_err() {
            std::future::pending().await
        }
    }

    /// Makes one call over the shared connection. A failure opens the circuit and counts as a
    /// loss of `call`.
    pub(crate) async fn call<T>(
        &self,
        call: &'static str,
        make: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, Error> {
        let outcome = self.attempt(make).await;
        if outcome.is_err() {
            lost(call, 1);
        }
        outcome
    }

    /// [`call`](Wire::call) for one who counts the losses himself.
    pub(crate) async fn attempt<T>(
        &self,
        make: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, Error> {
        let (mut connection, number) = self.shared().await.ok_or(Error::Down)?;
        let outcome = match timeout(DEADLINE, make(&mut connection)).await {
            Ok(outcome) => outcome.map_err(Error::Refused),
            Err(_) => Err(Error::Late),
        };
        if outcome.is_err() {
            // A full channel means that the keeper has been told already.
            let _told = self.faults.try_send(number);
        }
        outcome
    }

    async fn shared(&self) -> Option<(MultiplexedConnection, u64)> {
        let mut state = self.state.clone();
        let settled = state.wait_for(|state| !matches!(state, State::Connecting));
        match &*timeout(DEADLINE, settled).await.ok()?.ok()? {
            State::Up(connection, number) => Some((connection.clone(), *number)),
            State::Connecting | State::Down => None,
        }
    }

    /// A connection for one user who will block on it: its answers have no deadline.
    pub(crate) async fn dedicated(&self) -> Result<MultiplexedConnection, Error> {
        connect(&self.client, None).await
    }

    /// A connection for subscriptions.
    pub(crate) async fn pubsub(&self) -> Result<redis::aio::PubSub, Error> {
        match timeout(DEADLINE, self.client.get_async_pubsub()).await {
            Ok(outcome) => outcome.map_err(Error::Refused),
            Err(_) => Err(Error::Late),
        }
    }
}

/// Counts `times` calls that Redis did not serve.
pub(crate) fn lost(call: &'static str, times: usize) {
    metrics::counter!("bell_losses_total", "call" => call).increment(times as u64);
}

async fn connect(
    client: &Client,
    response_timeout: Option<Duration>,
) -> Result<MultiplexedConnection, Error> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(DEADLINE))
        .set_response_timeout(response_timeout)
        .set_pipeline_buffer_size(1024);
    match timeout(DEADLINE, client.get_multiplexed_async_connection_with_config(&config)).await {
        Ok(outcome) => outcome.map_err(Error::Refused),
        Err(_) => Err(Error::Late),
    }
}

/// Keeps the connection for as long as the [`Wire`] lives.
async fn keep(client: Client, said: watch::Sender<State>, mut faults: mpsc::Receiver<u64>) {
    let mut was_up = None;
    for number in 0.. {
        let failure = match connect(&client, Some(DEADLINE)).await {
            Ok(connection) => {
                if was_up == Some(false) {
                    tracing::info!("Redis is back");
                }
                was_up = Some(true);
                metrics::gauge!("bell_up").set(1.0);
                said.send_replace(State::Up(connection.clone(), number));
                watch_over(connection, number, &mut faults).await
            }
            Err(failure) => failure,
        };
        if was_up != Some(false) {
            tracing::warn!(
                error = &failure as &dyn std::error::Error,
                "Redis is down; the fleet goes on without, more slowly"
            );
        }
        was_up = Some(false);
        metrics::gauge!("bell_up").set(0.0);
        said.send_replace(State::Down);
        sleep(PAUSE).await;
    }
}

/// Returns when the connection has failed, with the reason.
async fn watch_over(
    mut connection: MultiplexedConnection,
    number: u64,
    faults: &mut mpsc::Receiver<u64>,
) -> Error {
    loop {
        match timeout(PAUSE, faults.recv()).await {
            Ok(Some(faulty)) if faulty != number => {}
            Ok(_) => return Error::Down,
            Err(_) => {
                let ping = redis::cmd("PING");
                match timeout(DEADLINE, ping.query_async::<()>(&mut connection)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return Error::Refused(error),
                    Err(_) => return Error::Late,
                }
            }
        }
    }
}
