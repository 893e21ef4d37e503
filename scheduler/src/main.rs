//! The scheduler: everything that happens because time passed.
//!
//! `expand.rs` turns recurring schedules into their occurrences, `plan.rs` due schedules into jobs, `refresh.rs` tokens that end soon, `poll.rs` has accounts asked
//! how their posts stand, `aggregate.rs` adds up what they did; `rescue.rs` frees the
//! jobs of dead workers, `give_back.rs` releases what ended jobs have left reserved, `housekeeping.rs`
//! keeps the history's partitions and asks for pruning, `check.rs` has schedules checked ahead of their time.
//! How often, `cadence.rs` reads from a table. Any number of schedulers
//! may run: each step is a statement that only one of them can win. `preview.rs` is a command for
//! operators: when an expression fires.
//!
//! **Invariant:** what is due is decided by the database's clock alone.

mod aggregate;
mod cadence;
mod check;
mod expand;
mod figures;
mod give_back;
mod housekeeping;
mod migrate;
mod plan;
mod poll;
mod preview;
mod refresh;
mod rescue;

use anyhow::Context;
use boot::{Process, SchedulerConfig};
use clap::{Parser, Subcommand};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use bell::Bell;
use cadence::Cadences;
use jobs::Queue;
use store::{Login, Store};

/// Turns time into jobs.
#[derive(Debug, Parser)]
#[command(name = "scheduler", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Brings the schema up to date and sets the logins' passwords: the release step.
    Migrate,
    Preview(preview::Preview),
}

/// What every part of the scheduler shares.
#[derive(Debug)]
struct Scheduler {
    store: Store,
    bell: Bell,
    config: SchedulerConfig,
    cadences: Cadences,
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Some(Command::Migrate) => migrate::migrate().await,
        Some(Command::Preview(asked)) => return preview::preview(asked),
        None => schedule().await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the scheduler cannot go on");
            ExitCode::FAILURE
        }
    }
}

async fn schedule() -> anyhow::Result<()> {
    let config = boot::or_exit(SchedulerConfig::from_env());
    let telemetry = boot::telemetry::start(Process::Scheduler, &config.log)?;
    let shutdown = boot::shutdown::on_signal().context("cannot listen for signals")?;
    let store = {
        use secrecy::ExposeSecret;
        Store::new(
            config.database_url.expose_secret(),
            Login::Scheduler,
            config.database_pool_size,
        )?
    };
    figures::start(&telemetry, &store);
    let flow = figures::flow(&config, store.clone());
    let ready = store.clone();
    let checks = boot::admin::Checks::new().work(flow.clone()).ready(move || {
        let store = ready.clone();
        async move { store.ping().await.map_err(|error| error.to_string()) }
    });
    let admin =
        boot::admin::serve_admin(config.metrics_listen, &telemetry, checks, shutdown.clone())
            .await?;
    tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        verified = store.verify_when_up() => verified.context("the database refuses this scheduler")?,
    }
    let cadences = tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        read = Cadences::read(&store) => read?,
    };
    let bell = match &config.redis {
        Some(redis) => {
            use secrecy::ExposeSecret;
            Bell::connect(Some(redis.url.expose_secret()), &redis.prefix)?
        }
        None => Bell::silent(),
    };
    let scheduler = Arc::new(Scheduler { store, bell, config, cadences });
    tracing::info!("scheduler.started");
    tokio::join!(
        expand::run(scheduler.clone(), shutdown.clone()),
        cadence::run(scheduler.clone(), shutdown.clone()),
        plan::run(scheduler.clone(), shutdown.clone()),
        check::run(scheduler.clone(), shutdown.clone()),
        refresh::run(scheduler.clone(), shutdown.clone()),
        poll::run(scheduler.clone(), shutdown.clone()),
        aggregate::run(scheduler.clone(), shutdown.clone()),
        rescue::run(scheduler.clone(), shutdown.clone()),
        give_back::run(scheduler.clone(), shutdown.clone()),
        housekeeping::run(scheduler.clone(), shutdown.clone()),
        figures::run(scheduler.clone(), shutdown.clone()),
        flow.watch(shutdown.clone()),
    );
    tracing::info!("scheduler.stopped");
    let _ = admin.task.await;
    Ok(())
}

impl Scheduler {
    /// Tells workers that the queue has work: by Redis, and by Postgres while Redis is down.
    async fn ring(&self, queue: Queue, jobs: usize) {
        self.bell.ring(queue.as_str(), jobs);
        if !self.bell.is_up() {
            // A lost bell costs a second at most: the claimers look by themselves.
            let _ = self.store.notify(queue).await;
        }
    }
}

/// How long one step may take: longer than any statement.
const STEP: Duration = Duration::from_secs(90);

/// What the scheduler does again and again.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Turns recurring schedules into occurrences.
    Expand,
    /// Moves occurrences when this build has newer time-zone data.
    Zones,
    /// Turns due schedules into publishing jobs.
    Publish,
    /// Turns schedules that come up into preparing jobs.
    Prepare,
    /// Has schedules checked ahead of their time.
    Check,
    /// Has what was warned of checked again.
    Recheck,
    /// Mends schedules and jobs that nobody cares for any more.
    Mend,
    /// Asks for new tokens before the old ones end.
    Refresh,
    /// Has accounts asked how their posts stand.
    Poll,
    /// Has events added up.
    Aggregate,
    /// Frees the jobs of dead workers.
    Rescue,
    /// Releases what ended jobs have left reserved.
    GiveBack,
    /// Makes the history's partitions, and asks for pruning.
    Housekeeping,
    /// Measures the fleet.
    Measure,
    /// Reads how often all this is done.
    Cadences,
}

impl Step {
    const ALL: [Step; 15] = [
        Step::Expand,
        Step::Zones,
        Step::Publish,
        Step::Prepare,
        Step::Check,
        Step::Recheck,
        Step::Mend,
        Step::Refresh,
        Step::Poll,
        Step::Aggregate,
        Step::Rescue,
        Step::GiveBack,
        Step::Housekeeping,
        Step::Measure,
        Step::Cadences,
    ];

    /// The name in logs, metrics and the table of cadences.
    const fn as_str(self) -> &'static str {
        match self {
            Step::Expand => "expand",
            Step::Zones => "zones",
            Step::Publish => "publish",
            Step::Prepare => "prepare",
            Step::Check => "check",
            Step::Recheck => "recheck",
            Step::Mend => "mend",
            Step::Refresh => "refresh",
            Step::Poll => "poll",
            Step::Aggregate => "aggregate",
            Step::Rescue => "rescue",
            Step::GiveBack => "give_back",
            Step::Housekeeping => "housekeeping",
            Step::Measure => "measure",
            Step::Cadences => "cadences",
        }
    }
}

/// Does a step again and again until the process is asked to stop; a step that fails is logged,
/// counted and done again at its next turn.
async fn every(
    what: Step,
    cadences: &Cadences,
    shutdown: CancellationToken,
    mut step: impl AsyncFnMut() -> store::Result<()>,
) {
    loop {
        let began = Instant::now();
        // A database that answers no more must not end the step for good.
        let done = tokio::time::timeout(STEP, step()).await;
        figures::stepped(what, matches!(done, Ok(Ok(()))));
        match done {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(step = what.as_str(), %error, cause = ?std::error::Error::source(&error), "a step failed");
            }
            Err(_) => {
                tracing::warn!(step = what.as_str(), "a step took too long and is begun anew");
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = cadences.turn(what, began) => {}
        }
    }
}
