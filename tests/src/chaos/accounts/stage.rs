//! The fleet whose refreshes and generations are cut.
//!
//! **Invariant:** every worker can have all accounts and generations of a round under way at once.

use std::time::Duration;

use anyhow::Result;
use futures::future::try_join_all;

use crate::chaos::ground::Times;
use crate::chaos::scene::Scene;
use crate::harness::{Account, Care, Setup};

/// So many accounts, and so many generations, in each round.
const ACCOUNTS: usize = 6;
pub(super) const GENERATIONS: usize = 6;

/// Leases that end soon. A refresh is another worker's when this answer, and the time to store it,
/// would have been there.
const TIMES: Times = Times {
    renew: Duration::from_millis(300),
    lease: Duration::from_millis(2_500),
    grace: Duration::from_millis(500),
    answer: Duration::from_millis(2_000),
    window: Duration::from_millis(1_000),
    look: Duration::from_millis(500),
};

/// The stage.
pub(crate) struct Stage {
    pub(super) scene: Scene,
    /// All connected by consent.
    pub(super) accounts: Vec<Account>,
}

impl Stage {
    /// A fleet with its accounts.
    pub(crate) async fn prepare(care: Care, seed: u64) -> Result<Self> {
        let setup = TIMES
            .on(Setup::default())
            .with("WORKER_QUEUES", "control=2,interactive=8,publish=12,connect=8,generate=8")
            .with("DATABASE_POOL_SIZE", "50");
        let scene = Scene::prepare(setup, care, seed).await?;
        let accounts = (0..ACCOUNTS).map(|_| scene.tenant.connected_account());
        let accounts = try_join_all(accounts).await?;
        Ok(Self { scene, accounts })
    }
}
