//! The servers themselves go down under load and come back: no process is started again.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fleet_tests::api::{Api, Ask};
use fleet_tests::harness::{Care, Down, Fleet, Server, Servers, Setup, Tenant, on};
use fleet_tests::wait::{self, PATIENCE};
use serde_json::{Value, json};

/// A fleet with servers of its own, whose leases outlive a restart.
fn with_servers() -> Setup {
    Setup::default().own_servers(Care::Quick).with("LEASE_TTL_MS", "40000")
}

fn servers(fleet: &Fleet) -> &Servers {
    fleet.servers.as_ref().unwrap()
}

fn content(text: &str) -> Value {
    let version = json!({ "platform": "TWITTER", "text": text });
    json!({ "kind": "content.create", "args": { "title": text, "versions": [version] } })
}

/// Enqueues many jobs at once; answers their ids.
async fn many(api: &Api, count: usize) -> Result<Vec<String>> {
    let batch = (0..count).map(|nth| content(&format!("Number {nth}"))).collect();
    let answer = api.post("/v1/jobs", &Value::Array(batch)).await?;
    ensure!(answer.status == 202, "{answer:?}");
    let jobs = answer.body.as_array().context("a list")?;
    Ok(jobs.iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect())
}

/// Waits until at least so many of the jobs are done, or all.
async fn done(fleet: &Fleet, least: usize) -> Result<()> {
    let done =
        "select count(*) from job_history where kind = 'content.create' and outcome = 'done'";
    wait::until("enough is done", PATIENCE * 2, async || {
        let done = fleet.database.text(done).await.ok();
        Ok(done.filter(|done| done.parse().is_ok_and(|done: usize| done >= least)))
    })
    .await
    .map(drop)
}

/// A request while Postgres is away: refused with the time to come back, and soon.
async fn is_refused_at_once(api: &Api) -> Result<()> {
    // The first one to miss the database may have waited for a connection.
    wait::until("the API misses its database", PATIENCE, async || {
        Ok((api.get("/v1/schedules").await?.status == 503).then_some(()))
    })
    .await?;
    let mut quickest = Duration::MAX;
    // Of several, since this machine may be busy with something else for a moment.
    for _ in 0..5 {
        let asked = Instant::now();
        let args = content("Refused")["args"].clone();
        let answer = api.ask(&Ask::new("content.create", args)).await?;
        quickest = quickest.min(asked.elapsed());
        ensure!(answer.status == 503 && answer.code() == "unavailable", "{answer:?}");
        let seconds: u64 = answer.header("retry-after").parse()?;
        ensure!((1..=60).contains(&seconds), "Retry-After: {seconds}");
    }
    ensure!(quickest < Duration::from_millis(500), "the quickest took {quickest:?}");
    Ok(())
}

#[tokio::test]
async fn postgres_restarted_under_load_costs_no_attempt_and_no_process() {
    on(with_servers(), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let mut before = 0;
        for down in [Down::Killed, Down::Stopped] {
            let jobs = many(&tenant.api, 400).await?;
            done(fleet, before + 20).await?;
            servers(fleet).bring(Server::Postgres, down).await?;
            is_refused_at_once(&tenant.api).await?;
            ensure!(tenant.api.get("/health/live").await?.status == 200);
            servers(fleet).bring_back().await?;
            fleet.ready().await?;
            before += jobs.len();
            done(fleet, before).await?;
        }
        let spent = "select count(*) from job_history where attempt > 0 or crashes > 0";
        ensure!(fleet.database.text(spent).await? == "0", "an attempt or a crash was counted");
        ensure!(
            fleet.database.text("select count(*) from content_requests").await?
                == before.to_string()
        );
        for process in fleet.workers().iter().chain(&fleet.schedulers()) {
            ensure!(process.ended().is_none(), "{} ended", process.name());
        }
        ensure!(fleet.workers().len() == 2 && fleet.api_process().ended().is_none());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_fleet_that_starts_before_its_servers_run_works_when_they_come() {
    on(Setup::default().starts_down(), async |fleet| {
        ensure!(fleet.operator().get("/health/ready").await?.status == 503);
        for worker in fleet.workers() {
            worker.line("waiting for the database").await?;
        }
        servers(fleet).bring_back().await?;
        fleet.ready().await?;
        let tenant = Tenant::new(fleet).await?;
        let planned = tenant.plan("At last", &tenant.account, 1_500).await?;
        tenant.published(&planned).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn without_redis_enqueueing_running_and_waiting_go_on_and_it_comes_back_by_itself() {
    on(with_servers(), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let works = async |when: &str| {
            let ask = Ask::new("content.create", content(when)["args"].clone()).wait(10);
            let answer = tenant.api.ask(&ask).await?;
            let waited = answer.status == 200 && answer.body["state"] == "done";
            ensure!(waited, "{when}: {answer:?}");
            Ok(())
        };
        works("with Redis").await?;
        servers(fleet).empty_redis().await?;
        works("with an empty Redis").await?;
        for down in [Down::Killed, Down::Stopped] {
            servers(fleet).bring(Server::Redis, down).await?;
            for _ in 0..3 {
                works("without Redis").await?;
            }
            many(&tenant.api, 50).await?;
            servers(fleet).bring_back().await?;
            wait::until("the bell rings again", PATIENCE, async || {
                let metrics = reqwest::get(format!("{}/metrics", tenant.api.base_url())).await?;
                Ok(metrics.text().await?.lines().any(|line| line == "bell_up 1").then_some(()))
            })
            .await?;
            works("with Redis again").await?;
        }
        done(fleet, 110).await
    })
    .await;
}
