//! `bench clock`: what a million schedules cost the clock, and how late it lets those start that are due at
//! once.
//!
//! **Invariant:** the clock is the real scheduler with its own settings; where there are many,
//! no statement of it reads all schedules or all series, or there are no figures.

mod due;
mod fill;
mod turns;

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use tokio::time::sleep;

use crate::case::{Case, OURS};
use crate::fleet;
use crate::machine::{self, Meter};
use crate::report::Report;
use crate::servers::{Database, Servers};
use crate::worker;

/// How much.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Schedules, without the occurrences of those that recur.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) schedules: usize,
    /// How many of them recur.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) series: usize,
    /// Organizations, with ten accounts each.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) organizations: usize,
    /// Schedules that are due in one second, each of an account of its own.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) due: usize,
    /// How long the clock is watched while nothing is due.
    #[arg(long, default_value_t = 30)]
    pub(crate) quiet_secs: u64,
    /// How often so many are due.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    /// Slots of the worker that starts them.
    #[arg(long, default_value_t = 2_000)]
    pub(crate) slots: usize,
}

impl Options {
    fn parameters(&self) -> serde_json::Value {
        json!({ "schedules": self.schedules, "series": self.series })
    }

    /// The worker: all its slots for publishing.
    fn worker(&self) -> worker::Options {
        worker::Options {
            queues: format!("publish={}", self.slots),
            starts: true,
            ..worker::Options::default()
        }
    }
}

/// Measures all of it on one database.
pub(crate) async fn clock(servers: &Servers, options: &Options, report: &mut Report) -> Result<()> {
    let accounts = options.organizations * 10;
    ensure!(options.due <= accounts, "expected at most as many due as accounts: {accounts}");
    ensure!(options.series < options.schedules, "expected fewer series than schedules");
    let database = servers.database().await?;
    fill::fill(&database, options).await?;
    settle(servers, &database).await?;
    report.add(expand(servers, &database, options).await?);
    settle(servers, &database).await?;
    report.add(turns::quiet(servers, &database, options).await?);
    turns::explain(servers, &database, options, report).await?;
    due::due(servers, &database, options, report).await?;
    database.drop().await
}

async fn settle(servers: &Servers, database: &Database) -> Result<()> {
    database.run("vacuum analyze").await?;
    servers.checkpoint().await
}

/// Lets the scheduler make the occurrences of all series, and count them.
async fn expand(servers: &Servers, database: &Database, options: &Options) -> Result<Case> {
    let meter = Meter::start(servers.paid)?;
    let scheduler = fleet::scheduler(servers, database)?;
    let left = "exists (select from schedule_series where expand_at <= now())::int
        + exists (select from schedules where reserve_at <= now()
                  and (status = 'scheduled' or waits_for = 'quota'))::int";
    while database.number(left).await? > 0.0 {
        sleep(Duration::from_millis(500)).await;
    }
    let spent = meter.spent()?;
    let cpu = machine::cpu_of(scheduler.pid)?;
    let memory = machine::memory_of(scheduler.pid)?;
    scheduler.stop().await?;
    let made = "select count(*) from schedules where parent_schedule_id is not null";
    let made = database.number(made).await?;
    let without = "select count(*) from schedule_series q where not exists (
        select from schedules s where s.parent_schedule_id = q.schedule_id and s.scheduled_at > now())";
    ensure!(database.number(without).await? == 0.0, "there are series without an occurrence");
    let held = "select count(*) from schedules where status = 'on_hold'";
    ensure!(database.number(held).await? == 0.0, "the plan has no room for some");
    let mut case = Case::new("clock: expanded", OURS, options.parameters());
    case.add("series/s", options.series as f64 / spent.seconds);
    case.add("occurrences", made);
    case.add("occurrences/s", made / spent.seconds);
    case.add("Postgres CPU us/occurrence", spent.postgres * 1e6 / made);
    case.add("scheduler CPU us/occurrence", cpu * 1e6 / made);
    case.add("scheduler peak MiB", memory.peak);
    Ok(case)
}
