//! A run from its beginning to its verdict.
//!
//! **Invariant:** it ends in bounded time, whatever the fleet does.

use std::time::Duration;

use anyhow::Result;
use chrono::TimeDelta;
use tokio::time::{Instant, sleep};

use super::ground::{Ground, Times};
use super::load::Frontends;
use super::plan::{self, Scale};
use super::report::Report;
use super::story::Teller;
use super::{rescue, verdict};
use crate::harness::{Care, Lost};

/// How long the fleet may take to come to rest after the last fault and the last job.
const REST: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_millis(500);
/// How often progress is told.
const TELL: Duration = Duration::from_secs(10);

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Names the schedule of faults and the load.
    pub seed: u64,
    /// At least so many jobs.
    pub jobs: usize,
    /// So many processes are killed.
    pub kills: usize,
    /// How long jobs come and faults happen.
    pub span: Duration,
    /// How many workers there are.
    pub workers: usize,
    /// The fleet's times.
    pub times: Times,
    /// How careful Postgres is.
    pub care: Care,
}

impl Options {
    /// How many kinds of faults there are; every run meets each of them.
    pub const KINDS: usize = plan::KINDS;
}

/// Runs chaos; `say` is told how it goes.
///
/// # Errors
/// When it cannot be carried out. What the fleet does wrong is no error but in the report.
pub async fn run(options: Options, say: impl Fn(&str)) -> Result<Report> {
    let Options { seed, jobs, kills, span, workers, times, care } = options;
    let started = Instant::now();
    say("starting servers and processes");
    let ground = Ground::prepare(care, &times, workers).await?;
    let teller = Teller::new(seed, jobs, span);
    let frontends = Frontends::gather(&ground, teller, seed, times.answer * 3 / 4).await?;
    let scale =
        Scale { kills, span, lease: times.lease, answer: times.answer, late: times.look / 2 };
    let plan = plan::plan(seed, scale);
    say(&format!("seed {seed}: {} faults over {} s", plan.len(), span.as_secs()));
    let began = Instant::now();
    let work = async {
        let deadline = began + 2 * span + REST;
        tokio::join!(frontends.work(began, deadline), ground.suffer(plan, began))
    };
    let (worked, ()) = tokio::select! {
        worked = work => worked,
        never = async { tokio::join!(ground.supervise(), progress(&ground, &frontends, began, &say)) } => match never.0 {},
    };
    worked?;
    say("no more jobs, no more faults: coming to rest");
    tokio::select! {
        rested = rest(&ground) => rested?,
        never = ground.supervise() => match never {},
    }
    let (pages, told) = (ground.record.read(), frontends.acknowledged());
    let shadow = TimeDelta::from_std(times.grace + Duration::from_secs(1))?;
    let deaths = rescue::read(&ground, &pages, shadow).await?;
    let verdict = verdict::judge(&ground, &told).await?;
    Ok(Report { options, secs: started.elapsed().as_secs(), pages, told, verdict, deaths })
}

/// Tells how it goes, for ever.
async fn progress(
    ground: &Ground,
    frontends: &Frontends<'_>,
    began: Instant,
    say: impl Fn(&str),
) -> std::convert::Infallible {
    loop {
        sleep(TELL).await;
        let live = ground.eyes.glance("select id::text from jobs", &[]).await;
        let live = live.map_or_else(|| "?".to_owned(), |rows| rows.len().to_string());
        say(&format!(
            "{:>4} s: {} jobs acknowledged, {live} live, {} faults",
            began.elapsed().as_secs(),
            frontends.count(),
            ground.record.count(),
        ));
    }
}

/// Puts everything right, and waits until nothing moves any more, or for as long as it may take.
pub(super) async fn rest(ground: &Ground) -> Result<()> {
    let deadline = Instant::now() + REST;
    if let Some(servers) = &ground.fleet.servers {
        servers.bring_back().await?;
    }
    ground.fleet.simulator().clear_faults().await?;
    ground.front.loses(Lost::Nothing);
    for line in [&ground.fleet.postgres, &ground.fleet.redis].into_iter().flatten() {
        line.mend();
    }
    while Instant::now() < deadline {
        let mut moving = 0;
        for sql in [verdict::LIVE, verdict::UNSETTLED] {
            moving += ground.eyes.rows(sql, &[]).await?.len();
        }
        if moving == 0 && ground.crew.is_whole() {
            return Ok(());
        }
        sleep(LOOK).await;
    }
    Ok(())
}
