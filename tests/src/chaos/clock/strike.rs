//! Faults, carried out at their moments.
//!
//! **Invariant:** a boundary is reached from outside: by a table that somebody else has locked, or by lines that lose
//! the answer to a commit. After a fault both schedulers work.

use std::time::Duration;

use anyhow::{Context, Result};
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use rand::RngExt as _;
use rand::rngs::StdRng;
use sqlx::Row as _;

use super::fault::Fault;
use super::pair::SCHEDULERS;
use super::stage::Stage;
use crate::chaos::scene::Locked;
use crate::harness::{Login, Lost};
use crate::wait;

/// The least time from the end of one fault to the tick of the next.
const LEAD: TimeDelta = TimeDelta::milliseconds(550);
/// How long a boundary may take to be reached; a tick comes every second. One that is not is left out this time.
const REACH: Duration = Duration::from_secs(5);
/// Some longer than a transaction of a scheduler may stand still, which is 5 s.
const FREEZE_MS: std::ops::Range<u64> = 2_200..7_500;
const CUT_MS: std::ops::Range<u64> = 300..3_000;
/// How long lines stay deaf when no tick is planned.
const DEAF: Duration = Duration::from_secs(2);
const BOTH: [usize; SCHEDULERS] = [0, 1];

/// The next tick that nobody has planned yet, and whether one is planned.
const UNPLANNED: &str = "select id::text from schedules
    where parent_schedule_id = any ($1::uuid[]) and publish_planned_at is null and status = 'scheduled'
    order by scheduled_at limit 1";
const PLANNED: &str = "select count(*) from schedules
    where id = any ($1::uuid[]) and publish_planned_at is not null";

/// Series that are to be expanded in a moment; and the same with the occurrences that are to be counted.
const TO_EXPAND: &str = "select count(*) from schedule_series
    where schedule_id = any ($1::uuid[]) and expand_at < now() + interval '2 seconds'";
const TO_COUNT: &str = "select (select count(*) from schedule_series
        where schedule_id = any ($1::uuid[]) and expand_at < now() + interval '2 seconds')
    + (select count(*) from schedules
        where parent_schedule_id = any ($1::uuid[]) and reserve_at <= now())";

/// What a fault was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Strike {
    /// How many schedulers were killed.
    pub(super) kills: usize,
    /// From when to when schedulers were not as they should be.
    pub(super) from: DateTime<Utc>,
    pub(super) until: DateTime<Utc>,
}

impl Stage {
    /// Does it, and puts all right again; `None` when its moment is over, or its boundary was not reached.
    pub(super) async fn strike(
        &mut self,
        fault: Fault,
        rng: &mut StdRng,
    ) -> Result<Option<Strike>> {
        let one = rng.random_range(0..SCHEDULERS);
        self.moment(fault, rng).await;
        let from = Utc::now();
        let killed = match fault {
            Fault::Planning | Fault::Before | Fault::At | Fault::After => {
                Some(self.killed(&[one]).await?)
            }
            Fault::Both => Some(self.killed(&BOTH).await?),
            Fault::Uncommitted => self.blocked_by("jobs", None).await?,
            Fault::Expanding => self.blocked_by("schedule_series", Some(TO_EXPAND)).await?,
            Fault::Counting => self.blocked_by("usage_counts", Some(TO_COUNT)).await?,
            Fault::AnswerLost => self.deaf().await?,
            Fault::Frozen | Fault::FrozenAlone => Some(self.frozen(fault, one, rng).await?),
            Fault::Held => self.held(one, rng).await?,
            Fault::Deployed => {
                self.pair.deploy(&self.fleet, one).await?;
                Some(Vec::new())
            }
            Fault::Cut => {
                self.pair.line(one).cut();
                tokio::time::sleep(Duration::from_millis(rng.random_range(CUT_MS))).await;
                self.pair.line(one).mend();
                Some(Vec::new())
            }
        };
        let Some(killed) = killed else { return Ok(None) };
        self.pair.refill(&self.fleet, &killed).await?;
        Ok(Some(Strike { kills: killed.len(), from, until: Utc::now() }))
    }

    /// Waits for the moment of a fault, counted from a tick; one that the series names is now.
    async fn moment(&self, fault: Fault, rng: &mut StdRng) {
        let Some(moments) = fault.moments() else { return };
        let offset = TimeDelta::milliseconds(rng.random_range(moments));
        let soon = (Utc::now() + LEAD).trunc_subsecs(0) + TimeDelta::seconds(1);
        tokio::time::sleep((soon + offset - Utc::now()).to_std().unwrap_or_default()).await;
    }

    async fn killed(&self, which: &[usize]) -> Result<Vec<usize>> {
        self.pair.kill(which).await?;
        Ok(which.to_vec())
    }

    /// Kills both as soon as one of them waits for a table to write to; nobody, when there is no work for which
    /// one would.
    async fn blocked_by(&self, table: &str, work: Option<&str>) -> Result<Option<Vec<usize>>> {
        let locked = self.lock(table).await?;
        let has_work = match work {
            Some(work) => self.eyes.number(work, &self.ids()).await? > 0,
            None => true,
        };
        let reached = has_work && self.blocks(&locked).await?;
        let killed = if reached { Some(self.killed(&BOTH).await?) } else { None };
        locked.release().await?;
        Ok(killed)
    }

    async fn lock(&self, table: &str) -> Result<Locked> {
        let lock = format!("lock table {table} in share mode");
        Locked::take(&self.fleet.database, &lock, &[]).await
    }

    /// Waits until a scheduler waits for a locked table; whether one does.
    async fn blocks(&self, locked: &Locked) -> Result<bool> {
        let waits = wait::within(REACH, async || {
            let waiting = locked.waiting(&self.eyes, Login::Scheduler).await?;
            Ok((waiting > 0).then_some(()))
        });
        Ok(waits.await?.is_some())
    }

    /// Kills both when the next tick is planned and nobody has heard of it; or when another step met the lock first,
    /// so that neither of them hears enough to plan anything.
    async fn deaf(&self) -> Result<Option<Vec<usize>>> {
        let locked = self.lock("jobs").await?;
        if !self.blocks(&locked).await? {
            locked.release().await?;
            return Ok(None);
        }
        let rows = self.eyes.rows(UNPLANNED, &self.ids()).await?;
        let tick: String = rows.first().context("no tick is ahead")?.get(0);
        self.pair.lose(Lost::Commits);
        locked.release().await?;
        wait::within(DEAF, async || {
            let planned = self.eyes.number(PLANNED, std::slice::from_ref(&tick)).await?;
            Ok((planned > 0).then_some(()))
        })
        .await?;
        let killed = self.killed(&BOTH).await?;
        self.pair.lose(Lost::Nothing);
        Ok(Some(killed))
    }

    /// Freezes one over several ticks; the other goes on, or is killed and replaced meanwhile.
    async fn frozen(&mut self, fault: Fault, one: usize, rng: &mut StdRng) -> Result<Vec<usize>> {
        let half = Duration::from_millis(rng.random_range(FREEZE_MS) / 2);
        self.pair.process(one).freeze()?;
        tokio::time::sleep(half).await;
        let mut killed = Vec::new();
        if fault == Fault::FrozenAlone {
            killed.push(1 - one);
            self.pair.kill(&killed).await?;
            self.pair.refill(&self.fleet, &killed).await?;
        }
        tokio::time::sleep(half).await;
        self.pair.process(one).thaw()?;
        Ok(killed)
    }

    /// Freezes one that has planned a tick and not committed it: nobody else can have that tick meanwhile.
    async fn held(&self, one: usize, rng: &mut StdRng) -> Result<Option<Vec<usize>>> {
        // So it is this one that plans.
        self.pair.line(1 - one).cut();
        let locked = self.lock("jobs").await?;
        let reached = self.blocks(&locked).await?;
        if reached {
            self.pair.process(one).freeze()?;
        }
        self.pair.line(1 - one).mend();
        locked.release().await?;
        if !reached {
            return Ok(None);
        }
        tokio::time::sleep(Duration::from_millis(rng.random_range(FREEZE_MS))).await;
        self.pair.process(one).thaw()?;
        Ok(Some(Vec::new()))
    }
}
