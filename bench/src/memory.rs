//! `bench memory`: what the three processes hold, idle and at their peak.
//!
//! **Invariant:** the peak is that of real work: jobs come in through HTTP, singly and in batches,
//! and the real worker runs them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use serde_json::json;
use tokio::time::sleep;

use crate::api::{self, Api};
use crate::case::{Case, OURS};
use crate::fleet;
use crate::machine;
use crate::report::Report;
use crate::servers::{Database, Servers};

/// How much work.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Jobs enqueued singly, 32 at once.
    #[arg(long, default_value_t = 5000)]
    pub(crate) single: usize,
    /// Batches of 1,000 jobs, 4 at once.
    #[arg(long, default_value_t = 20)]
    pub(crate) batches: usize,
}

/// The scheduler has jobs of its own.
const LIVE: &str =
    "select count(*) from (select from jobs where kind = 'content.create' limit 1) j";
const DONE: &str =
    "select count(*) from job_history where kind = 'content.create' and outcome = 'done'";

/// Measures the three processes.
pub(crate) async fn memory(
    servers: &Servers,
    options: &Options,
    report: &mut Report,
) -> Result<()> {
    let database = servers.database().await?;
    let api = Arc::new(Api::start(servers, &database, 10).await?);
    let scheduler = fleet::scheduler(servers, &database)?;
    let worker = fleet::worker(servers, &database).await?;
    sleep(Duration::from_secs(5)).await;
    let pids =
        [("api-lite", api.process.pid), ("scheduler", scheduler.pid), ("worker", worker.pid)];
    let idle = pids.map(|(_, pid)| machine::memory_of(pid));

    work(&api, &database, options).await?;
    for ((name, pid), idle) in pids.into_iter().zip(idle) {
        let jobs = options.single + options.batches * 1000;
        let mut case = Case::new("memory", OURS, json!({ "process": name, "jobs": jobs }));
        case.add("idle MiB", idle?.now);
        case.add("peak MiB", machine::memory_of(pid)?.peak);
        report.add(case);
    }
    worker.stop().await?;
    scheduler.stop().await?;
    if let Some(api) = Arc::into_inner(api) {
        api.process.stop().await?;
    }
    database.drop().await
}

async fn work(api: &Api, database: &Database, options: &Options) -> Result<()> {
    for _ in 0..options.single / 32 {
        try_join_all((0..32).map(|_| api.enqueue(api::body(1)))).await?;
    }
    for _ in 0..options.batches / 4 {
        try_join_all((0..4).map(|_| api.enqueue(api::body(1000)))).await?;
    }
    while database.number(LIVE).await? > 0.0 {
        sleep(Duration::from_millis(50)).await;
    }
    let asked = (options.single / 32 * 32 + options.batches / 4 * 4000) as f64;
    let done = database.number(DONE).await?;
    ensure!(done == asked, "of {asked} jobs {done} are done");
    Ok(())
}
