//! Many jobs in one request, and waiting for their end.

use std::time::{Duration, Instant};

use anyhow::ensure;
use chrono::{TimeDelta, Utc};
use fleet_tests::api::Ask;
use fleet_tests::harness::{Tenant, shared};
use reqwest::Method;
use serde_json::{Value, json};

use super::is_problem;

fn job(title: &str) -> Value {
    let version = json!({ "platform": "TWITTER", "text": title });
    json!({ "kind": "content.create", "args": { "title": title, "versions": [version] } })
}

#[tokio::test]
async fn a_batch_is_enqueued_together_or_not_at_all() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let batch = json!([job("One"), job("Two"), job("Three")]);
        let request = tenant.api.request(Method::POST, "/v1/jobs").header("prefer", "wait=10");
        let answer = tenant.api.send(request.json(&batch)).await?;
        ensure!(answer.status == 200, "{answer:?}");
        let jobs = answer.body.as_array().unwrap();
        ensure!(jobs.len() == 3 && jobs.iter().all(|job| job["state"] == "done"), "{answer:?}");
        let titles: Vec<&str> =
            jobs.iter().map(|job| job["args"]["title"].as_str().unwrap()).collect();
        ensure!(titles == ["One", "Two", "Three"], "{titles:?}");
        let mut broken = batch.clone();
        broken[1]["args"]["colour"] = json!("red");
        let answer = tenant.api.post("/v1/jobs", &broken).await?;
        is_problem(&answer, 422, "invalid_argument", "[1].args.colour")?;
        ensure!(tenant.api.items("/v1/jobs?kind=content.create").await?.len() == 3);
        let many = Value::Array(vec![job("Many"); 1_001]);
        is_problem(&tenant.api.post("/v1/jobs", &many).await?, 422, "invalid_argument", "")
    })
    .await;
}

#[tokio::test]
async fn who_waits_is_answered_with_the_result_or_with_the_failure() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let ask = Ask::new("content.create", job("Waited for")["args"].clone()).wait(10);
        let asked = Instant::now();
        let answer = tenant.api.ask(&ask).await?;
        ensure!(answer.status == 200 && answer.body["state"] == "done", "{answer:?}");
        ensure!(answer.header("preference-applied") == "wait=10", "{answer:?}");
        ensure!(asked.elapsed() < Duration::from_secs(5), "it took {:?}", asked.elapsed());
        // The network does not know this token: only the job can find out.
        let args = json!({ "platform": "TWITTER", "accessToken": "unknown to the network" });
        let answer = tenant.api.ask(&Ask::new("connection.import", args).wait(10)).await?;
        is_problem(&answer, 409, "account_disconnected", "args.accessToken")?;
        let job = answer.body["instance"].as_str().unwrap();
        ensure!(tenant.api.read(job).await?["state"] == "dead");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn who_waits_for_too_short_is_told_how_far_the_job_came() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let later = Utc::now() + TimeDelta::hours(1);
        let ask = Ask::new("content.create", job("Later")["args"].clone()).run_at(later).wait(1);
        let answer = tenant.api.ask(&ask.actor("anna")).await?;
        ensure!(answer.status == 202 && answer.body["state"] == "scheduled", "{answer:?}");
        ensure!(answer.body["actor"] == "anna" && answer.body["origin"] == "api", "{answer:?}");
        let location = answer.header("location");
        ensure!(location == format!("/v1/jobs/{}", answer.body["id"].as_str().unwrap()));
        let job = tenant.api.read(location).await?;
        ensure!(job["waiting"]["code"] == "due", "{job}");
        Ok(())
    })
    .await;
}
