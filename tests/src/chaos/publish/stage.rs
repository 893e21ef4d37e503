//! The fleet whose publishing is cut at every step.
//!
//! **Invariant:** every worker can have all posts of a round under way at once.

use std::time::Duration;

use anyhow::Result;

use crate::chaos::ground::Times;
use crate::chaos::scene::Scene;
use crate::harness::{Account, Care, Planned, Setup, in_ms};

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
    pub(super) scene: Scene,
    pub(super) accounts: Vec<Account>,
}

impl Stage {
    /// A fleet in which so many posts can be under way at once in every worker.
    pub(crate) async fn prepare(care: Care, seed: u64, posts: usize) -> Result<Self> {
        let queues = format!("control=2,interactive=8,publish={posts},connect=4");
        let setup = times(posts)
            .on(Setup::default())
            .with("WORKER_QUEUES", &queues)
            .with("DATABASE_POOL_SIZE", &(posts + 20).to_string());
        let scene = Scene::prepare(setup, care, seed).await?;
        let accounts = scene.accounts(ACCOUNTS).await?;
        Ok(Self { scene, accounts })
    }

    /// As [`crate::harness::Tenant::plan_together`], for posts with an image each.
    pub(super) async fn plan_with_images(
        &self,
        posts: &[(&str, &Account, i64)],
    ) -> Result<Vec<Planned>> {
        let mut planned = Vec::new();
        for (about, account, _) in posts {
            let text = self.scene.tenant.text(about);
            let version = self.scene.tenant.write(&text).await?;
            self.scene.tenant.attach_image(&version).await?;
            let at = in_ms(SOON_MS);
            let made = self.scene.tenant.schedule_on(&version, account, at).await?;
            let id = crate::api::text(&made, "scheduleId")?;
            planned.push(Planned { id, at, text, username: account.username.clone() });
        }
        Ok(planned)
    }
}
