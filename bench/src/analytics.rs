//! `bench analytics`: how fast events become sums, how fast all sums are made anew, and what reads of them
//! take, beside the same questions asked of the events.
//!
//! **Invariant:** every answer of the API is compared with what plain SQL over the events says, before it
//! is measured; sums made anew are the same as before.

mod fill;
mod plans;
mod reads;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use sqlx::AssertSqlSafe;
use tokio::time::sleep;

use crate::api::{self, Api};
use crate::case::{Case, OURS, percentile};
use crate::fleet;
use crate::machine::{self, Meter};
use crate::report::Report;
use crate::servers::{Database, Servers};
use fill::Organization;
use jobs::kinds::RebuildAnalytics;
use jobs::{NewJob, Origin};
use plans::Plans;
use reads::Read;
use store::Login;

/// How much.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Posts of all organizations.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) posts: usize,
    /// Events of all posts.
    #[arg(long, default_value_t = 10_000_000)]
    pub(crate) events: usize,
    /// Organizations; the largest has a fifth of all, the others less and less.
    #[arg(long, default_value_t = 50)]
    pub(crate) organizations: usize,
    /// How often each read is sent, one after another.
    #[arg(long, default_value_t = 200)]
    pub(crate) requests: usize,
    /// How often the same is asked of the events.
    #[arg(long, default_value_t = 5)]
    pub(crate) plain: usize,
}

/// Measures all of it on one database.
pub(crate) async fn analytics(
    servers: &Servers,
    options: &Options,
    report: &mut Report,
) -> Result<()> {
    ensure!(options.organizations >= 3, "expected at least three organizations");
    let database = servers.database().await?;
    let organizations = fill::fill(&database, options).await?;
    servers.checkpoint().await?;
    report.add(add_up(servers, &database, options).await?);
    database.run("vacuum analyze").await?;
    servers.checkpoint().await?;
    let largest = &organizations[0];
    report.add(anew(servers, &database, largest).await?);
    database.run("vacuum analyze").await?;
    servers.checkpoint().await?;
    let middle = &organizations[organizations.len() / 2];
    for (size, organization) in [("the largest", largest), ("a middle one", middle)] {
        read(servers, &database, options, (size, organization), report).await?;
    }
    database.drop().await
}

/// Lets the real scheduler and the real worker add up all that waits.
async fn add_up(servers: &Servers, database: &Database, options: &Options) -> Result<Case> {
    let events = database.number("select count(*) from engagement_deltas").await?;
    let worker = fleet::worker(servers, database).await?;
    let cpu = machine::cpu_of(worker.pid)?;
    let meter = Meter::start(servers.paid)?;
    let scheduler = fleet::scheduler(servers, database)?;
    let left = "select count(*) from (
                    select from engagement_deltas order by organization_id, id limit 1) left_over";
    while database.number(left).await? > 0.0 {
        sleep(Duration::from_millis(500)).await;
    }
    let spent = meter.spent()?;
    let cpu = machine::cpu_of(worker.pid)? - cpu;
    scheduler.stop().await?;
    worker.stop().await?;
    let unequal = "select count(*) from (
            select e.organization_id, sum(e.count) as of_events from engagement_events e
            where e.event_type = 'like' group by 1) e
        join (select organization_id, sum(likes) as of_sums from analytics_aggregates
              where scope = 'organization' and grain = 'hour' group by 1) s using (organization_id)
        where of_events is distinct from of_sums";
    ensure!(database.number(unequal).await? == 0.0, "the sums are not those of the events");
    let parameters = json!({
        "events": options.events, "posts": options.posts, "organizations": options.organizations,
    });
    let mut case = Case::new("analytics: added up", OURS, parameters);
    case.add("events/s", events / spent.seconds);
    case.add("Postgres CPU us/event", spent.postgres * 1e6 / events);
    case.add("worker CPU us/event", cpu * 1e6 / events);
    case.add("rows of sums", database.number("select count(*) from analytics_aggregates").await?);
    let bytes = "select pg_total_relation_size('analytics_aggregates')";
    case.add("MiB of sums", database.number(bytes).await? / 1024.0 / 1024.0);
    Ok(case)
}

/// Lets the real worker make all sums of an organization anew.
async fn anew(servers: &Servers, database: &Database, of: &Organization) -> Result<Case> {
    let sums = format!(
        "select md5(string_agg(a::text, ' ' order by subject_id, grain, period_start))
         from analytics_aggregates a where organization_id = '{}'",
        of.id
    );
    let sums = async || -> Result<String> {
        Ok(sqlx::query_scalar(AssertSqlSafe(sums.clone())).fetch_one(&database.owner).await?)
    };
    let before = sums().await?;
    let worker = fleet::worker(servers, database).await?;
    let cpu = machine::cpu_of(worker.pid)?;
    let meter = Meter::start(servers.paid)?;
    let job = NewJob::new(Origin::Operator, Some(of.id), &RebuildAnalytics {});
    let store = database.store(Login::Worker, 1).await?;
    let mut tx = store.begin().await?;
    store::ledger::enqueue(&mut tx, std::slice::from_ref(&job)).await?;
    tx.commit().await?;
    let done =
        format!("select count(*) from job_history where id = '{}' and outcome = 'done'", job.id);
    let dead =
        format!("select count(*) from job_history where id = '{}' and outcome <> 'done'", job.id);
    while database.number(&done).await? == 0.0 {
        ensure!(database.number(&dead).await? == 0.0, "the rebuild died: {}", worker.tail());
        sleep(Duration::from_millis(100)).await;
    }
    let spent = meter.spent()?;
    let cpu = machine::cpu_of(worker.pid)? - cpu;
    worker.stop().await?;
    ensure!(sums().await? == before, "sums made anew are not the same");
    let events = of.events as f64;
    let mut case = Case::new("analytics: made anew", OURS, json!({ "events": of.events }));
    case.add("events/s", events / spent.seconds);
    case.add("Postgres CPU us/event", spent.postgres * 1e6 / events);
    case.add("worker CPU us/event", cpu * 1e6 / events);
    Ok(case)
}

/// Compares, measures and explains each read of an organization.
async fn read(
    servers: &Servers,
    database: &Database,
    options: &Options,
    (size, of): (&str, &Organization),
    report: &mut Report,
) -> Result<()> {
    let store = database.store(Login::Worker, 1).await?;
    let key = api::new_key(&store, of.id).await?;
    let reads = reads::reads(database, of).await?;
    let api = Api::start(servers, database, 4).await?;
    let mut cases = Vec::new();
    for read in &reads {
        let answer = (read.told)(&api.read(&read.path, &key).await?);
        let plain = plain(database, read).await?.0;
        ensure!(
            answer == plain,
            "{} of {size}: the API says {answer:#?}, the events say {plain:#?}",
            read.name
        );
        let mut took = Vec::with_capacity(options.requests);
        for _ in 0..options.requests {
            let started = Instant::now();
            api.read(&read.path, &key).await?;
            took.push(started.elapsed().as_secs_f64() * 1e3);
        }
        took.sort_by(f64::total_cmp);
        let parameters = json!({ "read": read.name, "of": size, "events": of.events });
        let mut case = Case::new("analytics: read", OURS, parameters);
        case.add("p50 ms", percentile(&took, 50.0));
        case.add("p95 ms", percentile(&took, 95.0));
        case.add("p99 ms", percentile(&took, 99.0));
        for _ in 0..options.plain {
            case.add("plain SQL ms", self::plain(database, read).await?.1);
        }
        cases.push(case);
    }
    api.process.stop().await?;
    report.add_all(cases);
    let plans = Plans::begin(servers, database).await?;
    for read in &reads {
        let plan = plans.of(&read.path, &key).await?;
        let parameters = json!({ "read": read.name, "of": size, "plan": plan.shape() });
        let mut case = Case::new("analytics: plan", OURS, parameters);
        case.add("blocks", plan.blocks);
        case.add("rows read", plan.rows);
        report.add(case);
    }
    plans.end().await
}

/// What the events say, and how many milliseconds it took.
async fn plain(database: &Database, read: &Read) -> Result<(Vec<String>, f64)> {
    let started = Instant::now();
    let rows = sqlx::query_scalar(AssertSqlSafe(read.plain.clone()))
        .fetch_all(&database.owner)
        .await
        .with_context(|| read.name.to_owned())?;
    Ok((rows, started.elapsed().as_secs_f64() * 1e3))
}
