//! The fleet, the organization, its accounts and posts.
//!
//! **Invariant:** from the key's creation on, everything is done with the organization's key.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use chrono_tz::Europe::Berlin;
use fleet_tests::api::{ALL_SCOPES, Api, text};
use fleet_tests::{picture, wait};
use serde_json::{Value, json};
use simulator::{Client, Entry, NewUser};
use tokio::time::Instant;

use crate::Options;
use crate::print::Teller;
use crate::trouble::Trouble;

/// Accounts that share what meets no trouble.
const SHARED_ACCOUNTS: usize = 3;

/// How often the API is asked how the posts are doing.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The person who connects, writes and decides.
pub(crate) const PERSON: &str = "anna@bakery.example";

/// An account at the network.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) username: String,
    pub(crate) connection: String,
}

/// A post of the play.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) title: &'static str,
    pub(crate) text: String,
    pub(crate) trouble: Trouble,
    pub(crate) account: Account,
    pub(crate) version: String,
    pub(crate) schedule: String,
    pub(crate) at: DateTime<Utc>,
}

impl Post {
    /// How often the network was called to publish it.
    pub(crate) fn calls(&self, journal: &[Entry]) -> usize {
        calls(&self.text, journal)
    }
}

/// How often the network was called to publish a text.
pub(crate) fn calls(text: &str, journal: &[Entry]) -> usize {
    let is_call = |entry: &&Entry| {
        entry.method == "POST"
            && entry.path == "/2/tweets"
            && entry.body.as_ref().is_some_and(|body| body["text"] == text)
    };
    journal.iter().filter(is_call).count()
}

/// The fleet, and all that the play has brought into it.
pub(crate) struct Stage {
    pub(crate) operator: Api,
    pub(crate) api: Api,
    pub(crate) network: Client,
    pub(crate) run_dir: std::path::PathBuf,
    pub(crate) organization: String,
    pub(crate) posts: Vec<Post>,
    /// New with every play, so that it may be played again.
    pub(crate) mark: String,
}

/// Sleeps until a moment of the play.
pub(crate) async fn sleep_until(at: DateTime<Utc>) {
    tokio::time::sleep((at - Utc::now()).to_std().unwrap_or_default()).await;
}

impl Stage {
    /// Creates the organization and its key.
    pub(crate) async fn open(options: &Options, teller: &Teller) -> Result<Self> {
        let operator = Api::new(&options.api_url, &options.operator_token);
        let network = Client::new(&options.simulator_url);
        let mark: String = (0..3).map(|_| format!("{:02x}", rand::random::<u8>())).collect();
        let args = json!({
            "name": "Acme Bakery", "slug": format!("acme-bakery-{mark}"), "timezone": Berlin.name(),
        });
        let made = operator.done("organization.create", args).await?;
        let organization = text(&made, "organizationId")?;
        teller.step(&format!("Acme Bakery is the organization {organization}"));
        let args = json!({ "approvalRequired": true });
        operator.acting_for(&organization).done("organization.update", args).await?;
        teller.step("only what somebody has approved goes out");
        let args = json!({ "name": "The bakery's frontend", "scopes": ALL_SCOPES });
        let made = operator.acting_for(&organization).done_by("", "key.create", args).await?;
        let api = operator.with_token(&text(&made, "key")?);
        teller.step("its key was shown once; from here on, everything is done with it");
        let run_dir = options.run_dir.clone();
        Ok(Self { operator, api, network, run_dir, organization, posts: Vec::new(), mark })
    }

    /// Brings in the accounts and writes the posts.
    pub(crate) async fn write_posts(&mut self, teller: &Teller) -> Result<()> {
        let mut shared = Vec::new();
        for number in 0..SHARED_ACCOUNTS {
            shared.push(self.bring_in(&format!("bakery{number}")).await?);
        }
        let cast = Options::cast();
        let posts = cast.len();
        for (at, (title, trouble)) in cast.into_iter().enumerate() {
            let account = if trouble.wants_own_account() {
                self.bring_in(&format!("bakery{}", SHARED_ACCOUNTS + at)).await?
            } else {
                shared[at % SHARED_ACCOUNTS].clone()
            };
            let text = format!("{title} #{}", self.mark);
            let version = json!({ "platform": "TWITTER", "text": text });
            let args = json!({ "title": title, "versions": [version] });
            let made = self.api.done("content.create", args).await?;
            let version = made["contentVersionIds"][0].as_str().context("a version")?.to_owned();
            if trouble == Trouble::Image {
                let file = self.api.upload("loaf.png", "image/png", picture::png()).await?;
                let args = json!({
                    "contentVersionId": version, "fileId": file, "filename": "loaf.png",
                    "altText": "A loaf of bread",
                });
                self.api.done("media.attach", args).await?;
            }
            let args = json!({ "contentRequestId": made["contentRequestId"] });
            self.api.done_by(PERSON, "content.approve", args).await?;
            let (schedule, at) = (String::new(), Utc::now());
            self.posts.push(Post { title, text, trouble, account, version, schedule, at });
        }
        let mut names: Vec<&str> =
            self.posts.iter().map(|post| post.account.username.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        teller.step(&format!("{} accounts; their tokens rest sealed", names.len()));
        teller.step(&format!("{posts} posts, one with an image, all approved"));
        Ok(())
    }

    /// Brings in an account whose name begins so.
    pub(crate) async fn bring_in(&self, name: &str) -> Result<Account> {
        let username = format!("{name}_{}", self.mark);
        let token: String = (0..16).map(|_| format!("{:02x}", rand::random::<u8>())).collect();
        let who = self.network.register(&NewUser::with_token(&username, &token)).await?;
        let args = json!({ "platform": "TWITTER", "accessToken": token });
        let made = self.api.done("connection.import", args).await?;
        ensure!(made["accountId"] == who.id.as_str(), "the network named another account: {made}");
        Ok(Account { id: who.id, username, connection: text(&made, "connectionId")? })
    }

    /// Schedules every post for its moment, as wall time in the bakery's zone.
    pub(crate) async fn schedule(
        &mut self,
        first: DateTime<Utc>,
        second: DateTime<Utc>,
        teller: &Teller,
    ) -> Result<()> {
        for post in &mut self.posts {
            post.at = if post.trouble.is_late_in_the_play() { second } else { first };
            let args = json!({
                "contentVersionId": post.version,
                "platformConnectionId": post.account.connection,
                "at": post.at.with_timezone(&Berlin).format("%Y-%m-%dT%H:%M:%S").to_string(),
                "timezone": Berlin.name(),
            });
            let made = self.api.done("schedule.create", args).await?;
            post.schedule = text(&made, "scheduleId")?;
        }
        for (moment, at) in [("first", first), ("second", second)] {
            let posts = self.posts.iter().filter(|post| post.at == at).count();
            let wall = at.with_timezone(&Berlin).format("%H:%M:%S");
            teller.step(&format!("{posts} posts for the {moment} moment, {wall} in Berlin"));
        }
        Ok(())
    }

    /// Tells the network what to do to which calls.
    pub(crate) async fn set_traps(&self) -> Result<()> {
        for post in &self.posts {
            let rules = post.trouble.rules(&post.account.id);
            if !rules.is_empty() {
                self.network.faults(&rules).await?;
            }
        }
        Ok(())
    }

    /// How many posts of the play the network holds.
    pub(crate) async fn posts_at_network(&self) -> Result<usize> {
        let all = self.network.all_posts().await?;
        let ours = |text: &str| self.posts.iter().any(|post| post.text == text);
        Ok(all.iter().filter(|post| ours(&post.text)).count())
    }

    /// The one post with this trouble.
    pub(crate) fn with(&self, trouble: Trouble) -> Result<&Post> {
        self.posts.iter().find(|post| post.trouble == trouble).context("no such post in the play")
    }

    /// Deletes all of the fleet's keys from Redis at a moment.
    pub(crate) async fn empty_redis(
        &self,
        options: &Options,
        at: DateTime<Utc>,
        teller: &Teller,
    ) -> Result<()> {
        let Some(url) = &options.redis_url else {
            teller.step("this fleet runs without Redis: nothing to empty");
            return Ok(());
        };
        let bell = bell::Bell::connect(Some(url), &options.redis_prefix)?;
        sleep_until(at).await;
        // So that Redis has something to lose: it counts the calls of the key.
        let waiting = self.api.items("/v1/schedules?status=scheduled").await?.len();
        let keys = wait::until("Redis is emptied", Duration::from_secs(5), async || {
            Ok(bell.forget_all().await.ok())
        })
        .await?;
        let keys = if keys == 1 { "1 key".to_owned() } else { format!("{keys} keys") };
        teller.step(&format!("Redis emptied of {keys}; {waiting} posts wait in Postgres"));
        Ok(())
    }

    /// Follows the posts to their ends; the one that cannot be found, to the question to a person.
    pub(crate) async fn follow(&self, limit: Duration, teller: &Teller) -> Result<()> {
        let deadline = Instant::now() + limit;
        // As often as a frontend may ask.
        let mut looks = tokio::time::interval(LOOK_EVERY);
        let mut open: Vec<&Post> = self.posts.iter().collect();
        let mut quiet = 0;
        while !open.is_empty() {
            looks.tick().await;
            ensure!(Instant::now() < deadline, "posts are not at their end: {open:#?}");
            let schedules = self.api.items("/v1/schedules?limit=200").await?;
            let mut still_open = Vec::new();
            for post in open {
                let schedule = schedules.iter().find(|one| one["id"] == post.schedule.as_str());
                let status = schedule.and_then(|one| one["status"].as_str()).unwrap_or_default();
                let is_over = match status {
                    "published" | "failed" | "missed" | "cancelled" => true,
                    _ => post.trouble == Trouble::Unfindable && self.was_asked(post).await?,
                };
                if !is_over {
                    still_open.push(post);
                } else if post.trouble.is_punctual() {
                    quiet += 1;
                } else {
                    teller.step(&format!("{:<20} {status}", post.title));
                }
            }
            open = still_open;
        }
        teller.step(&format!("{quiet} posts without trouble have long been out"));
        Ok(())
    }

    /// Whether the look-ups for a post have been given up.
    async fn was_asked(&self, post: &Post) -> Result<bool> {
        let jobs = self.api.items("/v1/jobs?kind=post.reconcile&state=dead&limit=100").await?;
        Ok(jobs.iter().any(|job| job["args"]["scheduleId"] == post.schedule.as_str()))
    }

    /// A person looks at the account and says what is true.
    pub(crate) async fn decide(&self, teller: &Teller) -> Result<()> {
        let post = self.with(Trouble::Unfindable)?;
        let schedule = self.api.schedule(&post.schedule).await?;
        teller.step(&format!("{:?} is {}:", post.title, schedule["status"]));
        teller.step(schedule["statusReason"].as_str().unwrap_or_default());
        let seen = self.network.posts(&post.account.id).await?;
        let args = match seen.iter().find(|seen| seen.text == post.text) {
            Some(seen) => json!({
                "scheduleId": post.schedule, "resolution": "published", "platformPostId": seen.id,
            }),
            None => json!({ "scheduleId": post.schedule, "resolution": "publishAgain" }),
        };
        teller
            .step(&format!("{PERSON} looks at @{}: {}", post.account.username, args["resolution"]));
        self.api.done_by(PERSON, "post.resolve", args).await?;
        self.is_out(post).await?;
        teller.step("the events feed tells the story:");
        for event in self.api.events_of(&post.schedule).await? {
            let word = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
            teller.step(&format!("    {:<17} {}", word("type"), word("message")));
        }
        Ok(())
    }

    /// Waits until the API says that a post is out, looking no more often than a key may.
    async fn is_out(&self, post: &Post) -> Result<()> {
        let deadline = Instant::now() + wait::PATIENCE;
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            looks.tick().await;
            let schedule = self.answer(post).await?;
            if schedule["status"] == "published" {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{:?} is not out: {schedule}", post.title);
        }
    }

    /// Where to look while the fleet stays up.
    pub(crate) fn where_to_look(&self, teller: &Teller) {
        let (api, network) = (self.api.base_url(), self.network.base_url());
        teller.line(&format!(
            "\n  the posts            {api}/v1/schedules    (Authorization: Bearer, \
             Ezre-Organization: {})\n  what happened        {api}/v1/events\n  the API's reference  \
             {api}/openapi.json\n  the network's side   {network}/_control/posts, \
             {network}/_control/journal",
            self.organization
        ));
    }

    /// The schedule as the API tells it.
    pub(crate) async fn answer(&self, post: &Post) -> Result<Value> {
        self.api.schedule(&post.schedule).await
    }
}
