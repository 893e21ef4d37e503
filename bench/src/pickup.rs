//! `bench pickup`: how soon an idle fleet starts a job.
//!
//! All clocks are the machine's monotonic one, which its processes share.
//!
//! **Invariant:** the fleet is idle when a job comes: they are paced, and each is done long before
//! the next.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::time::sleep;
use uuid::Uuid;

use crate::api::{self, Api};
use crate::case::{Case, OURS};
use crate::child::{PREFIX, Worker};
use crate::load;
use crate::machine::{Meter, monotonic_ns};
use crate::peers::Peers;
use crate::report::Report;
use crate::servers::{Database, Servers};
use crate::worker;
use bell::Bell;
use jobs::Queue;
use store::Login;

/// How often to look.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// How many jobs.
    #[arg(long, default_value_t = 1000)]
    pub(crate) samples: usize,
    /// How often.
    #[arg(long, default_value_t = 1)]
    pub(crate) rounds: usize,
    #[command(flatten)]
    pub(crate) worker: worker::Options,
}

/// Measures from a commit, and from HTTP.
pub(crate) async fn pickup(
    servers: &Servers,
    peers: &Peers,
    options: &Options,
    report: &mut Report,
) -> Result<()> {
    let case = |from: &str| {
        let parameters = json!({ "from": from, "jobs": options.samples });
        Case::new("pickup", OURS, parameters).with_settings(options.worker.settings())
    };
    let (mut committed, mut sent, mut accepted) =
        (case("COMMIT returned"), case("HTTP sent"), case("HTTP accepted"));
    let mut theirs = peers.cases();
    for _ in 0..options.rounds {
        let database = servers.database().await?;
        from_commit(servers, &database, options, &mut committed).await?;
        database.drop().await?;
        peers.measure(servers, "pickup", options.samples, &mut theirs).await?;
        let database = servers.database().await?;
        from_http(servers, &database, options, &mut sent, &mut accepted).await?;
        database.drop().await?;
    }
    report.add_all([committed, sent, accepted].into_iter().chain(theirs));
    Ok(())
}

async fn from_commit(
    servers: &Servers,
    database: &Database,
    options: &Options,
    case: &mut Case,
) -> Result<()> {
    let store = database.store(Login::Worker, 2).await?;
    let bell = Bell::connect(Some(&servers.redis), PREFIX)?;
    let organization = load::organizations(1)[0];
    let args = load::payload();
    let worker = started(servers, database, options).await?;
    let meter = Meter::start(servers.paid)?;
    let mut committed = HashMap::new();
    for _ in 0..options.samples {
        let job = load::job(organization, "pickup", &args);
        let mut tx = store.begin().await?;
        store::ledger::enqueue(&mut tx, std::slice::from_ref(&job)).await?;
        tx.commit().await?;
        committed.insert(job.id.0, monotonic_ns());
        ensure!(bell.ring(Queue::Interactive.as_str(), 1), "the bell does not ring");
        pause().await;
    }
    let starts = worker.stop_when_done(options.samples).await?;
    let spent = meter.spent()?;
    case.add_latencies(["p50 ms", "p99 ms", "max ms"], waits(&committed, &starts)?);
    case.add_spent(spent, options.samples);
    Ok(())
}

async fn from_http(
    servers: &Servers,
    database: &Database,
    options: &Options,
    from_sent: &mut Case,
    from_accepted: &mut Case,
) -> Result<()> {
    let api = Api::start(servers, database, 10).await?;
    // The connection, the key and the statements are known afterwards.
    for _ in 0..20 {
        api.enqueue(api::body(1)).await?;
    }
    database.run("truncate jobs").await?;
    let worker = started(servers, database, options).await?;
    let meter = Meter::start(servers.paid)?;
    let (mut sent, mut accepted) = (HashMap::new(), HashMap::new());
    for _ in 0..options.samples {
        let began = monotonic_ns();
        let answer = api.enqueue(api::body(1)).await?;
        let ended = monotonic_ns();
        let id: Uuid = answer["id"].as_str().context("a job without id")?.parse()?;
        sent.insert(id, began);
        accepted.insert(id, ended);
        pause().await;
    }
    let starts = worker.stop_when_done(options.samples).await?;
    let spent = meter.spent()?;
    from_sent.add_latencies(["p50 ms", "p99 ms", "max ms"], waits(&sent, &starts)?);
    from_sent.add_spent(spent, options.samples);
    from_accepted.add_latencies(["p50 ms", "p99 ms", "max ms"], waits(&accepted, &starts)?);
    api.process.stop().await
}

async fn started(servers: &Servers, database: &Database, options: &Options) -> Result<Worker> {
    let expect = vec![options.samples as u64];
    let under = worker::Options { starts: true, expect, ..options.worker.clone() };
    let worker = Worker::start(servers, database, &under)?;
    worker.ready(database).await?;
    Ok(worker)
}

async fn pause() {
    sleep(Duration::from_secs_f64(0.010 + rand::random::<f64>() * 0.020)).await;
}

/// Milliseconds from each job's moment to its start. A start may come before its 202 has arrived.
fn waits(since: &HashMap<Uuid, u64>, starts: &HashMap<Uuid, u64>) -> Result<Vec<f64>> {
    since
        .iter()
        .map(|(id, since)| {
            let start = starts.get(id).with_context(|| format!("{id} did not run"))?;
            Ok((*start as i64 - *since as i64) as f64 / 1e6)
        })
        .collect()
}
