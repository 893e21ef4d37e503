//! `bench enqueue`: how fast jobs get into the ledger, through SQL and through HTTP.
//!
//! **Invariant:** a job counts when its commit has returned, or its 202 has arrived, and the table
//! holds it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use jobs::OrganizationId;
use serde_json::json;

use crate::api::{self, Api};
use crate::case::{Case, OURS};
use crate::load;
use crate::machine::{self, Meter, Spent};
use crate::report::Report;
use crate::servers::{Database, Servers};
use store::{Login, Store};

/// How to enqueue.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// How many jobs, singly; ten times as many in batches.
    #[arg(long, default_value_t = 20_000)]
    pub(crate) jobs: usize,
    /// Requests or transactions at once when enqueueing singly.
    #[arg(long, default_value_t = 32)]
    pub(crate) in_flight: usize,
    /// The same for batches.
    #[arg(long, default_value_t = 4)]
    pub(crate) batches_in_flight: usize,
    /// Connections of the API to Postgres.
    #[arg(long, default_value_t = 32)]
    pub(crate) api_pool: u32,
    /// How often.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
}

/// Jobs of one transaction or request, and whether it goes through HTTP. The API takes at most
/// 1,000.
const WAYS: [(bool, usize); 5] = [(false, 1), (false, 100), (false, 1000), (true, 1), (true, 1000)];

/// Measures every way.
pub(crate) async fn enqueue(
    servers: &Servers,
    options: &Options,
    report: &mut Report,
) -> Result<()> {
    let mut cases: Vec<Case> =
        WAYS.iter().map(|&(http, batch)| case(options, http, batch)).collect();
    for _ in 0..options.rounds {
        for (case, &(http, batch)) in cases.iter_mut().zip(&WAYS) {
            let database = servers.database().await?;
            servers.checkpoint().await?;
            if http {
                through_http(servers, &database, options, batch, case).await?;
            } else {
                through_sql(servers, &database, options, batch, case).await?;
            }
            database.drop().await?;
        }
    }
    report.add_all(cases);
    Ok(())
}

fn case(options: &Options, http: bool, batch: usize) -> Case {
    let in_flight = in_flight(options, batch);
    let mut parameters = json!({
        "through": if http { "HTTP" } else { "SQL" }, "jobs at once": batch, "in flight": in_flight,
        "jobs": jobs(options, batch),
    });
    if http {
        parameters["api pool"] = options.api_pool.into();
    }
    Case::new("enqueue", OURS, parameters)
}

fn in_flight(options: &Options, batch: usize) -> usize {
    if batch == 1 { options.in_flight } else { options.batches_in_flight }
}

fn jobs(options: &Options, batch: usize) -> usize {
    if batch == 1 { options.jobs } else { options.jobs * 10 }
}

async fn through_sql(
    servers: &Servers,
    database: &Database,
    options: &Options,
    batch: usize,
    case: &mut Case,
) -> Result<()> {
    let in_flight = in_flight(options, batch);
    let store = database.store(Login::Worker, u32::try_from(in_flight)?).await?;
    let organizations = load::organizations(20);
    // Connections are opened and statements prepared before it counts.
    try_join_all((0..in_flight).map(|_| insert(&store, &organizations, "warm", batch))).await?;
    let all = jobs(options, batch);
    let meter = Meter::start(servers.paid)?;
    let took = shared(in_flight, all / batch, async || {
        insert(&store, &organizations, "counted", batch).await
    })
    .await?;
    let spent = meter.spent()?;
    finish(database, case, spent, took, all, "actor = 'counted'").await
}

async fn insert(
    store: &Store,
    organizations: &[OrganizationId],
    batch: &str,
    count: usize,
) -> Result<()> {
    let args = load::payload();
    let jobs: Vec<_> = (0..count)
        .map(|index| load::job(organizations[index % organizations.len()], batch, &args))
        .collect();
    let mut tx = store.begin().await?;
    store::ledger::enqueue(&mut tx, &jobs).await?;
    Ok(tx.commit().await?)
}

async fn through_http(
    servers: &Servers,
    database: &Database,
    options: &Options,
    batch: usize,
    case: &mut Case,
) -> Result<()> {
    let api = Arc::new(Api::start(servers, database, options.api_pool).await?);
    let in_flight = in_flight(options, batch);
    let body = api::body(batch);
    try_join_all((0..in_flight).map(|_| api.enqueue(body.clone()))).await?;
    database.run("truncate jobs").await?;
    let all = jobs(options, batch);
    let cpu = machine::cpu_of(api.process.pid)?;
    let meter = Meter::start(servers.paid)?;
    let took =
        shared(in_flight, all / batch, async || api.enqueue(body.clone()).await.map(drop)).await?;
    let spent = meter.spent()?;
    let cpu = machine::cpu_of(api.process.pid)? - cpu;
    let memory = machine::memory_of(api.process.pid)?;
    finish(database, case, spent, took, all, "true").await?;
    case.add("api CPU us/job", cpu * 1e6 / all as f64);
    case.add("api peak MiB", memory.peak);
    if let Some(api) = Arc::into_inner(api) {
        api.process.stop().await?;
    }
    Ok(())
}

/// Does something so many times, so many at once; answers how long each took, in milliseconds.
async fn shared(
    in_flight: usize,
    times: usize,
    what: impl AsyncFn() -> Result<()>,
) -> Result<Vec<f64>> {
    let left = AtomicUsize::new(times);
    let lanes = (0..in_flight).map(async |_| {
        let mut took = Vec::new();
        while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok()
        {
            let began = Instant::now();
            what().await?;
            took.push(began.elapsed().as_secs_f64() * 1e3);
        }
        anyhow::Ok(took)
    });
    Ok(try_join_all(lanes).await?.into_iter().flatten().collect())
}

/// Adds the figures, once the ledger has shown that it holds all jobs.
async fn finish(
    database: &Database,
    case: &mut Case,
    spent: Spent,
    took: Vec<f64>,
    jobs: usize,
    which: &str,
) -> Result<()> {
    let there = database.number(&format!("select count(*) from jobs where {which}")).await?;
    ensure!(there == jobs as f64, "{jobs} jobs were enqueued, the ledger has {there}");
    case.add("jobs/s", jobs as f64 / spent.seconds);
    case.add_latencies(["p50 ms", "p99 ms", "max ms"], took);
    case.add_spent(spent, jobs);
    Ok(())
}
