//! `bench claims`: what a claim takes when the ledger is young, when history is long, and when an
//! old snapshot keeps Postgres from forgetting what is done.
//!
//! The times are the server's own, from its log: planning and execution of the claiming statement,
//! as the real claimer sends it.
//!
//! **Invariant:** the same number of jobs is waiting in each case, so that only the past differs.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::case::{Case, OURS};
use crate::child::Worker;
use crate::drain::{check, ended};
use crate::load::{self, Ballast, When};
use crate::report::Report;
use crate::servers::{Database, Servers};
use crate::worker;
use jobs::{OrganizationId, Queue};
use store::Login;

/// The comment that the claiming statement begins with tells it from others in the log.
const CLAIM: &str = include_str!("../../crates/store/src/ledger/claim.sql");

/// How long the past is.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Jobs that are claimed while it counts.
    #[arg(long, default_value_t = 50_000)]
    pub(crate) jobs: usize,
    /// Slots of the queue: the most that one claim takes.
    #[arg(long, default_value_t = 100)]
    pub(crate) slots: usize,
    /// Finished jobs in history.
    #[arg(long, default_value_t = 10_000_000)]
    pub(crate) history: usize,
    /// Jobs that finish while a snapshot is held.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) under_snapshot: usize,
}

/// One ledger as it grows older.
struct Ledger<'a> {
    servers: &'a Servers,
    database: &'a Database,
    log: Log,
    options: &'a Options,
}

/// Measures the cases, one after another on one database.
pub(crate) async fn claims(
    servers: &Servers,
    options: &Options,
    report: &mut Report,
) -> Result<()> {
    let database = servers.database().await?;
    servers.log_statements(&database).await?;
    let ledger = Ledger { servers, database: &database, log: Log::find()?, options };
    let usual = load::organizations(20);
    let mut cases = vec![ledger.drained("a young ledger", &usual, 0).await?];
    Ballast { scheduled: 0, history: options.history }.load(&database).await?;
    let history = format!("{} finished jobs in history", options.history);
    cases.push(ledger.drained(&history, &usual, 0).await?);

    let mut snapshot = database.owner.begin().await?;
    sqlx::raw_sql("set transaction isolation level repeatable read; select count(*) from workers")
        .execute(&mut *snapshot)
        .await?;
    let before = options.under_snapshot;
    let held = format!("the same and a snapshot held while {before} jobs finished");
    cases.push(ledger.drained(&held, &usual, before).await?);
    cases.push(ledger.drained("the same and a worker that begins", &usual, 0).await?);
    let others = load::organizations(20);
    cases.push(ledger.drained("the same and other organizations", &others, 0).await?);
    snapshot.rollback().await?;
    let young = cases[0].median("p99 ms").context("it was measured")?;
    for mut case in cases {
        let p99 = case.median("p99 ms").context("it was measured")?;
        case.add("p99 / young", p99 / young);
        report.add(case);
    }
    database.drop().await
}

impl Ledger<'_> {
    /// Drains `before` jobs, and then the jobs whose claims count.
    async fn drained(
        &self,
        what: &str,
        organizations: &[OrganizationId],
        before: usize,
    ) -> Result<Case> {
        let Self { servers, database, log, options } = self;
        let batch = load::fresh();
        let store = database.store(Login::Worker, 2).await?;
        let all = before + options.jobs;
        load::enqueue(&store, organizations, &batch, all, When::Now).await?;
        database.run("vacuum analyze jobs").await?;
        servers.checkpoint().await?;
        let under = worker::Options {
            queues: format!("{}={}", Queue::Interactive, options.slots),
            expect: [before as u64, all as u64].into_iter().filter(|n| *n > 0).collect(),
            ..worker::Options::default()
        };
        let mut from = log.length()?;
        let mut worker = Worker::start(servers, database, &under)?;
        if before > 0 {
            worker.handled().await?;
            from = log.length()?;
        }
        worker.handled().await?;
        ended(database, &batch).await?;
        let took = log.claims_since(from)?;
        worker.stop().await?;
        check(database, Ballast::default(), &batch, all).await?;
        ensure!(took.len() > 100, "only {} claims were seen in the log", took.len());
        let parameters = json!({ "with": what, "jobs": options.jobs, "slots": options.slots });
        let mut case = Case::new("claims", OURS, parameters);
        case.add("claims", took.len() as f64);
        case.add_latencies(["p50 ms", "p99 ms", "max ms"], took);
        Ok(case)
    }
}

/// The log of Postgres.
struct Log(PathBuf);

impl Log {
    fn find() -> Result<Self> {
        let path = std::env::var_os("BENCH_POSTGRES_LOG").context("BENCH_POSTGRES_LOG")?;
        Ok(Self(path.into()))
    }

    fn length(&self) -> Result<u64> {
        Ok(std::fs::metadata(&self.0)?.len())
    }

    /// Milliseconds of each claim, planning included.
    fn claims_since(&self, from: u64) -> Result<Vec<f64>> {
        let mut file = File::open(&self.0)?;
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let first_line = CLAIM.lines().next().context("claim.sql is empty")?;
        let mut planned: HashMap<&str, f64> = HashMap::new();
        let mut took = Vec::new();
        for line in text.lines().filter(|line| line.contains(first_line)) {
            let Some((backend, rest)) = line.split_once("] LOG:  duration: ") else { continue };
            let Some((ms, step)) = rest.split_once(" ms  ") else { continue };
            let ms: f64 = ms.parse()?;
            let backend = backend.rsplit('[').next().unwrap_or_default();
            if step.starts_with("bind") {
                planned.insert(backend, ms);
            } else if step.starts_with("execute") {
                took.push(ms + planned.remove(backend).unwrap_or_default());
            }
        }
        Ok(took)
    }
}
