//! Other job systems, measured in the same minutes on the same servers.
//!
//! A peer is a folder with a program `run` that is called as
//! `run --jobs N --postgres URL --redis URL drain|pickup|burst` and prints one line of JSON:
//! `{peer, version, scenario, jobs, seconds, rate, p50_ms, p99_ms, settings}`. Where it also says
//! `{"phase":"loaded"}` and `{"phase":"done"}` and waits for an answer, the servers' CPU between the
//! two is counted.
//!
//! **Invariant:** a peer that fails is named, and has no figures.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::case::Case;
use crate::machine::{Meter, Spent};
use crate::servers::Servers;

const PATIENCE: Duration = Duration::from_secs(300);

/// The peers of this run; none unless they were asked for.
#[derive(Debug, Default)]
pub(crate) struct Peers(Vec<PathBuf>);

impl Peers {
    /// Those that `bin/bench --peers` has installed or found: `BENCH_PEERS`, folders separated by
    /// colons.
    pub(crate) fn find(asked: bool) -> Self {
        let folders = std::env::var_os("BENCH_PEERS").filter(|_| asked).unwrap_or_default();
        let folders = std::env::split_paths(&folders).filter(|folder| folder.join("run").exists());
        Self(folders.collect())
    }

    /// To be filled by [`Peers::measure`].
    pub(crate) fn cases(&self) -> Vec<Case> {
        Vec::new()
    }

    /// One round of each peer.
    pub(crate) async fn measure(
        &self,
        servers: &Servers,
        scenario: &'static str,
        jobs: usize,
        cases: &mut Vec<Case>,
    ) -> Result<()> {
        for folder in &self.0 {
            if let Err(error) = one(servers, folder, scenario, jobs, cases).await {
                complain(folder, scenario, &error);
            }
        }
        Ok(())
    }
}

#[expect(clippy::print_stderr, reason = "a missing figure needs a reason, beside the figures")]
fn complain(folder: &std::path::Path, scenario: &str, error: &anyhow::Error) {
    eprintln!("{} {scenario}: {error:#}", folder.display());
}

async fn one(
    servers: &Servers,
    folder: &std::path::Path,
    scenario: &'static str,
    jobs: usize,
    cases: &mut Vec<Case>,
) -> Result<()> {
    let database = servers.empty_database().await?;
    let mut child = Command::new(folder.join("run"))
        .args(["--jobs", &jobs.to_string(), "--postgres", &database.url(None)?])
        .args(["--redis", &servers.redis, scenario])
        .env("BENCH_PHASES", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut stdin = child.stdin.take();
    let mut lines = BufReader::new(child.stdout.take().context("stdout")?).lines();
    let (mut told, mut meter) = (None, None);
    let mut spent = Spent::default();
    while let Some(line) = timeout(PATIENCE, lines.next_line()).await.context("no answer")?? {
        let Ok(said) = serde_json::from_str::<Value>(&line) else { continue };
        match said["phase"].as_str() {
            Some("loaded") => {
                servers.checkpoint().await?;
                meter = Some(Meter::start(servers.paid)?);
            }
            Some("done") => {
                let meter: Meter = meter.take().context("done before it was loaded")?;
                spent = spent.and(meter.spent()?);
            }
            _ => {
                told = Some(said);
                // Nothing more will be asked of it.
                stdin = None;
            }
        }
        if let Some(stdin) = &mut stdin {
            stdin.write_all(b"\n").await?;
        }
    }
    let status = child.wait().await?;
    database.drop().await?;
    ensure!(status.success(), "ended with {status}");
    let told = told.context("told nothing")?;
    add(cases, scenario, &told, spent)
}

fn add(cases: &mut Vec<Case>, scenario: &'static str, told: &Value, spent: Spent) -> Result<()> {
    let word = |name: &str| told[name].as_str().unwrap_or("?").to_owned();
    let of = format!("{} {}", word("peer"), word("version"));
    let jobs = told["jobs"].as_u64().context("jobs")?;
    let index = cases.iter().position(|case| case.of == of && case.parameters["jobs"] == jobs);
    let index = index.unwrap_or_else(|| {
        let case = Case::new(scenario, &of, json!({ "jobs": jobs }));
        cases.push(case.with_settings(told["settings"].clone()));
        cases.len() - 1
    });
    let case = &mut cases[index];
    let seconds = told["seconds"].as_f64();
    for (name, value) in [
        ("jobs/s", told["rate"].as_f64().filter(|_| scenario == "drain")),
        ("p50 ms", told["p50_ms"].as_f64()),
        ("p99 ms", told["p99_ms"].as_f64()),
        ("max ms", told["max_ms"].as_f64()),
        ("last finish ms", seconds.filter(|_| scenario == "burst").map(|seconds| seconds * 1e3)),
    ] {
        if let Some(value) = value {
            case.add(name, value);
        }
    }
    if spent.seconds > 0.0 {
        case.add_spent(spent, usize::try_from(jobs)?);
    }
    for (theirs, name) in [("worker_cpu_us", "worker CPU us/job"), ("peak_mib", "worker peak MiB")]
    {
        if let Some(value) = told[theirs].as_f64() {
            case.add(name, value);
        }
    }
    Ok(())
}
