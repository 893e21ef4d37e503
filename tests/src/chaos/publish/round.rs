//! One round: posts that are due together, brought to one boundary, and what becomes of them.
//!
//! **Invariant:** every post of a round has reached the boundary before anybody is killed.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use simulator::{Action, Outcome, Rule, What, When};
use sqlx::Row as _;

use super::stage::{SOON_MS, Stage};
use super::step::Step;
use super::tally::Fates;
use crate::chaos::scene::Locked;
use crate::harness::{Lost, Planned};

/// How long the posts of a round may take to come to their ends.
const SETTLE: Duration = Duration::from_secs(90);

/// Schedules that have not come to their end, or that a job still works on.
const MOVING: &str = "select count(*) from schedules s where s.id = any ($1::uuid[]) and (
        s.status in ('scheduled', 'publishing')
        or s.status = 'unconfirmed' and not exists (
            select from publish_intents i where i.schedule_id = s.id and i.asked_at is not null)
        or exists (select from jobs j where j.args ->> 'scheduleId' = s.id::text))";

/// A round.
pub(crate) struct Round<'a> {
    pub(super) stage: &'a Stage,
    mark: String,
    planned: Vec<Planned>,
    ids: Vec<String>,
    lock: Option<Locked>,
}

impl<'a> Round<'a> {
    /// Plans so many posts and waits until all are due; their queue is paused.
    pub(crate) async fn plan(
        stage: &'a Stage,
        step: Step,
        nth: usize,
        posts: usize,
    ) -> Result<Self> {
        let mark = format!("Round {nth}:");
        let pause = json!({ "queue": "publish", "reason": "Until all are due." });
        stage.scene.tenant.api.done("queue.pause", pause).await?;
        let accounts = stage.accounts.iter().cycle().take(posts);
        let wanted: Vec<_> = accounts.map(|account| (mark.as_str(), account, 0)).collect();
        let planned = if step.needs_image() {
            stage.plan_with_images(&wanted).await?
        } else {
            stage.scene.tenant.plan_together(&wanted, SOON_MS).await?
        };
        let ids = planned.iter().map(|planned| planned.id.clone()).collect();
        let round = Self { stage, mark, planned, ids, lock: None };
        let due = "select count(*) from jobs where kind = 'post.publish' and run_at <= now()
                   and args ->> 'scheduleId' = any ($1)";
        round.see(due).await?;
        Ok(round)
    }

    /// Lets the posts go.
    pub(super) async fn go(&self) -> Result<()> {
        let queue = json!({ "queue": "publish" });
        self.stage.scene.tenant.api.done("queue.resume", queue).await.map(drop)
    }

    /// The next call that publishes each post meets this.
    pub(super) async fn trap(&self, action: Action) -> Result<()> {
        let rule = Rule::on("POST", "/2/tweets", action).text_contains(&self.mark);
        let times = u64::try_from(self.ids.len())?;
        self.stage.scene.network.fault(rule.times(times)).await?;
        Ok(())
    }

    /// The network holds the next request of each post to this path under `name`.
    pub(super) async fn hold(&self, method: &str, path: &str, name: &str) -> Result<()> {
        let times = u64::try_from(self.ids.len())?;
        let rule = Rule::on(method, path, Action::hold(name, When::Before)).times(times);
        self.stage.scene.network.fault(rule).await?;
        Ok(())
    }

    /// Waits until the network holds a request of every post under `name`.
    pub(super) async fn held(&self, name: &str) -> Result<()> {
        self.stage.scene.held(name, self.ids.len()).await
    }

    pub(super) async fn release(&self, name: &str, outcome: Outcome) -> Result<()> {
        self.stage.scene.release(name, outcome).await
    }

    /// Locks the posts' schedules, or their intents, row by row.
    pub(super) async fn lock_rows(&mut self, table: &str) -> Result<()> {
        let column = if table == "schedules" { "id" } else { "schedule_id" };
        let rows = format!("select from {table} where {column} = any ($1::uuid[]) for update");
        self.lock = Some(self.stage.scene.lock(&rows, &self.ids).await?);
        Ok(())
    }

    /// Keeps everybody from writing to a table; reading and locking rows goes on.
    pub(super) async fn lock_table(&mut self, table: &str) -> Result<()> {
        self.lock = Some(self.stage.scene.lock_table(table).await?);
        Ok(())
    }

    /// Lets go of what was locked.
    pub(super) async fn unlock(&mut self) -> Result<()> {
        match self.lock.take() {
            Some(locked) => locked.release().await,
            None => Ok(()),
        }
    }

    /// Waits until a worker waits for a lock on behalf of every post.
    pub(super) async fn blocked(&self) -> Result<()> {
        let waiting = "select count(distinct l.pid) from pg_locks l
                       join pg_stat_activity a on a.pid = l.pid
                       where not l.granted and a.usename = 'ezre_worker'";
        self.see(waiting).await
    }

    /// Waits until a statement counts every post.
    pub(super) async fn see(&self, count: &str) -> Result<()> {
        self.stage.scene.see(count, &self.ids, self.ids.len()).await
    }

    /// From now on commits are made and their answers lost; what waits for a lock goes on.
    pub(super) async fn lose_commits(&mut self) -> Result<()> {
        self.stage.scene.loses(Lost::Commits)?;
        self.unlock().await
    }

    /// Puts everything right again, and starts new workers.
    pub(super) async fn mend(&mut self) -> Result<()> {
        self.stage.scene.loses(Lost::Nothing)?;
        self.unlock().await?;
        self.stage.scene.start_workers().await
    }

    /// Waits for the end of every post, and tells what became of them.
    pub(crate) async fn ends(&self) -> Result<Fates> {
        self.stage.scene.see_within(SETTLE, MOVING, &self.ids, 0).await?;
        let sql = "select s.id::text, s.status, s.published_post_id from schedules s
                   where s.id = any ($1::uuid[])";
        let rows = self.stage.scene.eyes.rows(sql, &self.ids).await?;
        ensure!(rows.len() == self.ids.len(), "{} schedules", rows.len());
        let effects = self.stage.scene.network.effects(0).await?;
        let journal = self.stage.scene.network.journal(0).await?;
        let mut fates = Fates::default();
        for row in rows {
            let (id, status): (&str, &str) = (row.get(0), row.get(1));
            let says: Option<&str> = row.get(2);
            let text = self.planned.iter().find(|one| one.id == id).map(|one| one.text.as_str());
            let posts: Vec<&str> = effects
                .iter()
                .filter_map(|effect| match &effect.what {
                    What::PostCreated { post_id, text: of, .. } if Some(of.as_str()) == text => {
                        Some(post_id.as_str())
                    }
                    _ => None,
                })
                .collect();
            let is_call = |entry: &&simulator::Entry| {
                entry.path == "/2/tweets"
                    && entry.body.as_ref().and_then(|body| body["text"].as_str()) == text
            };
            fates.add(status, says, &posts, journal.iter().filter(is_call).count());
        }
        Ok(fates)
    }
}
