//! The same request twice is one job.

use anyhow::ensure;
use fleet_tests::api::Ask;
use fleet_tests::harness::{Tenant, shared};
use serde_json::{Value, json};

use super::is_problem;

fn content(title: &str) -> Value {
    let version = json!({ "platform": "TWITTER", "text": "Once" });
    json!({ "title": title, "versions": [version] })
}

#[tokio::test]
async fn the_same_key_and_body_answer_with_the_original_job() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let ask = Ask::new("content.create", content("Once")).idempotency_key("one").wait(10);
        let first = tenant.api.ask(&ask).await?;
        let second = tenant.api.ask(&ask).await?;
        ensure!(first.status == 200 && second.status == 200, "{first:?} {second:?}");
        ensure!(first.body["id"] == second.body["id"]);
        ensure!(first.body["result"] == second.body["result"]);
        ensure!(second.header("idempotent-replayed") == "true", "{second:?}");
        ensure!(first.header("idempotent-replayed").is_empty(), "{first:?}");
        let other = Ask::new("content.create", content("Twice")).idempotency_key("one");
        let refused = tenant.api.ask(&other).await?;
        is_problem(&refused, 409, "idempotency_key_reused", refused.field())?;
        // Another organization's keys are its own.
        let stranger = Tenant::new(fleet).await?;
        let theirs = stranger.api.ask(&ask).await?;
        ensure!(theirs.status == 200 && theirs.body["id"] != first.body["id"], "{theirs:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn two_at_once_with_the_same_key_are_one_job() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        for round in 0..5 {
            let key = format!("race {round}");
            let ask = Ask::new("content.create", content(&key)).idempotency_key(&key);
            let (one, two) = tokio::join!(tenant.api.ask(&ask), tenant.api.ask(&ask));
            let (one, two) = (one?, two?);
            ensure!(one.is_success() && two.is_success(), "{one:?} {two:?}");
            ensure!(one.body["id"] == two.body["id"], "{one:?} {two:?}");
        }
        let jobs = tenant.api.items("/v1/jobs?kind=content.create").await?;
        ensure!(jobs.len() == 5, "{} jobs", jobs.len());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_refused_request_does_not_use_up_its_key() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let wrong = Ask::new("content.create", json!({})).idempotency_key("again");
        ensure!(tenant.api.ask(&wrong).await?.status == 422);
        let right = Ask::new("content.create", content("Right")).idempotency_key("again").wait(10);
        ensure!(tenant.api.ask(&right).await?.status == 200);
        Ok(())
    })
    .await;
}
