//! Postgres and Redis servers of one's own, for tests that stop, kill or empty them.
//!
//! **Invariant:** the servers come back at their addresses, and are deleted when this is dropped; what
//! a killed test leaves behind, the next `bin/test` or `bin/chaos` sweeps away.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use reqwest::Url;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use super::setup::random_hex;

/// How long Redis may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// One of the two servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// Postgres.
    Postgres,
    /// Redis.
    Redis,
}

impl Server {
    fn word(self) -> &'static str {
        match self {
            Server::Postgres => "postgres",
            Server::Redis => "redis",
        }
    }
}

/// How a server is brought down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down {
    /// As a crash would: Postgres recovers from its log when it comes back, Redis is empty.
    Killed,
    /// In good order: Postgres hangs up on everybody first.
    Stopped,
}

/// How careful the servers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    /// Every commit is on the disk. As in production.
    Durable,
    /// Every commit is with the operating system: a killed server loses nothing, a machine does.
    Quick,
}

/// The servers.
#[derive(Debug)]
pub struct Servers {
    name: String,
    care: Care,
    /// The URL of the owner, who may create databases.
    pub owner_url: String,
    /// The URL of Redis.
    pub redis_url: String,
    /// One command at a time, in the order in which they came.
    turn: Mutex<()>,
}

impl Servers {
    /// Starts new ones.
    ///
    /// # Errors
    /// When there is no Postgres or Redis to be found or installed.
    pub async fn start(care: Care) -> Result<Self> {
        let name = format!("test-{}-{}", std::process::id(), random_hex(3));
        let mut servers = Self {
            name,
            care,
            owner_url: String::new(),
            redis_url: String::new(),
            turn: Mutex::default(),
        };
        let said = servers.command(UP, &[servers.care_word()]).await?;
        let mut lines = said.lines();
        let mut line = || lines.next().map(str::to_owned).context("bin/lib/services names no URL");
        (servers.owner_url, servers.redis_url) = (line()?, line()?);
        Ok(servers)
    }

    /// Brings one down.
    ///
    /// # Errors
    /// When it cannot be.
    pub async fn bring(&self, server: Server, down: Down) -> Result<()> {
        let _turn = self.turn.lock().await;
        let verb = match down {
            Down::Killed => "services_kill \"$1\" \"$2\"",
            Down::Stopped => "services_stop \"$1\" \"$2\"",
        };
        self.command(verb, &[server.word()]).await.map(drop)
    }

    /// Brings back whatever is down, and waits until it answers.
    ///
    /// # Errors
    /// When something does not come back, or not at its address.
    pub async fn bring_back(&self) -> Result<()> {
        let _turn = self.turn.lock().await;
        let said = self.command(UP, &[self.care_word()]).await?;
        let same = said.lines().eq([self.owner_url.as_str(), self.redis_url.as_str()]);
        ensure!(same, "the servers came back at other addresses");
        Ok(())
    }

    /// Empties Redis: every key of everybody.
    ///
    /// # Errors
    /// When Redis is down.
    pub async fn empty_redis(&self) -> Result<()> {
        let url = Url::parse(&self.redis_url)?;
        let address = (url.host_str().unwrap_or("127.0.0.1"), url.port().unwrap_or(6379));
        let emptied = async {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(b"FLUSHALL\r\n").await?;
            let mut answer = [0; 5];
            stream.read_exact(&mut answer).await?;
            ensure!(&answer == b"+OK\r\n", "{}", String::from_utf8_lossy(&answer));
            Ok(())
        };
        tokio::time::timeout(ANSWER, emptied).await.context("Redis does not answer")?
    }

    fn care_word(&self) -> &'static str {
        match self.care {
            Care::Durable => "durable",
            Care::Quick => "fast",
        }
    }

    async fn command(&self, script: &str, arguments: &[&str]) -> Result<String> {
        let mut command = command(script, &self.name);
        command.args(arguments);
        let told = tokio::process::Command::from(command).output().await.context("bash")?;
        if !told.status.success() {
            bail!("{script}: {}", String::from_utf8_lossy(&told.stderr));
        }
        Ok(String::from_utf8_lossy(&told.stdout).into_owned())
    }
}

/// `$1` is the servers' name, `$2` how careful they are.
const UP: &str = "services_up \"$1\" \"$2\"; printf '%s\\n' \"$DATABASE_URL\" \"$REDIS_URL\"";

impl Drop for Servers {
    fn drop(&mut self) {
        // What cannot be deleted now is swept away by the next run.
        let _ = command("services_drop \"$1\"", &self.name).output();
    }
}

/// A line of shell that has the functions of `bin/lib/services`.
fn command(script: &str, name: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut command = Command::new("bash");
    command
        .arg("-c")
        .arg(format!("set -euo pipefail; source bin/lib/services; {script}"))
        .args(["services", name])
        .current_dir(root)
        .env_remove("DATABASE_URL")
        .env_remove("REDIS_URL")
        .stdin(std::process::Stdio::null());
    command
}
