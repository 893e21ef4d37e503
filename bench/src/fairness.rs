//! `bench fairness`: what a backlog of one organization does to the others, and what sharing costs.
//!
//! **Invariant:** a wait counts only while the backlog lasted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use crate::case::{Case, OURS};
use crate::child::{PREFIX, Worker};
use crate::drain::{self, ended};
use crate::load::{self, Ballast, When};
use crate::machine::monotonic_ns;
use crate::report::Report;
use crate::servers::Servers;
use crate::worker;
use bell::Bell;
use jobs::{OrganizationId, Queue};
use store::{Login, Store};

/// Who is kept waiting, and by how much.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Due jobs of the one organization.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) backlog: usize,
    /// The other organizations, each with a job a second.
    #[arg(long, default_value_t = 99)]
    pub(crate) others: usize,
    /// How long the others are measured without the backlog.
    #[arg(long, default_value_t = 10)]
    pub(crate) seconds: usize,
    /// How long each job takes, in microseconds.
    #[arg(long = "work", value_delimiter = ',', default_values_t = [0, 5000])]
    pub(crate) work: Vec<u64>,
    /// Slots of the queue.
    #[arg(long, default_value_t = 50)]
    pub(crate) slots: usize,
    /// How often.
    #[arg(long, default_value_t = 1)]
    pub(crate) rounds: usize,
    /// How many jobs to drain to see what sharing costs; 0 leaves that out.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) cost_jobs: usize,
}

/// Measures the waits of the others, alone and beside the backlog; then what sharing costs.
pub(crate) async fn fairness(
    servers: &Servers,
    options: &Options,
    report: &mut Report,
) -> Result<()> {
    for &work_us in &options.work {
        let case = |backlog: usize| {
            let parameters = json!({
                "waits of": options.others, "backlog of one": backlog, "work_us": work_us,
                "slots": options.slots,
            });
            Case::new("fairness", OURS, parameters)
        };
        let (mut idle, mut beside) = (case(0), case(options.backlog));
        for _ in 0..options.rounds {
            waits(servers, options, work_us, false, &mut idle).await?;
            waits(servers, options, work_us, true, &mut beside).await?;
        }
        for name in ["p50 ms", "p99 ms"] {
            let ratio = beside.median(name).zip(idle.median(name)).map(|(a, b)| a / b);
            let named = if name == "p50 ms" { "p50 / idle" } else { "p99 / idle" };
            beside.add(named, ratio.context("both were measured")?);
        }
        report.add_all([idle, beside]);
    }
    if options.cost_jobs > 0 {
        cost(servers, options, report).await?;
    }
    Ok(())
}

/// The moment in which each job's commit returned.
type Committed = Arc<Mutex<HashMap<Uuid, u64>>>;

async fn waits(
    servers: &Servers,
    options: &Options,
    work_us: u64,
    with_backlog: bool,
    case: &mut Case,
) -> Result<()> {
    let database = servers.database().await?;
    let store = database.store(Login::Worker, 16).await?;
    let bell = Bell::connect(Some(&servers.redis), PREFIX)?;
    let paced = options.others * options.seconds;
    if with_backlog {
        let one = load::organizations(1);
        load::enqueue(&store, &one, "backlog", options.backlog, When::Now).await?;
    }
    database.run("vacuum analyze jobs").await?;
    servers.checkpoint().await?;
    let under = worker::Options {
        queues: format!("{}={}", Queue::Interactive, options.slots),
        expect: vec![if with_backlog { options.backlog } else { paced } as u64],
        starts: true,
        work_us,
        ..worker::Options::default()
    };
    let mut worker = Worker::start(servers, &database, &under)?;
    if !with_backlog {
        worker.ready(&database).await?;
    }
    let committed = Committed::default();
    let limit = if with_backlog { usize::MAX } else { paced };
    tokio::select! {
        // Almost all of the backlog is gone then.
        handled = worker.handled() => handled?,
        paced = pace(&store, &bell, options.others, limit, &committed) => {
            paced?;
            worker.handled().await?;
        }
    }
    for batch in ["backlog", "others"] {
        ended(&database, batch).await?;
    }
    let starts = worker.stop().await?;
    database.drop().await?;

    let committed = committed.lock().expect("nobody panics while holding this lock").clone();
    let of_backlog = starts.iter().filter(|(id, _)| !committed.contains_key(id));
    let lasted = of_backlog.map(|(_, at)| *at).max().filter(|_| with_backlog);
    let counted = committed.iter().filter(|(_, at)| lasted.is_none_or(|lasted| **at < lasted));
    let waits: Vec<f64> = counted
        .map(|(id, at)| {
            let start = starts.get(id).with_context(|| format!("{id} did not run"))?;
            Ok((*start as i64 - *at as i64) as f64 / 1e6)
        })
        .collect::<Result<_>>()?;
    ensure!(!waits.is_empty(), "the backlog was gone before the others had a job");
    if with_backlog {
        let first = starts.values().min().context("no starts")?;
        let seconds = (lasted.context("no backlog")? - first) as f64 / 1e9;
        case.add("backlog jobs/s", options.backlog as f64 / seconds);
    }
    case.add("samples", waits.len() as f64);
    case.add_latencies(["p50 ms", "p99 ms", "max ms"], waits);
    Ok(())
}

/// A job a second of each organization, evenly spread, until `limit` have been enqueued.
async fn pace(
    store: &Store,
    bell: &Bell,
    others: usize,
    limit: usize,
    committed: &Committed,
) -> Result<()> {
    let organizations = load::organizations(others);
    let mut turns = interval(Duration::from_secs(1) / u32::try_from(others)?);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut under_way = JoinSet::new();
    for index in 0..limit {
        turns.tick().await;
        let organization = organizations[index % others];
        under_way.spawn(one(store.clone(), bell.clone(), organization, committed.clone()));
        while let Some(ended) = under_way.try_join_next() {
            ended??;
        }
    }
    while let Some(ended) = under_way.join_next().await {
        ended??;
    }
    Ok(())
}

async fn one(
    store: Store,
    bell: Bell,
    organization: OrganizationId,
    committed: Committed,
) -> Result<()> {
    let job = load::job(organization, "others", &load::payload());
    let mut tx = store.begin().await?;
    store::ledger::enqueue(&mut tx, std::slice::from_ref(&job)).await?;
    tx.commit().await?;
    let now = monotonic_ns();
    committed.lock().expect("nobody panics while holding this lock").insert(job.id.0, now);
    bell.ring(Queue::Interactive.as_str(), 1);
    Ok(())
}

/// Draining many organizations' jobs against one's alone that may take every slot, so that there is
/// nothing to share.
async fn cost(servers: &Servers, options: &Options, report: &mut Report) -> Result<()> {
    let jobs = options.cost_jobs;
    let mut cases: Vec<(usize, u32, Case)> = [(1, 100), (20, 75), (100, 75), (1000, 75)]
        .map(|(organizations, percent)| {
            let parameters =
                json!({ "jobs": jobs, "organizations": organizations, "percent": percent });
            (organizations, percent, Case::new("fairness cost", OURS, parameters))
        })
        .into();
    for _ in 0..options.rounds.max(3) {
        for (organizations, percent, case) in &mut cases {
            let options = drain::Options {
                jobs: vec![jobs],
                organizations: vec![*organizations],
                rounds: 1,
                as_inserted: false,
                ballast: Ballast::default(),
                worker: worker::Options { percent: *percent, ..worker::Options::default() },
            };
            let database = servers.database().await?;
            drain::one(servers, &database, &options, jobs, *organizations, case).await?;
            database.drop().await?;
        }
    }
    let alone = cases[0].2.median("jobs/s").context("it was measured")?;
    for (_, _, case) in &mut cases {
        let rate = case.median("jobs/s").context("it was measured")?;
        case.add("of one alone", rate / alone);
    }
    report.add_all(cases.into_iter().map(|(_, _, case)| case));
    Ok(())
}
