//! The fleet whose schedulers die, and the series that it sends out.
//!
//! **Invariant:** ticks are planned a moment ahead, not a minute, so that somebody dies between the making and the
//! planning of each; the network takes what it is given, so that nobody but the clock is late.

use std::time::Duration;

use anyhow::{Context, Result};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::Options;
use super::fault::Fault;
use super::pair::Pair;
use crate::api::text;
use crate::chaos::eyes::Eyes;
use crate::chaos::ground::without_limits;
use crate::harness::{Account, Fleet, Setup, Tenant};
use crate::wait;

/// How long before its time a tick is planned.
const AHEAD_MS: &str = "300";
/// Texts that take turns in a series; as many as a series may have.
const TEXTS: usize = 100;
/// How close to their ends nothing more is done to the series' schedulers.
const LEFT: TimeDelta = TimeDelta::milliseconds(3_000);
/// How close an expansion must be for schedulers to be waited for there.
const NEAR_MS: i64 = 1_500;
const READY: Duration = Duration::from_secs(20);

/// When the next series is to be expanded, in milliseconds from now; a day when none is.
const EXPANSION: &str =
    "select coalesce(min(1000 * extract(epoch from q.expand_at - now())), 86400000)
    from schedule_series q join schedules s on s.id = q.schedule_id where s.status = 'active'";

/// One series.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) account: Account,
}

/// The stage.
pub(super) struct Stage {
    pub(super) pair: Pair,
    pub(super) eyes: Eyes,
    pub(super) network: simulator::Client,
    pub(super) lines: Vec<Line>,
    /// How many ticks each series has.
    pub(super) each: usize,
    /// When the last tick is.
    last: DateTime<Utc>,
    /// Which of the two faults of an expansion is next.
    counts_next: bool,
    pub(super) fleet: Fleet,
}

impl Stage {
    /// A fleet with its series, which begin at once.
    pub(super) async fn prepare(options: &Options, series: usize, each: usize) -> Result<Self> {
        let setup = Setup::default()
            .schedulers(0)
            .own_servers(options.care)
            .with("PLAN_AHEAD_MS", AHEAD_MS)
            .with("LEASE_TTL_MS", "10000")
            .with("ORGANIZATION_SLOTS_PERCENT", "100")
            .with("LOG", "info,sqlx=error");
        let fleet = Fleet::start(setup).await?;
        without_limits(&fleet).await?;
        let pair = Pair::start(&fleet).await?;
        let tenant = Tenant::new(&fleet).await?;
        let (eyes, network) = (Eyes::of(&fleet.database)?, fleet.simulator());
        let mut plans = Vec::new();
        for nth in 0..series {
            let account = match nth {
                0 => tenant.account.clone(),
                _ => tenant.another_account().await?,
            };
            plans.push((plan(&tenant, nth, &account, each).await?, account));
        }
        let args = plans.iter().map(|(args, _)| args.clone()).collect();
        let made = tenant.api.all_done("schedule.create", args).await?;
        let mut lines = Vec::new();
        for (made, (_, account)) in made.iter().zip(plans) {
            lines.push(Line { id: text(made, "scheduleId")?, account });
        }
        let first: Option<DateTime<Utc>> =
            made.iter().filter_map(|made| made["scheduledAt"].as_str()?.parse().ok()).max();
        let ticks = TimeDelta::seconds(i64::try_from(each)? - 1);
        let last = first.context("no first tick")? + ticks;
        let counts_next = false;
        let stage = Self { pair, eyes, network, lines, each, last, counts_next, fleet };
        stage.begun().await?;
        Ok(stage)
    }

    /// Waits until every series has ticks: from there on the clock must care for itself.
    async fn begun(&self) -> Result<()> {
        let see = async || {
            let begun = "select count(distinct parent_schedule_id) from schedules
                         where parent_schedule_id = any ($1::uuid[])";
            self.eyes.number(begun, &self.ids()).await
        };
        let wanted = i64::try_from(self.lines.len())?;
        wait::until_right("series have ticks", READY, see, |seen| *seen == wanted).await.map(drop)
    }

    /// The series.
    pub(super) fn ids(&self) -> Vec<String> {
        self.lines.iter().map(|line| line.id.clone()).collect()
    }

    /// Whether there are ticks ahead.
    pub(super) fn goes_on(&self) -> bool {
        Utc::now() < self.last - LEFT
    }

    /// The fault for which now is the moment.
    pub(super) async fn due(&mut self) -> Result<Option<Fault>> {
        if self.eyes.number(EXPANSION, &[]).await? > NEAR_MS {
            return Ok(None);
        }
        self.counts_next = !self.counts_next;
        Ok(Some(if self.counts_next { Fault::Expanding } else { Fault::Counting }))
    }
}

/// Writes the texts of a series that goes out every second; answers how it is asked for.
async fn plan(tenant: &Tenant, nth: usize, account: &Account, ticks: usize) -> Result<Value> {
    let content = |turn: usize| {
        let text = tenant.text(&format!("Series {nth}, turn {turn}."));
        json!({ "title": "News", "versions": [{ "platform": "TWITTER", "text": text }] })
    };
    let written = (0..ticks.min(TEXTS)).map(content).collect();
    let made = tenant.api.all_done("content.create", written).await?;
    let version = |made: &Value| made["contentVersionIds"][0].as_str().map(str::to_owned);
    let versions: Option<Vec<String>> = made.iter().map(version).collect();
    let versions = versions.context("no version")?;
    Ok(json!({
        "contentVersionId": versions[0],
        "platformConnectionId": account.connection,
        "timezone": "Europe/Berlin",
        "recurrence": {
            "rule": { "pattern": "cron", "expression": "* * * * * *", "seconds": true },
            "contentVersionIds": versions,
            "count": ticks,
        },
    }))
}
