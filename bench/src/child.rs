//! The processes under measurement, as their parent sees them.
//!
//! **Invariant:** none outlives the bench: each is killed when it is dropped, and the worker of the
//! bench also ends by itself when its standard input does.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::servers::{Database, Servers};
use crate::worker::Options;
use store::Login;

/// Longer than any measurement may take.
const PATIENCE: Duration = Duration::from_secs(900);
const LOOK: Duration = Duration::from_millis(10);

/// One of our programs, running. Its log goes to a file of its own.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    pub(crate) pid: u32,
    log: PathBuf,
}

impl Process {
    /// Starts a program with this environment and nothing else.
    pub(crate) fn start(
        program: &PathBuf,
        name: &str,
        arguments: &[String],
        environment: &[(&str, String)],
    ) -> Result<Self> {
        let log = std::env::temp_dir().join(format!("bench-{}-{name}.log", std::process::id()));
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .kill_on_drop(true);
        let child = command.spawn().with_context(|| format!("starting {}", program.display()))?;
        let pid = child.id().with_context(|| format!("{name} has ended"))?;
        Ok(Self { name: name.to_owned(), child, pid, log })
    }

    /// One of the fleet's programs, from the folder of this one.
    pub(crate) fn start_own(name: &str, environment: &[(&str, String)]) -> Result<Self> {
        let own = std::env::current_exe()?;
        let program = own.with_file_name(name);
        ensure!(program.exists(), "no program {}: run bin/bench", program.display());
        Self::start(&program, name, &[], environment)
    }

    /// The same, on one core alone.
    pub(crate) fn start_pinned(
        name: &str,
        core: usize,
        environment: &[(&str, String)],
    ) -> Result<Self> {
        let own = std::env::current_exe()?.with_file_name(name);
        let arguments = ["--cpu-list".to_owned(), core.to_string(), own.display().to_string()];
        Self::start(&PathBuf::from("/usr/bin/taskset"), name, &arguments, environment)
    }

    /// Waits for a line of its log that contains `part`.
    pub(crate) async fn line(&mut self, part: &str) -> Result<String> {
        for _ in 0..3000 {
            let log = self.log();
            if let Some(line) = log.lines().find(|line| line.contains(part)) {
                return Ok(line.to_owned());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}: {}", self.name, self.tail());
            }
            sleep(LOOK).await;
        }
        bail!("{} does not write {part:?}: {}", self.name, self.tail())
    }

    /// Ends it in order.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.terminate()?;
        self.ended().await
    }

    fn terminate(&self) -> Result<()> {
        Ok(kill(Pid::from_raw(self.pid.try_into()?), Signal::SIGTERM)?)
    }

    async fn ended(&mut self) -> Result<()> {
        let status: ExitStatus = timeout(PATIENCE, self.child.wait()).await??;
        ensure!(status.success(), "{} ended with {status}: {}", self.name, self.tail());
        Ok(())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The last lines of its log.
    pub(crate) fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Its last lines have been shown where something went wrong.
        let _ = std::fs::remove_file(&self.log);
    }
}

/// A `bench worker` that runs.
#[derive(Debug)]
pub(crate) struct Worker {
    process: Process,
    pub(crate) pid: u32,
    _stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    /// Starts one.
    pub(crate) fn start(servers: &Servers, database: &Database, options: &Options) -> Result<Self> {
        let environment = [
            ("WORKER_DATABASE_URL", database.url(Some(Login::Worker))?),
            ("REDIS_URL", servers.redis.clone()),
            ("REDIS_PREFIX", PREFIX.to_owned()),
        ];
        let program = std::env::current_exe()?;
        let mut process = Process::start(&program, "worker", &options.arguments(), &environment)?;
        let stdin = process.child.stdin.take().context("stdin")?;
        let stdout = process.child.stdout.take().context("stdout")?;
        let pid = process.pid;
        Ok(Self { process, pid, _stdin: stdin, lines: BufReader::new(stdout).lines() })
    }

    /// Waits until as many jobs have been handled as it was told to expect.
    pub(crate) async fn handled(&mut self) -> Result<()> {
        let line = timeout(PATIENCE, self.lines.next_line()).await;
        match line.with_context(|| format!("the jobs do not end: {}", self.process.tail()))?? {
            Some(line) if line.contains("handled") => Ok(()),
            other => bail!("the worker said {other:?}: {}", self.process.tail()),
        }
    }

    /// Waits until the ledger knows it, and it is idle.
    pub(crate) async fn ready(&self, database: &Database) -> Result<()> {
        let living = "select count(*) from workers where stopped_at is null and lost_at is null";
        for _ in 0..1000 {
            if database.number(living).await? > 0.0 {
                // It asks for its first jobs right after.
                sleep(Duration::from_millis(1500)).await;
                return Ok(());
            }
            sleep(LOOK).await;
        }
        bail!("the worker did not start: {}", self.process.tail())
    }

    /// [`Worker::stop`] once all jobs have been handled.
    pub(crate) async fn stop_when_done(mut self, jobs: usize) -> Result<HashMap<Uuid, u64>> {
        self.handled().await?;
        let starts = self.stop().await?;
        ensure!(starts.len() == jobs, "{} of {jobs} jobs ran", starts.len());
        Ok(starts)
    }

    /// Ends it in order; answers when each job's handler started, where that was written down.
    pub(crate) async fn stop(mut self) -> Result<HashMap<Uuid, u64>> {
        self.process.terminate()?;
        let mut starts = HashMap::new();
        let mut stopped = false;
        while let Some(line) = timeout(PATIENCE, self.lines.next_line()).await?? {
            if let Some(start) = line.strip_prefix("start ") {
                let (id, ns) = start.split_once(' ').context("a start")?;
                ensure!(starts.insert(id.parse()?, ns.parse()?).is_none(), "{id} ran twice");
            } else if let Ok(said) = serde_json::from_str::<Value>(&line) {
                stopped |= said.get("stopped").is_some();
            }
        }
        self.process.ended().await?;
        ensure!(stopped, "the worker has not told its end: {}", self.process.tail());
        Ok(starts)
    }
}

/// What every Redis key of the bench begins with.
pub(crate) const PREFIX: &str = "bench";
