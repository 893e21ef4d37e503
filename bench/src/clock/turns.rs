//! What the clock's turns cost while nothing is due, and how Postgres answers each of its statements.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use tokio::time::sleep;

use super::Options;
use crate::case::{Case, OURS};
use crate::explained::{Log, Plan};
use crate::fleet;
use crate::machine::{self, Meter};
use crate::report::Report;
use crate::servers::{Database, Servers};
use store::Login;

/// The tables that nothing may read as a whole.
const LARGE: [&str; 2] = ["schedules", "schedule_series"];

/// Longer than a scheduler takes to have done each of its frequent steps, and than Postgres keeps for itself what
/// its idle connections have read.
const STARTS: Duration = Duration::from_secs(12);

/// Of the large tables, as Postgres counts: how often they were read as a whole, and rows that were read.
async fn read(database: &Database) -> Result<[f64; 2]> {
    let of = |what: &str| {
        format!(
            "select sum({what}) from pg_stat_user_tables where relname in ('schedules', 'schedule_series')"
        )
    };
    let scans = database.number(&of("seq_scan")).await?;
    let rows = database.number(&of("seq_tup_read + idx_tup_fetch")).await?;
    Ok([scans, rows])
}

/// Watches a scheduler for which nothing is due but what comes up by itself.
pub(super) async fn quiet(
    servers: &Servers,
    database: &Database,
    options: &Options,
) -> Result<Case> {
    let scheduler = fleet::scheduler(servers, database)?;
    sleep(STARTS).await;
    let (cpu, before) = (machine::cpu_of(scheduler.pid)?, read(database).await?);
    let meter = Meter::start(servers.paid)?;
    sleep(Duration::from_secs(options.quiet_secs)).await;
    let spent = meter.spent()?;
    let cpu = machine::cpu_of(scheduler.pid)? - cpu;
    let memory = machine::memory_of(scheduler.pid)?;
    scheduler.stop().await?;
    let after = read(database).await?;
    let mut case = Case::new("clock: quiet", OURS, options.parameters());
    case.add("reads of all", after[0] - before[0]);
    case.add("rows read/s", (after[1] - before[1]) / spent.seconds);
    case.add("Postgres CPU ms/s", spent.postgres * 1e3 / spent.seconds);
    case.add("scheduler CPU ms/s", cpu * 1e3 / spent.seconds);
    case.add("scheduler MiB", memory.now);
    Ok(case)
}

/// Tells how each statement of the scheduler that is about the large tables is answered.
pub(super) async fn explain(
    servers: &Servers,
    database: &Database,
    options: &Options,
    report: &mut Report,
) -> Result<()> {
    servers.explain_statements(database, Login::Scheduler).await?;
    let log = Log::from_now()?;
    let scheduler = fleet::scheduler(servers, database)?;
    sleep(STARTS).await;
    scheduler.stop().await?;
    // Of each statement the one that looked at most.
    let mut plans: BTreeMap<String, Plan> = BTreeMap::new();
    for plan in log.plans()? {
        // What follows only when something was found has not looked at anything.
        if plan.blocks == 0.0 || !LARGE.iter().any(|table| plan.query.contains(table)) {
            continue;
        }
        // A table of some blocks is best read as a whole.
        for table in LARGE.iter().filter(|_| options.series >= 10_000) {
            ensure!(!plan.reads_all_of(table), "{} reads all of {table}", plan.query);
        }
        let most = plans.get(&plan.query).is_none_or(|known| known.blocks < plan.blocks);
        if most {
            plans.insert(plan.query.clone(), plan);
        }
    }
    ensure!(!plans.is_empty(), "no plan of the scheduler in the log");
    for plan in plans.values() {
        let parameters = json!({ "statement": word(&plan.query), "plan": plan.shape() });
        let mut case = Case::new("clock: plan", OURS, parameters);
        case.add("blocks", plan.blocks);
        case.add("rows read", plan.rows);
        report.add(case);
    }
    Ok(())
}

/// What a statement is for, by what only it says; its beginning, where nobody knows.
fn word(query: &str) -> String {
    const KNOWN: [(&str, &str); 9] = [
        ("set publish_planned_at", "what comes up"),
        ("set prepare_planned_at", "what has media to prepare"),
        ("q.expand_at <= now()", "series to expand"),
        ("s.reserve_at <= now()", "occurrences to count"),
        ("s.check_at <= now()", "schedules to check"),
        ("s.warnings <> '[]'", "schedules to check again"),
        ("tzdb <", "older time-zone data"),
        ("publish_intents", "what nobody cares for"),
        ("late_reason", "what is too late"),
    ];
    let known = KNOWN.iter().find(|(part, _)| query.contains(part));
    known.map_or_else(|| query.chars().take(60).collect(), |(_, word)| (*word).to_owned())
}
