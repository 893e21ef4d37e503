//! `bench drain`: how fast one worker process empties a queue.
//!
//! **Invariant:** a rate is told only after the ledger has shown that each job was done once, by
//! its first claim, and that history has kept it.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::case::{Case, OURS};
use crate::child::Worker;
use crate::load::{self, Ballast, When};
use crate::machine::{self, Meter};
use crate::peers::Peers;
use crate::report::Report;
use crate::servers::{Database, Servers};
use crate::worker;
use store::Login;

/// What to drain, and how.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// How many jobs.
    #[arg(long, value_delimiter = ',', default_values_t = [20_000, 200_000])]
    pub(crate) jobs: Vec<usize>,
    /// Over how many organizations.
    #[arg(long, value_delimiter = ',', default_values_t = [20, 1])]
    pub(crate) organizations: Vec<usize>,
    /// How often.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    /// Leaves the table as the inserts left it; else it is vacuumed and analyzed first, which
    /// autovacuum does within a minute of such a backlog.
    #[arg(long)]
    pub(crate) as_inserted: bool,
    #[command(flatten)]
    pub(crate) ballast: Ballast,
    #[command(flatten)]
    pub(crate) worker: worker::Options,
}

/// Measures every combination, and the peers beside each number of jobs.
pub(crate) async fn drain(
    servers: &Servers,
    peers: &Peers,
    options: &Options,
    report: &mut Report,
) -> Result<()> {
    let mut cases: Vec<(usize, usize, Case)> = Vec::new();
    for &jobs in &options.jobs {
        for &organizations in &options.organizations {
            cases.push((jobs, organizations, case(options, jobs, organizations)));
        }
    }
    let mut theirs = peers.cases();
    let mut kept = None;
    for _ in 0..options.rounds {
        for &jobs in &options.jobs {
            for (_, organizations, case) in cases.iter_mut().filter(|case| case.0 == jobs) {
                let database = match kept.take() {
                    Some(database) => database,
                    None => filled(servers, options.ballast).await?,
                };
                one(servers, &database, options, jobs, *organizations, case).await?;
                if options.ballast.is_none() {
                    database.drop().await?;
                } else {
                    kept = Some(database);
                }
            }
            peers.measure(servers, "drain", jobs, &mut theirs).await?;
        }
    }
    if let Some(database) = kept {
        database.drop().await?;
    }
    report.add_all(cases.into_iter().map(|(_, _, case)| case).chain(theirs));
    Ok(())
}

fn case(options: &Options, jobs: usize, organizations: usize) -> Case {
    let mut parameters = json!({ "jobs": jobs, "organizations": organizations });
    if options.as_inserted {
        parameters["as inserted"] = true.into();
    }
    options.ballast.describe(&mut parameters);
    Case::new("drain", OURS, parameters).with_settings(options.worker.settings())
}

/// A database with its ballast.
pub(crate) async fn filled(servers: &Servers, ballast: Ballast) -> Result<Database> {
    let database = servers.database().await?;
    if !ballast.is_none() {
        ballast.load(&database).await?;
    }
    Ok(database)
}

/// One drain on a database, its figures added to the case.
pub(crate) async fn one(
    servers: &Servers,
    database: &Database,
    options: &Options,
    jobs: usize,
    organizations: usize,
    case: &mut Case,
) -> Result<()> {
    let batch = load::fresh();
    let store = database.store(Login::Worker, 2).await?;
    load::enqueue(&store, &load::organizations(organizations), &batch, jobs, When::Now).await?;
    if !options.as_inserted {
        database.run("vacuum analyze jobs").await?;
    }
    servers.checkpoint().await?;

    let meter = Meter::start(servers.paid)?;
    let under = worker::Options { expect: vec![jobs as u64], ..options.worker.clone() };
    let mut worker = Worker::start(servers, database, &under)?;
    worker.handled().await?;
    ended(database, &batch).await?;
    let spent = meter.spent()?;
    let (cpu, memory) = (machine::cpu_of(worker.pid)?, machine::memory_of(worker.pid)?);
    worker.stop().await?;

    check(database, options.ballast, &batch, jobs).await?;
    let seconds = format!(
        "select extract(epoch from max(finished_at) - min(started_at))
         from job_history where actor = '{batch}'"
    );
    case.add("jobs/s", jobs as f64 / database.number(&seconds).await?);
    case.add("jobs/s with start", jobs as f64 / spent.seconds);
    case.add_spent(spent, jobs);
    case.add("worker CPU us/job", cpu * 1e6 / jobs as f64);
    case.add("worker peak MiB", memory.peak);
    Ok(())
}

/// Waits until no job of the batch is live any more.
pub(crate) async fn ended(database: &Database, batch: &str) -> Result<()> {
    let left = format!("select count(*) from (select from jobs where actor = '{batch}' limit 1) j");
    while database.number(&left).await? > 0.0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

/// Every job of the batch is in history, done, once, at its first claim; and nothing else happened.
pub(crate) async fn check(
    database: &Database,
    ballast: Ballast,
    batch: &str,
    jobs: usize,
) -> Result<()> {
    let done = format!(
        "select count(*) from job_history where actor = '{batch}' and outcome = 'done'
         and claim_no = 1 and attempt = 0 and crashes = 0 and errors = '[]'"
    );
    let done = database.number(&done).await?;
    let all = format!("select count(distinct id) from job_history where actor = '{batch}'");
    let all = database.number(&all).await?;
    let live = database.number("select count(*) from jobs").await?;
    ensure!(
        done == jobs as f64 && all == done && live == ballast.scheduled as f64,
        "of {jobs} jobs history has {all}, of which {done} were done by their first claim; \
         {live} are still in the ledger"
    );
    Ok(())
}
