//! The demo's narrator: tells how scheduled posts go out exactly once while much goes wrong, then
//! compares what the API answers with what the network really holds.
//!
//! `bin/demo` starts the fleet and runs this against it.
//!
//! | file | what |
//! | --- | --- |
//! | `stage.rs` | the fleet, the organization, its accounts and posts |
//! | `review.rs` | an account connected by consent, a post that a model writes and people review |
//! | `trouble.rs` | what goes wrong on the way |
//! | `engagement.rs` | what people do with the posts, by the network's word and by its totals |
//! | `series.rs` | a series: what clocks do to one, one occurrence left out, one put off |
//! | `processes.rs` | the worker that has a job, killed or stopped |
//! | `verdict.rs` | every promise, checked against the network's own journal |
//! | `print.rs` | lines and tables |
//!
//! **Invariant:** it ends with 0 only if every promise held.

mod engagement;
mod print;
mod processes;
mod review;
mod series;
mod stage;
mod trouble;
mod verdict;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use clap::Parser;

use print::Teller;
use series::Series;
use stage::Stage;
use trouble::Trouble;

/// Tells how scheduled posts go out exactly once while much goes wrong.
#[derive(Debug, Parser)]
#[command(name = "demo", version, about)]
struct Options {
    /// Says nothing about what to look at afterwards: the fleet will not stay up.
    #[arg(long)]
    once: bool,
    /// Where the API is.
    #[arg(long, env = "API_URL")]
    api_url: String,
    /// The operators' token.
    #[arg(long, env = "OPERATOR_TOKEN", hide_env_values = true)]
    operator_token: String,
    /// Where the stand-in for X is.
    #[arg(long, env = "SIMULATOR_URL")]
    simulator_url: String,
    /// Where the workers' process ids are.
    #[arg(long, env = "EZRE_RUN_DIR")]
    run_dir: PathBuf,
    /// The secret of the fleet's app at the network.
    #[arg(long, env = "X_CLIENT_SECRET", hide_env_values = true)]
    x_client_secret: String,
    /// What the network signs with.
    #[arg(long, env = "X_WEBHOOK_SECRETS", hide_env_values = true)]
    x_webhook_secrets: String,
    /// The fleet's database, as its owner.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// The id of the fleet's app at the network.
    #[arg(long, env = "X_CLIENT_ID")]
    x_client_id: String,
    /// The key of the fleet's models.
    #[arg(long, env = "LLM_API_KEY", hide_env_values = true)]
    llm_api_key: String,
    /// The fleet's Redis, if it has one.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    redis_url: Option<String>,
    /// What all keys of this fleet begin with.
    #[arg(long, env = "REDIS_PREFIX", default_value = "ezre")]
    redis_prefix: String,
}

/// From the first act to the moment for which the posts are scheduled.
const CURTAIN: TimeDelta = TimeDelta::seconds(6);
/// From there to the second moment.
const INTERVAL: TimeDelta = TimeDelta::seconds(15);
/// Just before.
const A_MOMENT: TimeDelta = TimeDelta::milliseconds(400);
/// How long the last post may take to its end.
const PATIENCE: Duration = Duration::from_secs(150);

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let teller = Teller::new();
    match play(&options, &teller).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            teller.line(&format!("The demo cannot go on: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn play(options: &Options, teller: &Teller) -> Result<bool> {
    teller.title("Ezre Comms: scheduled posts go out exactly once, whatever happens");

    teller.act("An operator creates an organization and its key");
    let mut stage = Stage::open(options, teller).await?;
    processes::no_strangers(&stage).await?;
    stage.listen(options, teller).await?;

    teller.act("A person connects an account at X's consent page");
    let account = stage.connect(options, teller).await?;

    teller.act("A model writes a post for it, and people review it");
    stage.write_and_review(account, teller).await?;

    teller.act("More accounts are brought in, and people write posts themselves");
    stage.write_posts(teller).await?;

    let first = whole_second(Utc::now() + CURTAIN);
    let second = first + INTERVAL;
    teller.act("All of it is scheduled, most of it for the very same second");
    stage.schedule(first, second, teller).await?;
    stage.set_traps().await?;

    teller.act("The moment comes");
    stage::sleep_until(first - A_MOMENT).await;
    let early = stage.posts_at_network().await?;
    teller.step(&format!("{early} posts at the network just before their time"));
    processes::kill_between_call_and_record(&stage, teller).await?;

    teller.act("Redis is emptied, and the second moment comes");
    stage.empty_redis(options, second - A_MOMENT, teller).await?;
    processes::stop_past_the_lease(&stage, teller).await?;

    teller.act("A series is planned: the same account again and again");
    let series = Series::plan(&stage, teller).await?;

    teller.act("What is unclear is found out, while the series goes out by itself");
    tokio::try_join!(stage.follow(PATIENCE, teller), series.follow(&stage, PATIENCE, teller))?;

    teller.act("One outcome cannot be found out: a person decides");
    stage.decide(teller).await?;

    teller.act("People like, answer and share what they read");
    let engaged = stage.engage(teller).await?;

    teller.act("What was asked, and what the network really holds");
    let verdict = verdict::reach(&stage, early, &engaged, &series).await?;
    verdict.tell(&stage, teller);
    engagement::tell(&engaged, teller);
    if !options.once {
        stage.where_to_look(teller);
    }
    Ok(verdict.holds())
}

fn whole_second(at: DateTime<Utc>) -> DateTime<Utc> {
    at.duration_trunc(TimeDelta::seconds(1)).map_or(at, |cut| cut + TimeDelta::seconds(1))
}

impl Options {
    /// The posts of the play, with what goes wrong for each.
    fn cast() -> Vec<(&'static str, Trouble)> {
        use Trouble as T;
        // Before these comes the one that a model writes.
        let mut cast = vec![
            ("A loaf in a picture", T::Image),
            ("Rye at seven", T::None),
            ("Spelt at eight", T::None),
            ("Rolls at nine", T::None),
            ("Cake at ten", T::None),
            ("Pie at eleven", T::None),
            ("Soup at noon", T::None),
            ("Tea at four", T::None),
            ("Too many posts", T::RateLimited),
            ("A line cut early", T::DropBefore),
            ("A line cut late", T::DropAfter),
            ("A network in pain", T::Status503),
            ("A dying worker", T::Killed),
            ("A hidden post", T::Unfindable),
        ];
        cast.extend([
            ("A sleeping worker", T::Stopped),
            ("Bread, no Redis", T::WithoutRedis),
            ("Butter, no Redis", T::WithoutRedis),
            ("Salt, no Redis", T::WithoutRedis),
        ]);
        cast
    }
}
