//! `bench polls`: how often a network is asked for a post in its first 30 days. Nothing is timed: the
//! cadence that the schema holds is followed through 60 days of an account, call by call.
//!
//! **Invariant:** posts are asked for as `store::engagement::due` takes them: those that are due, and those
//! that are past three quarters of their pause.

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use crate::case::{Case, OURS};
use crate::report::Report;
use crate::servers::Servers;
use jobs::engagement::{Cadence, next_look};
use platforms::Platform;
use store::Login;

/// What is simulated.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Posts a day of the account.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 3, 10, 100])]
    pub(crate) posts_a_day: Vec<u32>,
}

/// How long a post goes on being liked.
#[derive(Clone, Copy, Debug)]
enum Liked {
    Never,
    ForADay,
    ForAMonth,
}

impl Liked {
    const ALL: [Liked; 3] = [Liked::Never, Liked::ForADay, Liked::ForAMonth];

    const fn as_str(self) -> &'static str {
        match self {
            Liked::Never => "never",
            Liked::ForADay => "for a day",
            Liked::ForAMonth => "for a month",
        }
    }

    fn at(self, age: TimeDelta) -> bool {
        match self {
            Liked::Never => false,
            Liked::ForADay => age < TimeDelta::days(1),
            Liked::ForAMonth => true,
        }
    }
}

/// A post of the account.
struct Post {
    published_at: DateTime<Utc>,
    looked_at: Option<DateTime<Utc>>,
    next: Option<DateTime<Utc>>,
    unchanged: i32,
    looks: u32,
}

/// Follows the cadence.
pub(crate) async fn polls(servers: &Servers, options: &Options, report: &mut Report) -> Result<()> {
    let database = servers.database().await?;
    let store = database.store(Login::Worker, 1).await?;
    let cadence =
        store::engagement::cadence(&mut *store.single().await?, Platform::Twitter).await?;
    for per_day in &options.posts_a_day {
        for liked in Liked::ALL {
            let (calls, looks) = follow(&cadence, *per_day, liked);
            let parameters = json!({ "posts a day": per_day, "liked": liked.as_str() });
            let mut case = Case::new("polls", OURS, parameters);
            case.add("calls/post", calls);
            case.add("looks/post", looks);
            report.add(case);
        }
    }
    database.drop().await
}

/// Calls for each post, and how often each is part of one, once the account is a month old.
fn follow(cadence: &[Cadence], per_day: u32, liked: Liked) -> (f64, f64) {
    let most = Platform::Twitter.lookup_size();
    let began = DateTime::UNIX_EPOCH;
    let (month, apart) = (TimeDelta::days(30), TimeDelta::days(1) / per_day.cast_signed());
    let first = |published_at| cadence.first().map(|step| published_at + step.every);
    let mut posts: Vec<Post> = (0..60 * per_day.cast_signed())
        .map(|nth| began + apart * nth)
        .map(|at| Post {
            published_at: at,
            looked_at: None,
            next: first(at),
            unchanged: 0,
            looks: 0,
        })
        .collect();
    let mut calls = 0_u32;
    while let Some(now) = posts.iter().filter_map(|post| post.next).min() {
        // Of the second month: before it the account has few posts, behind it no new ones.
        if now >= began + month * 2 {
            break;
        }
        calls += u32::from(now >= began + month);
        let comes_along = |post: &&mut Post| {
            let Some(next) = post.next else { return false };
            let nearly = post.looked_at.is_some_and(|looked| now >= next - (next - looked) / 4);
            post.published_at <= now && (next <= now || nearly)
        };
        let mut along: Vec<&mut Post> = posts.iter_mut().filter(comes_along).collect();
        along.sort_by_key(|post| post.next);
        for post in along.into_iter().take(most) {
            let changed = liked.at(now - post.published_at);
            post.unchanged = if changed { 0 } else { post.unchanged.saturating_add(1) };
            post.looked_at = Some(now);
            post.next = next_look(cadence, post.published_at, now, post.unchanged);
            post.looks += 1;
        }
    }
    let whole = posts.iter().filter(|post| post.published_at < began + month);
    let looks: u32 = whole.map(|post| post.looks).sum();
    let a_month = f64::from(30 * per_day);
    (f64::from(calls) / a_month, f64::from(looks) / a_month)
}
