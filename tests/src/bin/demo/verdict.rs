//! Every promise, checked against the network's own journal.
//!
//! **Invariant:** what the API answers is believed only when the network's journal says the same.

use anyhow::Result;
use chrono::TimeDelta;
use fleet_tests::wait::PATIENCE;
use serde_json::Value;
use simulator::{ControlPost, Entry};
use tokio::time::Instant;

use crate::engagement::Compared;
use crate::print::Teller;
use crate::series::{Seen, Series, Turned};
use crate::stage::{LOOK_EVERY, Post, Stage};
use crate::trouble::Trouble;

/// What became of one post.
struct Ended {
    row: Vec<String>,
    lateness: Option<TimeDelta>,
    is_punctual: bool,
    broken: Vec<String>,
}

/// What became of all of it.
pub(crate) struct Verdict {
    ended: Vec<Ended>,
    series: Turned,
    broken: Vec<String>,
}

/// Compares the API's answers with the network's journal.
pub(crate) async fn reach(
    stage: &Stage,
    early: usize,
    engaged: &[Compared],
    series: &Series,
) -> Result<Verdict> {
    // All but the feed is there at once: it is behind while older transactions of the server are open.
    let turns = series.turns(stage).await?;
    let parent = stage.api.schedule(&series.id).await?;
    let feed = feed(stage, &series.must_be_told(&turns)).await?;
    let journal = stage.network.journal(0).await?;
    let held = stage.network.all_posts().await?;
    let grants = stage.network.grants().await?;
    let mut ended = Vec::new();
    let mut broken = Vec::new();
    let mut ours = 0;
    for post in &stage.posts {
        let answer = stage.answer(post).await?;
        let events = feed.iter().filter(|event| event["subjectId"] == post.schedule.as_str());
        let events: Vec<&Value> = events.collect();
        let held: Vec<&ControlPost> = held.iter().filter(|held| held.text == post.text).collect();
        ours += held.len();
        ended.push(judge(post, &answer, &held, &journal, &events));
    }
    let users: Vec<&str> = stage.posts.iter().map(|post| post.account.id.as_str()).collect();
    let all = held.iter().filter(|held| users.contains(&held.user.id.as_str())).count();
    let token = stage.with(Trouble::TokenEnded)?;
    let grant = grants.iter().find(|grant| grant.user_id == token.account.id);
    if grant.is_none_or(|grant| grant.refreshes != 1 || grant.ended) {
        broken.push(format!("{:?}: its token must be refreshed once", token.title));
    }
    if all != ours {
        broken.push(format!("the accounts hold {all} posts, of which {ours} were asked for"));
    }
    for post in engaged.iter().filter(|post| !post.agree()) {
        broken.push(format!("{:?}: its totals must be the network's", post.title()));
    }
    if early > 0 {
        broken.push(format!("{early} posts were out before their time"));
    }
    let seen = Seen { parent, turns, held: &held, journal: &journal, feed: &feed };
    let series = series.judge(&seen);
    Ok(Verdict { ended, series, broken })
}

/// The feed, when it tells of each of these subjects what it must, and of each post that it is out; what it
/// does not tell by then is told by the verdict.
async fn feed(stage: &Stage, must: &[(String, &str)]) -> Result<Vec<Value>> {
    let posts = stage.posts.iter().map(|post| (post.schedule.clone(), "post.published"));
    let must: Vec<(String, &str)> = posts.chain(must.iter().cloned()).collect();
    let deadline = Instant::now() + PATIENCE;
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        looks.tick().await;
        let feed = stage.api.items("/v1/events?limit=200").await?;
        let is_told = |(subject, kind): &(String, &str)| {
            let of = |event: &&Value| event["subjectId"] == subject.as_str();
            feed.iter().filter(of).any(|event| event["type"] == *kind)
        };
        if must.iter().all(is_told) || Instant::now() > deadline {
            return Ok(feed);
        }
    }
}

fn judge(
    post: &Post,
    answer: &Value,
    held: &[&ControlPost],
    journal: &[Entry],
    events: &[&Value],
) -> Ended {
    let mut broken = Vec::new();
    let mut must = |holds: bool, promise: &str| {
        if !holds {
            broken.push(format!("{:?}: {promise}", post.title));
        }
    };
    let status = answer["status"].as_str().unwrap_or_default();
    let id = answer["publishedPostId"].as_str().unwrap_or_default();
    let url = answer["publishedPostUrl"].as_str().unwrap_or_default();
    let told = |kind: &str| events.iter().filter(|event| event["type"] == kind).count();
    must(status == "published", "must be published");
    must(held.len() == 1, "the network must hold exactly one post");
    must(
        held.iter().any(|held| held.id == id),
        "the network must hold the post that the API names",
    );
    must(!id.is_empty() && url.ends_with(id), "the API must name its address");
    must(held.iter().all(|held| held.created_at >= post.at), "must not go out early");
    must(told("post.published") == 1, "the events must tell once that it is out");
    let images = usize::from(post.trouble == Trouble::Image);
    must(held.iter().all(|held| held.media.len() == images), "must show its images");
    if matches!(post.trouble, Trouble::RateLimited | Trouble::TokenEnded) {
        must(answer["retryCount"] == 0, "neither a 429 nor an ended token may cost an attempt");
    }
    if post.trouble == Trouble::Unfindable {
        must(told("post.unconfirmed") >= 2, "the events must tell that a person was asked");
    }
    let calls = post.calls(journal);
    must(
        calls == post.trouble.calls(),
        "the network must have been called as often as its trouble takes",
    );
    let lateness = held.first().map(|held| held.created_at - post.at);
    let log = answer["attemptLog"].as_array().cloned().unwrap_or_default();
    let words: Vec<&str> = log.iter().filter_map(|entry| entry["outcome"].as_str()).collect();
    let last = log.last().and_then(|entry| entry["message"].as_str()).unwrap_or_default();
    let row = vec![
        post.title.to_owned(),
        post.trouble.told().to_owned(),
        calls.to_string(),
        held.len().to_string(),
        lateness.map_or_else(|| "-".to_owned(), |late| late.num_milliseconds().to_string()),
        words.join(", "),
        last.to_owned(),
    ];
    Ended { row, lateness, is_punctual: post.trouble.is_punctual(), broken }
}

impl Verdict {
    /// Whether every promise held.
    pub(crate) fn holds(&self) -> bool {
        self.broken().next().is_none()
    }

    fn broken(&self) -> impl Iterator<Item = &String> {
        let posts = self.ended.iter().flat_map(|ended| &ended.broken);
        self.broken.iter().chain(posts).chain(&self.series.broken)
    }

    /// The tables, the lateness, and what did not hold. `calls` and `posts` are the network's.
    pub(crate) fn tell(&self, stage: &Stage, teller: &Teller) {
        let rows: Vec<Vec<String>> = self.ended.iter().map(|ended| ended.row.clone()).collect();
        let head = ["post", "on the way", "calls", "posts", "late ms", "attempts", "how it ended"];
        teller.line("");
        teller.table(&head, &rows, 26);
        self.series.tell(teller);
        let mut late: Vec<TimeDelta> =
            self.ended.iter().filter(|e| e.is_punctual).filter_map(|e| e.lateness).collect();
        late.sort_unstable();
        teller.line(&format!(
            "\n  lateness of the {} posts without trouble, by the network's journal: p50 {} ms, \
             p99 {} ms",
            late.len(),
            share(&late, 50),
            share(&late, 99),
        ));
        if self.holds() {
            teller.line(&format!(
                "  {} posts were asked for; the network holds each of them exactly once",
                stage.posts.len() + self.series.out
            ));
        }
        for promise in self.broken() {
            teller.line(&format!("  BROKEN: {promise}"));
        }
    }
}

/// The value that so many percent do not exceed, in milliseconds.
fn share(sorted: &[TimeDelta], percent: usize) -> i64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(rank).map_or(0, TimeDelta::num_milliseconds)
}
