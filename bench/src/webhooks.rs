//! `bench webhooks`: how many signed events a second one core takes in, and how fast one worker makes of
//! them what they mean.
//!
//! **Invariant:** an event counts when its sender was answered and the table holds it; it is ingested when
//! the totals of the posts say so.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use platforms::webhooks::x;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::api::KEY;
use crate::case::{Case, OURS};
use crate::child::{PREFIX, Process};
use crate::fleet;
use crate::machine::{self, Meter};
use crate::report::Report;
use crate::servers::{Database, Servers};
use store::Login;

/// How much is told.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Likes, each told by an event of its own.
    #[arg(long, default_value_t = 50_000)]
    pub(crate) events: usize,
    /// Of so many posts.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) posts: usize,
    /// Deliveries at once.
    #[arg(long, default_value_t = 128)]
    pub(crate) in_flight: usize,
    /// How often.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
}

const SECRET: &str = "a consumer secret of nobody";
const LOOK: Duration = Duration::from_millis(20);

/// Measures both.
pub(crate) async fn webhooks(
    servers: &Servers,
    options: &Options,
    report: &mut Report,
) -> Result<()> {
    let parameters = json!({
        "events": options.events, "posts": options.posts, "in flight": options.in_flight,
    });
    let mut accepted = Case::new("webhooks accepted", OURS, parameters.clone());
    let mut ingested = Case::new("webhooks ingested", OURS, parameters);
    for _ in 0..options.rounds {
        let database = servers.database().await?;
        publish(&database, options.posts).await?;
        servers.checkpoint().await?;
        accept(servers, &database, options, &mut accepted).await?;
        ingest(servers, &database, options, &mut ingested).await?;
        database.drop().await?;
    }
    report.add_all(vec![accepted, ingested]);
    Ok(())
}

/// Posts of 20 accounts, each of an organization of its own.
async fn publish(database: &Database, posts: usize) -> Result<()> {
    for statement in [
        "insert into organizations (id, name, slug)
         select md5('o' || n)::uuid, 'Bench', 'bench-' || n from generate_series(0, 19) n",
        "insert into platform_connections (id, organization_id, platform, account_id, account_name, access_token, created_by)
         select id, id, 'TWITTER', slug, slug, 't', 'bench' from organizations",
        "insert into content_requests (id, organization_id, title, platforms, status, created_by)
         select id, id, 'Bench', '{TWITTER}', 'in_review', 'bench' from organizations",
        "insert into content_versions (id, organization_id, content_request_id, platform, text, created_by)
         select id, id, id, 'TWITTER', 'Bench', 'bench' from organizations",
        &format!(
            "insert into schedules (id, organization_id, content_version_id, platform_connection_id,
                 scheduled_at, wall_time, timezone, status, status_reason, created_by)
             select md5('p' || n)::uuid, o, o, o, now(), now(), 'UTC', 'cancelled', 'bench', 'bench'
             from generate_series(1, {posts}) n, md5('o' || n % 20) h, cast(h as uuid) o"
        ),
        "insert into published_posts (id, organization_id, schedule_id, content_version_id, platform_connection_id,
             platform_post_id, platform_post_url, published_at)
         select id, organization_id, id, content_version_id, platform_connection_id,
                (row_number() over (order by id))::text, 'u', now() from schedules",
        "insert into post_engagement (published_post_id, organization_id, platform_connection_id, platform, published_at)
         select id, organization_id, platform_connection_id, 'TWITTER', published_at from published_posts",
    ] {
        database.run(statement).await?;
    }
    database.run("analyze").await
}

/// The n-th like: what X would send, and its signature.
fn like(nth: usize, posts: usize) -> (Vec<u8>, String) {
    let body = json!({ "data": {
        "event_uuid": nth.to_string(), "event_type": "like.create", "tag": "likes",
        "filter": { "user_id": "1111111111111111111", "direction": "inbound" },
        "payload": {
            "id": format!("{nth:x}"), "liked_tweet_id": (nth % posts + 1).to_string(),
            "liked_tweet_author_id": "1111111111111111111",
            "timestamp_ms": (1_795_000_000_000_u64 + nth as u64).to_string(),
        },
        "includes": {},
    } });
    let body = body.to_string().into_bytes();
    let signature = x::sign(SECRET.as_bytes(), &body);
    (body, signature)
}

/// The API alone on one core; whoever tells and Postgres have the other ones.
async fn accept(
    servers: &Servers,
    database: &Database,
    options: &Options,
    case: &mut Case,
) -> Result<()> {
    let media = std::env::temp_dir().join("bench-media");
    let environment = [
        ("API_DATABASE_URL", database.url(Some(Login::Api))?),
        ("REDIS_URL", servers.redis.clone()),
        ("REDIS_PREFIX", PREFIX.to_owned()),
        ("API_LISTEN", "127.0.0.1:0".to_owned()),
        ("MEDIA_STORE", format!("local:{}", media.display())),
        ("TRAVEL_KEYS", KEY.to_owned()),
        ("X_WEBHOOK_SECRETS", SECRET.to_owned()),
    ];
    let mut api = Process::start_pinned("api-lite", 0, &environment)?;
    let line: Value = serde_json::from_str(&api.line("api.listening").await?)?;
    let url = format!("http://{}/webhooks/x", line["api.address"].as_str().context("no address")?);
    let client = Client::builder().tcp_nodelay(true).timeout(Duration::from_secs(60)).build()?;
    let told: Vec<_> = (0..options.events).map(|nth| like(nth, options.posts)).collect();
    let tell = async |(body, signature): &(Vec<u8>, String)| {
        let sent = client.post(&url).header(x::HEADER, signature).body(body.clone()).send().await?;
        ensure!(sent.status() == StatusCode::OK, "{}", sent.status());
        anyhow::Ok(())
    };
    // Connections are opened before it counts.
    let (warm, counted) = told.split_at(options.in_flight.min(told.len()));
    try_join_all(warm.iter().map(&tell)).await?;

    let cpu = machine::cpu_of(api.pid)?;
    let meter = Meter::start(servers.paid)?;
    let next = AtomicUsize::new(0);
    let lanes = (0..options.in_flight).map(async |_| {
        let mut took = Vec::new();
        while let Some(one) = counted.get(next.fetch_add(1, Ordering::Relaxed)) {
            let began = Instant::now();
            tell(one).await?;
            took.push(began.elapsed().as_secs_f64() * 1e3);
        }
        anyhow::Ok(took)
    });
    let took: Vec<f64> = try_join_all(lanes).await?.into_iter().flatten().collect();
    let spent = meter.spent()?;
    let cpu = machine::cpu_of(api.pid)? - cpu;
    let kept = database.number("select count(*) from webhook_events").await?;
    ensure!(kept == options.events as f64, "{} were told, {kept} are kept", options.events);
    case.add("events/s", counted.len() as f64 / spent.seconds);
    case.add_latencies(["p50 ms", "p99 ms", "max ms"], took);
    case.add("api CPU us/event", cpu * 1e6 / counted.len() as f64);
    case.add("Postgres CPU us/event", spent.postgres * 1e6 / counted.len() as f64);
    api.stop().await
}

/// A worker that has all of them before it.
async fn ingest(
    servers: &Servers,
    database: &Database,
    options: &Options,
    case: &mut Case,
) -> Result<()> {
    let jobs = database.number("select count(*) from jobs").await?;
    let worker = fleet::worker(servers, database).await?;
    let meter = Meter::start(servers.paid)?;
    while database.number("select count(*) from (select from jobs limit 1) j").await? > 0.0 {
        sleep(LOOK).await;
    }
    let spent = meter.spent()?;
    let cpu = machine::cpu_of(worker.pid)?;
    let likes = database.number("select coalesce(sum(likes), 0) from post_engagement").await?;
    ensure!(likes == options.events as f64, "of {} likes {likes} count", options.events);
    let events = options.events as f64;
    case.add("events/s", events / spent.seconds);
    case.add("events/job", events / jobs);
    case.add("worker CPU us/event", cpu * 1e6 / events);
    case.add("Postgres CPU us/event", spent.postgres * 1e6 / events);
    worker.stop().await
}
