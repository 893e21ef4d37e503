//! An organization with its key and an account at the network: what every test begins with.
//!
//! **Invariant:** names, texts and accounts are new each time, so that tests do not meet.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, TimeDelta, Timelike, Utc};
use serde_json::{Value, json};
use simulator::{Action, ControlPost, NewUser, Rule, When, Who};

use super::fleet::Fleet;
use super::setup::random_hex;
use crate::api::{ALL_SCOPES, Api, Heard, text};
use crate::person::Person;
use crate::picture;
use crate::wait::PATIENCE;

/// Before a post's moment there is time for as many jobs, one after the other, as this machine does them now.
const SOME_JOBS: u32 = 8;
/// But no more than this is added.
const LONGEST_LEAD: Duration = Duration::from_secs(10);

/// How long a post may take from its time to its end in these tests, look-ups included.
const TO_THE_END: Duration = Duration::from_secs(45);

/// An organization.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Its id.
    pub organization: String,
    /// The API, with a key of the organization that may do everything.
    pub api: Api,
    /// The id of that key.
    pub key_id: String,
    /// Its first account.
    pub account: Account,
    /// The network.
    pub network: simulator::Client,
}

/// An account at the network, brought in.
#[derive(Clone, Debug)]
pub struct Account {
    /// The connection.
    pub connection: String,
    /// The network's own id.
    pub id: String,
    /// The handle.
    pub username: String,
    /// The access token.
    pub token: String,
}

/// A schedule.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The schedule.
    pub id: String,
    /// When it goes out.
    pub at: DateTime<Utc>,
    /// What goes out.
    pub text: String,
    /// Handle of the account.
    pub username: String,
}

impl Tenant {
    /// A new organization with one account, on a plan that allows everything.
    ///
    /// # Errors
    /// When the fleet refuses.
    pub async fn new(fleet: &Fleet) -> Result<Self> {
        Self::made_by(fleet, fleet.operator(), "business").await
    }

    /// The same on another plan.
    ///
    /// # Errors
    /// As for [`Tenant::new`].
    pub async fn on_plan(fleet: &Fleet, plan: &str) -> Result<Self> {
        Self::made_by(fleet, fleet.operator(), plan).await
    }

    /// As [`Tenant::new`]; `heard` keeps all answers of the API.
    ///
    /// # Errors
    /// As for [`Tenant::new`].
    pub async fn heard_by(fleet: &Fleet, heard: &Heard) -> Result<Self> {
        Self::made_by(fleet, fleet.operator().heard_by(heard), "business").await
    }

    async fn made_by(fleet: &Fleet, operator: Api, plan: &str) -> Result<Self> {
        let slug = format!("org-{}", random_hex(5));
        let made = json!({
            "name": "A bakery", "slug": slug, "timezone": "Europe/Berlin", "plan": plan,
        });
        let made = operator.done("organization.create", made).await?;
        let organization = text(&made, "organizationId")?;
        let (key_id, key) = create_key(&operator.acting_for(&organization), &ALL_SCOPES).await?;
        let api = operator.with_token(&key);
        let network = fleet.simulator();
        let account = bring_in(&api, &network).await?;
        Ok(Self { organization, api, key_id, account, network })
    }

    /// One more account.
    ///
    /// # Errors
    /// When the fleet refuses.
    pub async fn another_account(&self) -> Result<Account> {
        bring_in(&self.api, &self.network).await
    }

    /// A person of the organization.
    pub fn person(&self) -> Person {
        let name = "anna@bakery.example".to_owned();
        Person { api: self.api.clone(), network: self.network.clone(), name }
    }

    /// A new user of the network, whose account a person connects by consent.
    ///
    /// # Errors
    /// When a step fails.
    pub async fn connected_account(&self) -> Result<Account> {
        let (who, _) = self.newcomer().await?;
        let outcome = self.person().consent(&who.username).await?;
        ensure!(outcome["outcome"] == "connected", "{outcome:?}");
        let connection = outcome.get("connectionId").context("no connection")?.clone();
        Ok(Account { connection, id: who.id, username: who.username, token: String::new() })
    }

    /// A user of the network whose account is not brought in, and the arguments that would.
    ///
    /// # Errors
    /// When the simulator refuses.
    pub async fn newcomer(&self) -> Result<(Who, Value)> {
        let (username, token) = new_names();
        let who = self.network.register(&NewUser::with_token(&username, &token)).await?;
        Ok((who, json!({ "platform": "TWITTER", "accessToken": token })))
    }

    /// Enqueues a job that runs until the network releases what it holds under `name`; answers the
    /// job once it runs.
    ///
    /// # Errors
    /// When the fleet refuses, or nobody runs the job.
    pub async fn held_job(&self, name: &str, times: u64) -> Result<String> {
        let (who, args) = self.newcomer().await?;
        let hold = Action::hold(name, When::Before);
        let rule = Rule::on("GET", "/2/users/me", hold).user(&who.id).times(times);
        self.network.fault(rule).await?;
        let job = self.api.enqueue("connection.import", args).await?;
        self.network.wait_hold(name, PATIENCE).await?;
        Ok(job)
    }

    /// The API with a new key that may do only this.
    ///
    /// # Errors
    /// When the fleet refuses.
    pub async fn key_with(&self, scopes: &[&str]) -> Result<Api> {
        let (_, key) = create_key(&self.api, scopes).await?;
        Ok(self.api.with_token(&key))
    }

    /// A text that nobody has posted before.
    pub fn text(&self, about: &str) -> String {
        format!("{about} {}", random_hex(4))
    }

    /// Writes content; answers the version.
    ///
    /// # Errors
    /// When the fleet refuses.
    pub async fn write(&self, text: &str) -> Result<String> {
        let made = self.api.done("content.create", content_of(text)).await?;
        let id = made["contentVersionIds"][0].as_str().map(str::to_owned);
        id.context("no content version")
    }

    /// Attaches a new image to a version; answers the attachment.
    ///
    /// # Errors
    /// When the fleet refuses.
    pub async fn attach_image(&self, version: &str) -> Result<String> {
        let file = self.api.upload("bread.png", "image/png", picture::png()).await?;
        let attach = json!({
            "contentVersionId": version, "fileId": file,
            "filename": "bread.png", "altText": "A loaf of bread",
        });
        text(&self.api.done("media.attach", attach).await?, "mediaAttachmentId")
    }

    /// Schedules a version for the first account.
    ///
    /// # Errors
    /// When the fleet refuses.
    pub async fn schedule(&self, version: &str, at: DateTime<Utc>) -> Result<Value> {
        self.schedule_on(version, &self.account, at).await
    }

    /// Schedules a version for an account.
    ///
    /// # Errors
    /// When the fleet refuses.
    pub async fn schedule_on(
        &self,
        version: &str,
        on: &Account,
        at: DateTime<Utc>,
    ) -> Result<Value> {
        self.api.done("schedule.create", plan_of(version, on, at)).await
    }

    /// Writes a text and schedules it for the account, so many milliseconds from then.
    ///
    /// # Errors
    /// When the fleet refuses.
    pub async fn plan(&self, about: &str, on: &Account, ms: i64) -> Result<Planned> {
        let mut planned = self.plan_together(&[(about, on, 0)], ms).await?;
        planned.pop().context("one was planned")
    }

    /// Writes texts and schedules them for their accounts, all counted from one moment, which is so
    /// many milliseconds after the last one was written, or more where that took long: a test that does
    /// something before the moment needs time in which this machine does a few jobs. Each with
    /// milliseconds of its own on top.
    ///
    /// # Errors
    /// When the fleet refuses.
    pub async fn plan_together(
        &self,
        posts: &[(&str, &Account, i64)],
        ms: i64,
    ) -> Result<Vec<Planned>> {
        let texts: Vec<String> = posts.iter().map(|(about, ..)| self.text(about)).collect();
        let written: Vec<Value> = texts.iter().map(|text| content_of(text)).collect();
        let began = Instant::now();
        let written = self.api.all_done("content.create", written).await?;
        let some_jobs = began.elapsed().saturating_mul(SOME_JOBS).min(LONGEST_LEAD);
        let moment = in_ms(ms.max(i64::try_from(some_jobs.as_millis())?));
        let moments = posts.iter().map(|(.., more)| moment + TimeDelta::milliseconds(*more));
        let mut planned: Vec<Planned> = moments
            .zip(texts)
            .zip(posts)
            .map(|((at, text), (_, on, _))| Planned {
                id: String::new(),
                at,
                text,
                username: on.username.clone(),
            })
            .collect();
        let plans = written.iter().zip(posts).zip(&planned).map(|((made, (_, on, _)), planned)| {
            let version = made["contentVersionIds"][0].as_str().unwrap_or_default();
            plan_of(version, on, planned.at)
        });
        let made = self.api.all_done("schedule.create", plans.collect()).await?;
        for (planned, made) in planned.iter_mut().zip(&made) {
            planned.id = text(made, "scheduleId")?;
        }
        Ok(planned)
    }

    /// Sets a trap for the call that publishes on the account.
    ///
    /// # Errors
    /// When the simulator refuses.
    pub async fn trap(&self, on: &Account, action: Action) -> Result<()> {
        let rule = Rule::on("POST", "/2/tweets", action).user(&on.id);
        self.network.fault(rule).await?;
        Ok(())
    }

    /// Waits until a schedule is published, and checks all that must hold then: exactly one post
    /// at the network, not before its time, and the same id and address everywhere.
    ///
    /// # Errors
    /// When something does not hold.
    pub async fn published(&self, planned: &Planned) -> Result<Value> {
        let schedule = self.api.schedule_is(&planned.id, "published", TO_THE_END).await?;
        let posts = self.posts(planned).await?;
        ensure!(posts.len() == 1, "{} posts at the network: {posts:#?}", posts.len());
        let (post, id) = (&posts[0], &schedule["publishedPostId"]);
        ensure!(*id == post.id.as_str(), "the post is {}, the schedule says {id}", post.id);
        let url = schedule["publishedPostUrl"].as_str().unwrap_or_default();
        ensure!(url.starts_with("https://x.com/") && url.ends_with(&post.id), "address {url:?}");
        ensure!(post.created_at >= planned.at, "{} went out early: {post:?}", planned.at);
        let log = schedule["attemptLog"].as_array().context("no attempt log")?;
        ensure!(!log.is_empty(), "the attempt log is empty: {schedule}");
        let out = self.api.event(&planned.id, "post.published", TO_THE_END).await?;
        ensure!(out["message"].as_str().is_some_and(|m| !m.is_empty()), "{out}");
        Ok(schedule)
    }

    /// The posts that the network really has of a schedule, deleted ones included.
    ///
    /// # Errors
    /// When the simulator fails.
    pub async fn posts(&self, planned: &Planned) -> Result<Vec<ControlPost>> {
        let mut posts = self.network.posts(&planned.username).await?;
        posts.retain(|post| post.text == planned.text);
        Ok(posts)
    }
}

/// The first moment, in whole milliseconds, that is so far away.
pub fn in_ms(ms: i64) -> DateTime<Utc> {
    let at = Utc::now() + TimeDelta::milliseconds(ms + 1);
    let whole = at.nanosecond() / 1_000_000 * 1_000_000;
    at.with_nanosecond(whole).unwrap_or(at)
}

fn content_of(text: &str) -> Value {
    let version = json!({ "platform": "TWITTER", "text": text });
    json!({ "title": "News", "versions": [version] })
}

fn plan_of(version: &str, on: &Account, at: DateTime<Utc>) -> Value {
    json!({
        "contentVersionId": version,
        "platformConnectionId": on.connection,
        "at": at.format("%Y-%m-%dT%H:%M:%S%.3f").to_string(),
        "timezone": "UTC",
    })
}

async fn create_key(api: &Api, scopes: &[&str]) -> Result<(String, String)> {
    // Tests look more often than people do.
    let args = json!({ "name": "A frontend", "scopes": scopes, "rateLimitPerMinute": 100_000 });
    let job = api.done_by("", "key.create", args).await?;
    Ok((text(&job["result"], "keyId")?, text(&job, "key")?))
}

fn new_names() -> (String, String) {
    (format!("t{}", random_hex(5)), format!("token-{}", random_hex(16)))
}

async fn bring_in(api: &Api, network: &simulator::Client) -> Result<Account> {
    let (username, token) = new_names();
    let who = network.register(&NewUser::with_token(&username, &token)).await?;
    let args = json!({ "platform": "TWITTER", "accessToken": token });
    let made = api.done("connection.import", args).await?;
    ensure!(made["accountId"] == who.id.as_str(), "another account was brought in: {made}");
    Ok(Account { connection: text(&made, "connectionId")?, id: who.id, username, token })
}
