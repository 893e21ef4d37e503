//! The fleet whose publishing is cut at every step.
//!
//! **Invariant:** between two rounds all workers live and nothing stands in their way.

use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::chaos::eyes::Eyes;
use crate::chaos::ground::{Times, without_limits};
use crate::harness::{Account, Care, Fleet, Lost, Planned, Setup, Tenant, in_ms};

const WORKERS: usize = 2;
/// How soon posts are due.
pub(super) const SOON_MS: i64 = 2_000;
const ACCOUNTS: usize = 8;

/// Leases that end soon; calls that may be held for as long as it takes to bring so many posts there.
fn times(posts: usize) -> Times {
    let posts = u32::try_from(posts).unwrap_or(u32::MAX);
    Times {
        renew: Duration::from_millis(300),
        lease: Duration::from_millis(2_500),
        grace: Duration::from_millis(500),
        answer: Duration::from_secs(2) + Duration::from_millis(150) * posts,
        window: Duration::from_millis(1_000),
        look: Duration::from_millis(500),
    }
}

/// The stage.
pub(crate) struct Stage {
    pub(super) eyes: Eyes,
    pub(super) tenant: Tenant,
    pub(super) accounts: Vec<Account>,
    pub(super) network: simulator::Client,
    rng: Mutex<StdRng>,
    pub(super) fleet: Fleet,
}

impl Stage {
    /// A fleet in which so many posts can be under way at once in every worker.
    pub(crate) async fn prepare(care: Care, seed: u64, posts: usize) -> Result<Self> {
        let setup = Setup::default().workers(WORKERS).can_be_cut().own_servers(care);
        let queues = format!("control=2,interactive=8,publish={posts},connect=4");
        let setup = times(posts)
            .on(setup)
            .with("WORKER_QUEUES", &queues)
            .with("DATABASE_POOL_SIZE", &(posts + 20).to_string())
            .with("ORGANIZATION_SLOTS_PERCENT", "100");
        let fleet = Fleet::start(setup).await?;
        without_limits(&fleet).await?;
        let tenant = Tenant::new(&fleet).await?;
        let mut accounts = vec![tenant.account.clone()];
        while accounts.len() < ACCOUNTS {
            accounts.push(tenant.another_account().await?);
        }
        let (eyes, network) = (Eyes::of(&fleet.database)?, fleet.simulator());
        let rng = Mutex::new(StdRng::seed_from_u64(seed));
        Ok(Self { eyes, tenant, accounts, network, rng, fleet })
    }

    /// As [`Tenant::plan_together`], for posts with an image each.
    pub(super) async fn plan_with_images(
        &self,
        posts: &[(&str, &Account, i64)],
    ) -> Result<Vec<Planned>> {
        let mut planned = Vec::new();
        for (about, account, _) in posts {
            let text = self.tenant.text(about);
            let version = self.tenant.write(&text).await?;
            self.tenant.attach_image(&version).await?;
            let at = in_ms(SOON_MS);
            let made = self.tenant.schedule_on(&version, account, at).await?;
            let id = crate::api::text(&made, "scheduleId")?;
            planned.push(Planned { id, at, text, username: account.username.clone() });
        }
        Ok(planned)
    }

    pub(super) fn loses(&self, lost: Lost) -> Result<()> {
        self.fleet.postgres.as_ref().context("a fleet that can be cut")?.loses(lost);
        Ok(())
    }

    /// Starts workers until there are as many as there were.
    pub(super) async fn start_workers(&self) -> Result<()> {
        let workers = self.fleet.workers();
        let alive = workers.iter().filter(|worker| worker.ended().is_none()).count();
        let new: Vec<_> =
            (alive..WORKERS).map(|_| self.fleet.spawn_worker()).collect::<Result<_>>()?;
        for worker in new {
            worker.line("worker.started").await?;
        }
        Ok(())
    }

    /// How many workers were killed.
    pub(super) fn killed(&self) -> usize {
        self.fleet.workers().len() - WORKERS
    }

    /// Up to a tenth of a second, so that no death comes at the same place twice.
    pub(super) async fn a_moment(&self) {
        let ms = {
            let mut rng = self.rng.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            rng.random_range(0..100)
        };
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}
