//! One process: its log, its signals, its end.
//!
//! **Invariant:** a process does not outlive its [`Process`].

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::clocks;
use crate::wait::{self, PATIENCE};

/// How much of a log is shown when a test fails.
const TAIL_LINES: usize = 60;

/// The path of one of our programs.
///
/// # Errors
/// When it is not there.
pub fn binary(name: &str) -> Result<PathBuf> {
    // Beside the tests' own folder, where `cargo build` puts them, unless said otherwise.
    let folder = match std::env::var_os("EZRE_BIN_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => {
            let own = std::env::current_exe().context("the test's own path")?;
            own.ancestors().nth(2).context("the folder of the programs")?.to_owned()
        }
    };
    let path = folder.join(name);
    if !path.exists() {
        bail!("no program {} (cargo build --workspace --bins, or bin/test)", path.display());
    }
    Ok(path)
}

/// A port of the loopback address on which nobody listens. It lies below those that the system gives
/// to outgoing connections, so that it stays free while the process that listens there is down.
///
/// # Errors
/// When there is none.
pub(super) fn free_port() -> Result<u16> {
    let draws = std::iter::repeat_with(|| rand::random_range(20_000..32_000)).take(100);
    let mut free = draws.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.next().context("no free port")
}

/// A running process.
#[derive(Debug)]
pub struct Process {
    name: String,
    log: PathBuf,
    pid: u32,
    child: Mutex<Child>,
}

impl Process {
    /// Starts one of our programs with this environment and nothing else, its output going to
    /// `<folder>/<name>.log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(
        name: &str,
        folder: &Path,
        program: &str,
        arguments: &[&str],
        environment: &[(String, String)],
    ) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let file = OpenOptions::new().create(true).append(true).open(&log)?;
        let mut command = Command::new(binary(program)?);
        command
            .args(arguments)
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        let child = command.spawn().with_context(|| format!("starting {program}"))?;
        Ok(Self { name: name.to_owned(), log, pid: child.id(), child: Mutex::new(child) })
    }

    /// The name in logs.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// All it has written.
    pub fn log(&self) -> String {
        let mut bytes = Vec::new();
        if let Ok(mut file) = File::open(&self.log) {
            // A log that cannot be read is an empty one; what a test looks for is then missing.
            let _ = file.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The last lines it has written.
    pub fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }

    /// Waits for a line that contains `part`, and answers it. Fails when the process ends.
    ///
    /// # Errors
    /// When it does not come in time.
    pub async fn line(&self, part: &str) -> Result<String> {
        let what = format!("{} writes {part:?}", self.name);
        wait::until(&what, PATIENCE, async || {
            let ended = self.ended();
            let log = self.log();
            if let Some(line) = log.lines().find(|line| line.contains(part)) {
                return Ok(Some(line.to_owned()));
            }
            match ended {
                Some(status) => bail!("{} ended with {status}:\n{}", self.name, self.tail()),
                None => Ok(None),
            }
        })
        .await
    }

    /// The loopback address in the first line that contains `part`.
    ///
    /// # Errors
    /// As for [`Process::line`], and when the line has none.
    pub async fn address(&self, part: &str) -> Result<String> {
        let line = self.line(part).await?;
        let host = "127.0.0.1:";
        let start = line.find(host).with_context(|| format!("no address in {line}"))?;
        let port = &line[start + host.len()..];
        let digits = port.find(|c: char| !c.is_ascii_digit()).unwrap_or(port.len());
        Ok(format!("{host}{}", &port[..digits]))
    }

    /// How it ended, if it has.
    pub fn ended(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait().ok().flatten()
    }

    /// Waits for its end; a status for one that a signal ended too.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn end(&self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("{} ends", self.name);
        wait::until(&what, limit, async || Ok(self.ended())).await
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.pid).context("a process id")?);
        kill(pid, signal).with_context(|| format!("{signal} to {}", self.name))
    }

    /// Kills it as a crash would, and waits until it is gone.
    ///
    /// # Errors
    /// When it is gone already.
    pub async fn kill(&self) -> Result<()> {
        self.signal(Signal::SIGKILL)?;
        let status = self.end(PATIENCE).await?;
        if status.signal() != Some(Signal::SIGKILL as i32) {
            bail!("{} ended by itself, with {status}", self.name);
        }
        Ok(())
    }

    /// Stops it where it stands; only [`Process::thaw`] lets it go on.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets a frozen process go on.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Fails only for a process that has ended already.
        let _ = child.kill();
        let _ = child.wait();
        clocks::sweep(self.pid);
    }
}
