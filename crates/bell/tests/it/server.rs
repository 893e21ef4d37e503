//! The Redis servers that the tests run against, and waiting for what they say.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bell::Bell;
use redis::aio::MultiplexedConnection;
use uuid::Uuid;

/// How long a condition may take to come true before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A prefix that no other test uses.
pub(crate) fn prefix() -> String {
    format!("test-{}", Uuid::new_v4().simple())
}

/// Bells on one prefix of one server.
pub(crate) struct Tower {
    pub(crate) url: String,
    pub(crate) prefix: String,
    pub(crate) private: Option<PrivateRedis>,
}

impl Tower {
    /// On the server that the test run shares, if there is one.
    pub(crate) fn shared() -> Self {
        match std::env::var("TEST_REDIS_URL") {
            Ok(url) if !url.is_empty() => Self { url, prefix: prefix(), private: None },
            _ => Self::private(),
        }
    }

    /// On a server of its own, which may be mistreated.
    pub(crate) fn private() -> Self {
        let private = PrivateRedis::start();
        Self { url: private.url(), prefix: prefix(), private: Some(private) }
    }

    /// A bell as another process would hang it, once it is up.
    pub(crate) async fn bell(&self) -> Bell {
        let bell = Bell::connect(Some(&self.url), &self.prefix).unwrap();
        eventually("the bell is up", async || bell.is_up()).await;
        bell
    }

    pub(crate) fn server(&mut self) -> &mut PrivateRedis {
        self.private.as_mut().expect("this test's server is private")
    }

    /// A connection that bypasses the bell.
    pub(crate) async fn raw(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.url.as_str()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// How many tokens wait for the workers of a queue.
    pub(crate) async fn tokens(&self, queue: &str) -> usize {
        let key = format!("{}:bell:{queue}", self.prefix);
        redis::cmd("LLEN").arg(key).query_async(&mut self.raw().await).await.unwrap()
    }

    /// How many clients block on this server's lists.
    pub(crate) async fn blocked(&self) -> usize {
        let info = redis::cmd("INFO").arg("clients").clone();
        let info: String = info.query_async(&mut self.raw().await).await.unwrap();
        let line = info.lines().find_map(|line| line.strip_prefix("blocked_clients:"));
        line.unwrap().trim().parse().unwrap()
    }
}

/// A Redis server that belongs to one test.
pub(crate) struct PrivateRedis {
    port: u16,
    process: Child,
}

impl PrivateRedis {
    fn start() -> Self {
        let port = free_port();
        let process = run(port);
        Self { port, process }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again, empty, on the same port.
    pub(crate) fn restart(&mut self) {
        self.process = run(self.port);
    }

    /// Stops it without closing its connections, as an overloaded or cut-off server would.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }
}

impl Drop for PrivateRedis {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

fn run(port: u16) -> Child {
    let mut process = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .stdout(Stdio::null())
        .spawn()
        .expect(
            "these tests need Redis: put redis-server on the PATH, or run them by bin/test, \
             which installs it",
        );
    let start = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(process.try_wait().unwrap().is_none(), "redis-server ended at its start");
        assert!(start.elapsed() < PATIENCE, "redis-server does not listen");
        std::thread::yield_now();
    }
    process
}

/// Waits until `holds`, and fails if it does not in time.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
