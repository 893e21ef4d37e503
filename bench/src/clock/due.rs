//! Many schedules that are due in one second, beside all the others: planned by the clock, started by a worker.
//!
//! The worker is that of `burst`: its handler does next to nothing, so that starts are not those of a network.
//!
//! **Invariant:** each of them starts once, and none before its second.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use serde_json::json;
use sqlx::Row as _;
use tokio::time::sleep;
use uuid::Uuid;

use super::Options;
use crate::case::{Case, OURS};
use crate::child::Worker;
use crate::fleet;
use crate::machine::{self, Meter};
use crate::report::Report;
use crate::servers::{Database, Servers};
use jobs::series::TZDB;

/// The clock plans a minute ahead; so long before that all schedules are made.
const AHEAD: TimeDelta = TimeDelta::seconds(75);
/// How long before the second the worker starts.
const WORKER_AHEAD: TimeDelta = TimeDelta::seconds(15);

/// Measures some rounds.
pub(super) async fn due(
    servers: &Servers,
    database: &Database,
    options: &Options,
    report: &mut Report,
) -> Result<()> {
    let mut parameters = options.parameters();
    parameters["due at once"] = json!(options.due);
    let mut case =
        Case::new("clock: due", OURS, parameters).with_settings(options.worker().settings());
    for _ in 0..options.rounds {
        one(servers, database, options, &mut case).await?;
    }
    report.add(case);
    Ok(())
}

async fn one(
    servers: &Servers,
    database: &Database,
    options: &Options,
    case: &mut Case,
) -> Result<()> {
    let scheduler = fleet::scheduler(servers, database)?;
    let due = (Utc::now() + AHEAD).trunc_subsecs(0) + TimeDelta::seconds(1);
    database.run(&made(options.due, due)).await?;
    ensure!(Utc::now() + TimeDelta::seconds(62) < due, "the schedules were not made in time");
    sleep((due - WORKER_AHEAD - Utc::now()).to_std()?).await;
    let planned = format!(
        "select count(*) from schedules where scheduled_at = '{due}' and publish_planned_at is not null"
    );
    let planned = database.number(&planned).await?;
    ensure!(planned >= options.due as f64, "only {planned} were planned in time");
    let worker = Worker::start(servers, database, &options.worker())?;
    worker.ready(database).await?;
    ensure!(Utc::now() + TimeDelta::seconds(1) < due, "the worker was not there in time");
    sleep((due - TimeDelta::milliseconds(200) - Utc::now()).to_std()?).await;

    let cpu = machine::cpu_of(scheduler.pid)?;
    let meter = Meter::start(servers.paid)?;
    let ended = format!("select count(*) from job_history where run_at = '{due}'");
    while database.number(&ended).await? < options.due as f64 {
        sleep(Duration::from_millis(100)).await;
    }
    let spent = meter.spent()?;
    let cpu = machine::cpu_of(scheduler.pid)? - cpu;
    let memory = machine::memory_of(scheduler.pid)?;
    scheduler.stop().await?;
    let starts = worker.stop().await?;

    let jobs = jobs(database, due).await?;
    ensure!(jobs.len() >= options.due, "{} jobs of {} schedules", jobs.len(), options.due);
    let due_ns = due.timestamp_nanos_opt().context("a moment of our time")?
        - machine::time_of_day_offset_ns();
    let mut late = Vec::with_capacity(jobs.len());
    for job in &jobs {
        let at = starts.get(job).with_context(|| format!("the job {job} did not start"))?;
        late.push((at.cast_signed() - due_ns) as f64 / 1e6);
    }
    ensure!(late.iter().all(|ms| *ms >= 0.0), "some started early");
    let ahead = format!(
        "select extract(epoch from min(scheduled_at - publish_planned_at)) from schedules where scheduled_at = '{due}'"
    );
    case.add("planned s ahead", database.number(&ahead).await?);
    case.add_latencies(["p50 ms", "p99 ms", "max ms"], late);
    let last = format!(
        "select extract(epoch from max(finished_at) - min(run_at)) * 1000
         from job_history where run_at = '{due}'"
    );
    case.add("last finish ms", database.number(&last).await?);
    case.add_spent(spent, options.due);
    case.add("scheduler CPU us/job", cpu * 1e6 / options.due as f64);
    case.add("scheduler peak MiB", memory.peak);
    // They are out: nothing looks for what became of them.
    let over = format!(
        "update schedules set status = 'cancelled', status_reason = 'of a measurement' where scheduled_at = '{due}'"
    );
    database.run(&over).await
}

/// One for each of so many accounts, all in one second.
fn made(many: usize, at: DateTime<Utc>) -> String {
    format!(
        "insert into schedules (id, organization_id, content_version_id, platform_connection_id, scheduled_at, wall_time,
                                timezone, tzdb, check_at, created_by)
         select gen_random_uuid(), organization_id, organization_id, id, '{at}', '{at}'::timestamptz at time zone 'UTC',
                'UTC', '{TZDB}', null, 'bench'
         from platform_connections order by id limit {many}"
    )
}

/// The jobs of this second, those of other schedules that fall into it too.
async fn jobs(database: &Database, due: DateTime<Utc>) -> Result<HashSet<Uuid>> {
    let rows = sqlx::query("select id from job_history where run_at = $1 and outcome = 'done'")
        .bind(due)
        .fetch_all(&database.owner)
        .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
