//! People like, answer and share: the network tells of it twice, late and out of order, loses some of it, and
//! is asked.
//!
//! **Invariant:** the totals that are shown beside the network's are those that the API answers.

use std::time::Duration;

use anyhow::{Context, Result};
use fleet_tests::api::text;
use serde_json::Value;
use simulator::{Deliver, Metrics, NewEngagement, Order, Reaction, Sender};
use sqlx::{Connection as _, PgConnection};
use tokio::time::Instant;

use crate::Options;
use crate::print::Teller;
use crate::stage::{LOOK_EVERY, Post, Stage};
use crate::trouble::Trouble;

/// How often the network is asked in the play for the totals of posts of the first hour.
const RHYTHM: &str = "update poll_cadence set every = '10 seconds' where younger_than <= '1 hour'";
/// The posts that people care for.
const LIKED: usize = 4;
/// How long the totals may take to be the network's.
const PATIENCE: Duration = Duration::from_secs(60);

/// What people do with the n-th of these posts, and what becomes of the network's word of it.
fn acts(nth: usize) -> [(Reaction, i64, Deliver); 6] {
    let more = nth as i64;
    [
        (Reaction::Like, 5 + 3 * more, Deliver::Hold),
        (Reaction::Reply, 2 + more, Deliver::Hold),
        (Reaction::Repost, 1 + more, Deliver::Hold),
        // What is lost on the way, taken back, or never told, only a look can find.
        (Reaction::Like, 2, Deliver::Never),
        (Reaction::Like, -1, Deliver::Never),
        (Reaction::Impression, 120 + 40 * more, Deliver::Never),
    ]
}

/// A post, and how it stands by the network and by the API.
pub(crate) struct Compared {
    title: &'static str,
    network: [u64; 4],
    api: [Option<u64>; 4],
}

const TOTALS: [&str; 4] = ["likes", "comments", "shares", "impressions"];

impl Stage {
    /// Has the network asked often, and tells it where to tell us things.
    pub(crate) async fn listen(&self, options: &Options, teller: &Teller) -> Result<()> {
        let mut conn =
            PgConnection::connect(&options.database_url).await.context("the database")?;
        sqlx::raw_sql(RHYTHM).execute(&mut conn).await?;
        conn.close().await?;
        let url = format!("{}/webhooks/x", options.api_url);
        self.network.set_x_webhook(&url, &options.x_webhook_secrets).await?;
        teller.step("X has seen that we know its secret, and tells us what happens");
        teller
            .step("and is asked for totals every 10 s: the rhythm is a row, 5 minutes in earnest");
        Ok(())
    }

    /// Lets people do something with posts, and waits until the fleet's totals are the network's.
    pub(crate) async fn engage(&self, teller: &Teller) -> Result<Vec<Compared>> {
        let liked: Vec<&Post> =
            self.posts.iter().filter(|post| post.trouble == Trouble::None).take(LIKED).collect();
        let mut held = Vec::new();
        for (nth, post) in liked.iter().enumerate() {
            let id = self.network_id(post).await?;
            let mut metrics = Metrics::default();
            for (reaction, count, deliver) in acts(nth) {
                let told =
                    NewEngagement { deliver, copies: 2, ..NewEngagement::of(reaction, count) };
                metrics = self.network.engage(&id, told).await?.metrics;
            }
            held.push(metrics);
        }
        let told = self.network.release_deliveries(Sender::X, Order::Shuffle, 5).await?;
        self.network.wait_deliveries(Sender::X, PATIENCE).await?;
        teller.step(&format!(
            "X told of {} likes, replies and reposts, each twice and in no order: {} deliveries, all signed",
            told.len() / 2,
            told.len()
        ));
        teller.step(
            "of others it told nothing: likes that were lost on the way or taken back, views",
        );
        let mut ids = Vec::new();
        for post in &liked {
            let posts = self.api.items(&format!("/v1/posts?scheduleId={}", post.schedule)).await?;
            ids.push(text(posts.first().context("no post")?, "id")?);
        }
        let deadline = Instant::now() + PATIENCE;
        let mut looks = tokio::time::interval(LOOK_EVERY);
        let compared = loop {
            looks.tick().await;
            let mut compared = Vec::new();
            for ((post, id), metrics) in liked.iter().zip(&ids).zip(&held) {
                compared.push(self.compare(post, id, metrics).await?);
            }
            // What does not agree by then is told by the verdict.
            if compared.iter().all(Compared::agree) || Instant::now() > deadline {
                break compared;
            }
        };
        teller.step("asked for its totals, X names what the API answers");
        Ok(compared)
    }

    async fn network_id(&self, post: &Post) -> Result<String> {
        let posts = self.network.posts(&post.account.id).await?;
        let own = posts.into_iter().find(|one| one.text == post.text);
        Ok(own.context("the network has no such post")?.id)
    }

    async fn compare(&self, post: &Post, id: &str, metrics: &Metrics) -> Result<Compared> {
        let seen: Value = self.api.read(&format!("/v1/posts/{id}/engagement")).await?;
        Ok(Compared {
            title: post.title,
            network: [
                metrics.likes,
                metrics.replies,
                metrics.reposts + metrics.quotes,
                metrics.impressions,
            ],
            api: TOTALS.map(|name| seen[name].as_u64()),
        })
    }
}

impl Compared {
    /// Whether the API answers what the network says.
    pub(crate) fn agree(&self) -> bool {
        self.network.iter().zip(&self.api).all(|(network, api)| Some(*network) == *api)
    }

    /// Which post it is.
    pub(crate) fn title(&self) -> &'static str {
        self.title
    }
}

/// The totals side by side.
pub(crate) fn tell(compared: &[Compared], teller: &Teller) {
    let rows: Vec<Vec<String>> = compared
        .iter()
        .map(|post| {
            let cell = |nth: usize| {
                let api = post.api[nth].map_or_else(|| "unknown".to_owned(), |n| n.to_string());
                format!("{} / {api}", post.network[nth])
            };
            std::iter::once(post.title.to_owned()).chain((0..TOTALS.len()).map(cell)).collect()
        })
        .collect();
    let head = ["X / our API", "likes", "comments", "shares", "impressions"];
    teller.line("");
    teller.table(&head, &rows, 26);
}
