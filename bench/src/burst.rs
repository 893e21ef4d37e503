//! `bench burst`: many jobs due in the same instant, and how late each starts and ends.
//!
//! **Invariant:** all jobs are in the ledger, and the worker is idle, before the instant comes; and
//! none starts before it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use serde_json::json;
use tokio::time::sleep;

use crate::case::{Case, OURS};
use crate::child::Worker;
use crate::drain::{check, ended, filled};
use crate::load::{self, Ballast, When};
use crate::machine::{self, Meter};
use crate::peers::Peers;
use crate::report::Report;
use crate::servers::{Database, Servers};
use crate::worker;
use store::Login;

/// What is due.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// How many jobs.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) jobs: usize,
    /// Over how many organizations.
    #[arg(long, value_delimiter = ',', default_values_t = [20, 1])]
    pub(crate) organizations: Vec<usize>,
    /// How often.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    #[command(flatten)]
    pub(crate) ballast: Ballast,
    #[command(flatten)]
    pub(crate) worker: worker::Options,
}

/// Measures every number of organizations, and the peers beside.
pub(crate) async fn burst(
    servers: &Servers,
    peers: &Peers,
    options: &Options,
    report: &mut Report,
) -> Result<()> {
    let mut cases: Vec<(usize, Case)> = options
        .organizations
        .iter()
        .map(|&organizations| {
            let mut parameters = json!({ "jobs": options.jobs, "organizations": organizations });
            options.ballast.describe(&mut parameters);
            let case = Case::new("burst", OURS, parameters);
            (organizations, case.with_settings(options.worker.settings()))
        })
        .collect();
    let mut theirs = peers.cases();
    let mut kept = None;
    for _ in 0..options.rounds {
        for (organizations, case) in &mut cases {
            let database = match kept.take() {
                Some(database) => database,
                None => filled(servers, options.ballast).await?,
            };
            one(servers, &database, options, *organizations, case).await?;
            if options.ballast.is_none() {
                database.drop().await?;
            } else {
                kept = Some(database);
            }
        }
        peers.measure(servers, "burst", options.jobs, &mut theirs).await?;
    }
    if let Some(database) = kept {
        database.drop().await?;
    }
    report.add_all(cases.into_iter().map(|(_, case)| case).chain(theirs));
    Ok(())
}

async fn one(
    servers: &Servers,
    database: &Database,
    options: &Options,
    organizations: usize,
    case: &mut Case,
) -> Result<()> {
    let batch = load::fresh();
    let store = database.store(Login::Worker, 2).await?;
    let organizations = load::organizations(organizations);
    // Enqueueing, vacuum and the worker's start take a second or two; a busy machine gets more.
    let ahead = Duration::from_secs(6) + Duration::from_micros(400) * options.jobs.try_into()?;
    let due = (Utc::now() + TimeDelta::from_std(ahead)?).trunc_subsecs(3);
    load::enqueue(&store, &organizations, &batch, options.jobs, When::At(due)).await?;
    database.run("vacuum analyze jobs").await?;
    servers.checkpoint().await?;
    let expect = vec![options.jobs as u64];
    let under = worker::Options { starts: true, expect, ..options.worker.clone() };
    let mut worker = Worker::start(servers, database, &under)?;
    worker.ready(database).await?;
    ensure!(Utc::now() + TimeDelta::seconds(1) < due, "the jobs were not in place in time");
    sleep((due - TimeDelta::milliseconds(200) - Utc::now()).to_std()?).await;

    let meter = Meter::start(servers.paid)?;
    worker.handled().await?;
    ended(database, &batch).await?;
    let spent = meter.spent()?;
    let starts = worker.stop().await?;
    check(database, options.ballast, &batch, options.jobs).await?;
    let due_ns = since_epoch_ns(due)? - machine::time_of_day_offset_ns();
    let late: Vec<f64> = starts.values().map(|at| (*at as i64 - due_ns) as f64 / 1e6).collect();
    let early = late.iter().filter(|ms| **ms < 0.0).count();
    ensure!(early == 0, "{early} jobs started early");
    case.add_latencies(["p50 ms", "p99 ms", "max ms"], late);
    let last = format!(
        "select extract(epoch from max(finished_at) - min(run_at)) * 1000
         from job_history where actor = '{batch}'"
    );
    case.add("last finish ms", database.number(&last).await?);
    case.add_spent(spent, options.jobs);
    Ok(())
}

fn since_epoch_ns(moment: DateTime<Utc>) -> Result<i64> {
    moment.timestamp_nanos_opt().context("a moment of our time")
}
