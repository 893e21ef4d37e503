//! Postgres away for a while: the API says so, workers wait, and all goes on by itself.

use anyhow::{Result, ensure};
use chrono::{TimeDelta, Utc};
use fleet_tests::api::{Api, Ask};
use fleet_tests::harness::{Fleet, Setup, Tenant, on};
use fleet_tests::wait::{self, PATIENCE};
use serde_json::{Value, json};
use simulator::{Action, When};

use crate::publishing::{called, outcomes};

fn content() -> Value {
    let version = json!({ "platform": "TWITTER", "text": "Through the storm" });
    json!({ "title": "Storm", "versions": [version] })
}

/// Cuts Postgres off, and waits until the API says so.
async fn cut(fleet: &Fleet, api: &Api) -> Result<()> {
    fleet.postgres.as_ref().unwrap().cut();
    let answer = wait::until("the API misses its database", PATIENCE, async || {
        let answer = api.ask(&Ask::new("content.create", content())).await?;
        Ok((answer.status == 503).then_some(answer))
    })
    .await?;
    ensure!(answer.code() == "unavailable", "{answer:?}");
    let seconds: u64 = answer.header("retry-after").parse()?;
    ensure!((1..=60).contains(&seconds), "Retry-After: {seconds}");
    ensure!(api.get("/health/ready").await?.status == 503);
    ensure!(api.get("/health/live").await?.status == 200);
    Ok(())
}

#[tokio::test]
async fn without_postgres_the_api_says_so_and_workers_go_on_by_themselves() {
    on(Setup::default().can_be_cut(), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        // Due while Postgres is away.
        let planned = tenant.plan("Due in the storm", &tenant.account, 2_000).await?;
        let ask = Ask::new("content.create", content()).run_at(Utc::now() + TimeDelta::seconds(2));
        let id = tenant.api.ask(&ask).await?.body["id"].as_str().unwrap().to_owned();
        cut(fleet, &tenant.api).await?;
        wait::until("the moment has passed", PATIENCE, async || {
            Ok((Utc::now() > planned.at + TimeDelta::seconds(1)).then_some(()))
        })
        .await?;
        called(&tenant, &planned, 0).await?;
        fleet.postgres.as_ref().unwrap().mend();
        fleet.ready().await?;
        let job = tenant.api.job_ended(&id, PATIENCE).await?;
        ensure!(job["state"] == "done" && job["attempt"] == 0, "{job}");
        let schedule = tenant.published(&planned).await?;
        ensure!(schedule["retryCount"] == 0, "{schedule}");
        called(&tenant, &planned, 1).await
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_comes_while_postgres_is_away_is_written_down_later() {
    let setup = Setup::default().can_be_cut().with("PUBLISH_REQUEST_TIMEOUT_MS", "60000");
    on(setup, async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        tenant.trap(&tenant.account, Action::hold("call", When::After)).await?;
        let planned = tenant.plan("In the middle", &tenant.account, 1_000).await?;
        tenant.network.wait_hold("call", PATIENCE).await?;
        cut(fleet, &tenant.api).await?;
        tenant.network.release("call").await?;
        let answered = async || {
            let journal = tenant.network.journal(0).await?;
            Ok(journal.into_iter().find(|e| e.path == "/2/tweets" && e.answered == Some(true)))
        };
        wait::until("the network has answered", PATIENCE, answered).await?;
        fleet.postgres.as_ref().unwrap().mend();
        fleet.ready().await?;
        let schedule = tenant.published(&planned).await?;
        called(&tenant, &planned, 1).await?;
        ensure!(outcomes(&schedule) == ["published"], "{schedule}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_fleet_that_starts_before_its_databases_works_when_they_come() {
    on(Setup::default().starts_cut(), async |fleet| {
        let api = fleet.operator();
        ensure!(api.get("/health/ready").await?.status == 503);
        ensure!(api.get("/v1/workers").await?.status == 503);
        for process in fleet.workers().into_iter().chain(fleet.schedulers()) {
            let admin = process.address("admin.listening").await?;
            let ready = reqwest::get(format!("http://{admin}/health/ready")).await?.status();
            ensure!(ready == 503, "{} says {ready}", process.name());
            ensure!(process.ended().is_none());
        }
        fleet.postgres.as_ref().unwrap().mend();
        fleet.redis.as_ref().unwrap().mend();
        fleet.ready().await?;
        let tenant = Tenant::new(fleet).await?;
        let planned = tenant.plan("At last", &tenant.account, 1_000).await?;
        tenant.published(&planned).await.map(drop)
    })
    .await;
}
