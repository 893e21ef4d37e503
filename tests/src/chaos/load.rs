//! The frontends: they tell their stories, several at a time, and note what was acknowledged.
//!
//! **Invariant:** every story is told to its end, or what was not acknowledged is counted.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use chrono::{TimeDelta, Utc};
use futures::future::try_join_all;
use serde_json::json;
use simulator::{Action, Rule, When};
use tokio::time::{Instant, sleep_until};

use super::ground::Ground;
use super::story::{Story, Teller};
use super::telling::Telling;
use crate::harness::{Account, Tenant};

/// How many organizations there are, and how many stories are told at the same time.
const ORGANIZATIONS: usize = 8;
const FRONTENDS: usize = 24;

/// Posts that say this are long in being published.
pub(super) const LONG: &str = "long";

/// What was acknowledged.
#[derive(Clone, Debug, Default)]
pub(crate) struct Acknowledged {
    /// The jobs.
    pub(crate) jobs: Vec<String>,
    /// Requests that were sent again because there was no answer, or none that said yes.
    pub(crate) repeats: usize,
    /// Requests whose answer was that of an earlier one, which had got lost.
    pub(crate) replays: usize,
    /// Requests that were refused, and how. Their jobs were not made.
    pub(crate) refusals: Vec<String>,
    /// Requests that were never acknowledged.
    pub(crate) unanswered: usize,
}

/// The frontends.
#[derive(Debug)]
pub(crate) struct Frontends<'a> {
    pub(super) ground: &'a Ground,
    pub(super) tenants: Vec<(Tenant, [Account; 2])>,
    teller: Mutex<Teller>,
    acknowledged: Mutex<Acknowledged>,
    pub(super) seed: u64,
    deadline: Mutex<Instant>,
}

impl<'a> Frontends<'a> {
    /// Organizations with two accounts each, before anything goes wrong. The network takes so `long` to
    /// say whose a token is, and to answer to every other post: these are long jobs.
    ///
    /// # Errors
    /// When the fleet refuses.
    pub(crate) async fn gather(
        ground: &'a Ground,
        teller: Teller,
        seed: u64,
        long: Duration,
    ) -> Result<Self> {
        let mut tenants = Vec::new();
        for _ in 0..ORGANIZATIONS {
            let mut tenant = Tenant::new(&ground.fleet).await?;
            let accounts = [tenant.account.clone(), tenant.another_account().await?];
            tenant.api = tenant.api.by_way_of(&format!("http://{}", ground.front.address()));
            tenants.push((tenant, accounts));
        }
        let ms = u64::try_from(long.as_millis())?;
        let before = Action::Delay { ms, when: When::Before };
        let after = Action::Delay { ms, when: When::After };
        let rules = [
            Rule::on("GET", "/2/users/me", before).forever(),
            Rule::on("POST", "/2/tweets", after).text_contains(LONG).forever(),
        ];
        ground.fleet.simulator().faults(&rules).await?;
        let (teller, acknowledged) = (Mutex::new(teller), Mutex::default());
        let deadline = Mutex::new(Instant::now());
        Ok(Self { ground, tenants, teller, acknowledged, seed, deadline })
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Acknowledged> {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was acknowledged so far.
    pub(crate) fn acknowledged(&self) -> Acknowledged {
        self.book().clone()
    }

    /// How many jobs were acknowledged so far.
    pub(crate) fn count(&self) -> usize {
        self.book().jobs.len()
    }

    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= *self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells all stories. Whatever is not acknowledged at the deadline never will be.
    ///
    /// # Errors
    /// When one cannot be told for another reason than what is going wrong on purpose.
    pub(crate) async fn work(&self, began: Instant, deadline: Instant) -> Result<()> {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = deadline;
        let one = async || -> Result<()> {
            loop {
                let next = self.teller.lock().unwrap_or_else(PoisonError::into_inner).next_story();
                let Some((story, mark, at)) = next else { return Ok(()) };
                sleep_until(began + at).await;
                self.tell(story, mark).await?;
            }
        };
        try_join_all((0..FRONTENDS).map(|_| one())).await?;
        // Some stories take another turn than planned: what is missing is written.
        loop {
            let asked = self.book().jobs.len();
            let missing = self.teller.lock().unwrap_or_else(PoisonError::into_inner).missing(asked);
            match missing {
                Some((story, mark)) if !self.is_over() => self.tell(story, mark).await?,
                _ => return Ok(()),
            }
        }
    }

    async fn tell(&self, story: Story, mark: usize) -> Result<()> {
        let (tenant, accounts) = &self.tenants[mark % self.tenants.len()];
        let account = &accounts[mark / self.tenants.len() % 2];
        let telling = Telling { frontends: self, tenant, mark };
        match story {
            Story::Content(count) => telling.write(count, None).await.map(drop),
            Story::Posts(count, secs) => {
                let versions = telling.versions(count).await?;
                let at = Utc::now() + TimeDelta::seconds(secs);
                telling.schedule(&versions, account, at).await.map(drop)
            }
            Story::Later(count) => {
                let versions = telling.versions(count).await?;
                let at = Utc::now() + TimeDelta::days(1);
                let made = telling.schedule(&versions, account, at).await?;
                let results = telling.results(&made).await?;
                let cancel = results.iter().take(count / 2).map(|made| {
                    let args = json!({ "scheduleId": made["scheduleId"] });
                    json!({ "kind": "schedule.cancel", "args": args })
                });
                telling.ask("cancel", cancel.collect()).await.map(drop)
            }
            Story::Accounts(count) => telling.bring_in(count).await,
            Story::Regrets(count) => {
                let later = Utc::now() + TimeDelta::seconds(3);
                let made = telling.write(count, Some(later)).await?;
                for (nth, job) in made.iter().enumerate() {
                    let cancel = json!({ "kind": "job.cancel", "args": { "jobId": job } });
                    telling.ask(&format!("regret{nth}"), vec![cancel]).await?;
                }
                Ok(())
            }
        }
    }
}
