//! One round: accounts and generations brought to their boundaries, and all workers killed there.
//!
//! **Invariant:** every account and every generation of a round has reached its boundary before anybody
//! is killed.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use simulator::{Action, Outcome, Rule, SettingsPatch, When};

use super::stage::{GENERATIONS, Stage};
use super::step::{Generation, Plan, Refresh};
use crate::chaos::scene::{Locked, Scene};
use crate::harness::{Account, Lost};

const REFRESH: &str = "refresh";
const ASK: &str = "ask";
const TOKENS: &str = "/2/oauth2/token";

/// How a round makes tokens that are to be refreshed: those of the accounts have ended, or end soon.
const ENDED: &str = "now() - interval '1 second'";
const ENDING: &str = "now() + interval '10 minutes'";

const STORED: &str = "select count(*) from platform_connections
    where id = any ($1::uuid[]) and token_expires_at > now() + interval '1 hour'";
const ROWS: &str = "select from platform_connections where id = any ($1::uuid[]) for update";
const TOLD: &str = "select count(*) from jobs
    where args ->> 'brief' = any ($1) and (progress ->> 'characters')::int > 0";
const WRITTEN: &str = "select count(*) from content_versions v
    join content_requests r on r.id = v.content_request_id where r.brief = any ($1)";

/// A round.
pub(crate) struct Round<'a> {
    pub(super) stage: &'a Stage,
    pub(super) plan: Plan,
    pub(super) nth: usize,
    /// The accounts' connections.
    pub(super) ids: Vec<String>,
    pub(super) briefs: Vec<String>,
    pub(super) before: Before,
    rows: Option<Locked>,
    table: Option<Locked>,
}

/// What there was when a round began.
pub(super) struct Before {
    /// The last request that the network had.
    pub(super) request: u64,
    /// The last event.
    pub(super) event: i64,
    /// Generations used.
    pub(super) used: i64,
    /// Jobs that were dead.
    pub(super) dead: i64,
}

impl<'a> Round<'a> {
    /// Looks at what there is.
    pub(crate) async fn begin(stage: &'a Stage, plan: Plan, nth: usize) -> Result<Self> {
        let scene = &stage.scene;
        let replay_ends_grant = Some(plan.replay_ends_grant);
        let patch = SettingsPatch { replay_ends_grant, ..SettingsPatch::default() };
        scene.network.change(&patch).await?;
        let request = scene.network.journal(0).await?.last().map_or(0, |entry| entry.seq);
        let event = scene.eyes.number("select coalesce(max(seq), 0) from events", &[]).await?;
        let (used, _) = super::generated::usage(stage).await?;
        let dead = super::generated::dead(stage).await?;
        let ids = stage.accounts.iter().map(|account| account.connection.clone()).collect();
        let briefs = (0..GENERATIONS).map(|one| format!("Round {nth}, no. {one}.")).collect();
        let before = Before { request, event, used, dead };
        Ok(Self { stage, plan, nth, ids, briefs, before, rows: None, table: None })
    }

    /// Brings everything to its boundary and kills the workers there, then puts all right.
    pub(crate) async fn cross(&mut self) -> Result<()> {
        self.generate().await?;
        self.refresh().await?;
        self.lose_commits().await?;
        self.die().await
    }

    /// The next requests to a path meet this, so many.
    async fn trap(&self, path: &str, action: Action, times: usize) -> Result<()> {
        let rule = Rule::on("POST", path, action).times(u64::try_from(times)?);
        self.stage.scene.network.fault(rule).await?;
        Ok(())
    }

    async fn generate(&mut self) -> Result<()> {
        let (scene, all) = (&self.stage.scene, self.briefs.len());
        match self.plan.generation {
            Generation::Asked => {
                self.trap("/v1/*", Action::hold(ASK, When::Before), all).await?;
                ask(scene, &self.briefs).await?;
                scene.held(ASK, all).await
            }
            Generation::Streaming => {
                self.trap("/v1/*", Action::SlowStream { ms: 1_000 }, all).await?;
                ask(scene, &self.briefs).await?;
                scene.see(TOLD, &self.briefs, all).await
            }
            Generation::Answered | Generation::Stored => {
                let table = self.table.insert(scene.lock_table("content_versions").await?);
                ask(scene, &self.briefs).await?;
                scene.blocked(table, all).await
            }
        }
    }

    async fn refresh(&mut self) -> Result<()> {
        let (scene, all) = (&self.stage.scene, self.ids.len());
        let when = match self.plan.refresh {
            Refresh::Sent | Refresh::SentActsLater => When::Before,
            Refresh::Acted | Refresh::Answered | Refresh::Stored => When::After,
        };
        self.trap(TOKENS, Action::hold(REFRESH, when), all).await?;
        let end = if self.plan.lives { ENDING } else { ENDED };
        self.tokens_end(&self.stage.accounts, end).await?;
        scene.held(REFRESH, all).await?;
        if self.plan.refresh.is_answered() {
            let rows = self.rows.insert(scene.lock(ROWS, &self.ids).await?);
            scene.release(REFRESH, Outcome::Proceed).await?;
            scene.blocked(rows, all).await?;
        }
        Ok(())
    }

    /// The fleet believes that the accounts' tokens are two hours old and end at this moment.
    pub(super) async fn tokens_end<'b>(
        &self,
        accounts: impl IntoIterator<Item = &'b Account>,
        end: &str,
    ) -> Result<()> {
        let ids: Vec<String> =
            accounts.into_iter().map(|account| format!("'{}'", account.connection)).collect();
        let sql = format!(
            "update platform_connections set tokens_at = now() - interval '2 hours',
                 token_expires_at = {end} where id in ({})",
            ids.join(", ")
        );
        self.stage.scene.fleet.database.run(&sql).await
    }

    /// The accounts' tokens have ended.
    pub(super) async fn tokens_have_ended<'b>(
        &self,
        accounts: impl IntoIterator<Item = &'b Account>,
    ) -> Result<()> {
        self.tokens_end(accounts, ENDED).await
    }

    /// Commits are made and their answers lost, of whatever is to be cut there.
    async fn lose_commits(&mut self) -> Result<()> {
        let scene = &self.stage.scene;
        let of_tokens = self.plan.refresh == Refresh::Stored;
        let of_versions = self.plan.generation == Generation::Stored;
        if of_tokens || of_versions {
            scene.loses(Lost::Commits)?;
        }
        if of_tokens {
            unlock(&mut self.rows).await?;
            scene.see(STORED, &self.ids, self.ids.len()).await?;
        }
        if of_versions {
            unlock(&mut self.table).await?;
            scene.see(WRITTEN, &self.briefs, self.briefs.len()).await?;
        }
        Ok(())
    }

    async fn die(&mut self) -> Result<()> {
        let scene = &self.stage.scene;
        scene.a_moment().await;
        scene.kill_workers().await?;
        let acts_later = self.plan.refresh == Refresh::SentActsLater;
        let outcome = if acts_later { Outcome::Proceed } else { Outcome::Drop };
        scene.release(REFRESH, outcome).await?;
        scene.release(ASK, Outcome::Drop).await?;
        scene.loses(Lost::Nothing)?;
        unlock(&mut self.rows).await?;
        unlock(&mut self.table).await?;
        scene.start_workers().await
    }
}

async fn ask(scene: &Scene, briefs: &[String]) -> Result<()> {
    let job = |brief: &String| {
        let args = json!({ "brief": brief, "platforms": ["TWITTER"] });
        json!({ "kind": "content.generate", "args": args })
    };
    let jobs: Vec<Value> = briefs.iter().map(job).collect();
    let answer = scene.tenant.api.post("/v1/jobs", &Value::from(jobs)).await?;
    ensure!(answer.is_success(), "{answer:?}");
    Ok(())
}

async fn unlock(locked: &mut Option<Locked>) -> Result<()> {
    match locked.take() {
        Some(locked) => locked.release().await,
        None => Ok(()),
    }
}
