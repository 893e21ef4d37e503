//! Requests that come at the same time: they share commits, and nobody notices.

use std::collections::{BTreeSet, HashSet};

use anyhow::{Result, ensure};
use fleet_tests::api::{Api, Ask};
use fleet_tests::harness::{Fleet, Login, Setup, Tenant, on, shared};
use futures::future::try_join_all;
use serde_json::{Value, json};

fn content(title: &str) -> Ask {
    let version = json!({ "platform": "TWITTER", "text": title });
    Ask::new("content.create", json!({ "title": title, "versions": [version] }))
}

async fn enqueue(api: &Api, title: &str) -> Result<Value> {
    let answer = api.ask(&content(title)).await?;
    ensure!(answer.status == 202, "{answer:?}");
    ensure!(answer.body["args"]["title"] == title, "{answer:?}");
    ensure!(answer.body["waiting"].get("ahead").is_none(), "{answer:?}");
    Ok(answer.body)
}

#[tokio::test]
async fn requests_that_come_together_share_commits_and_each_is_told_its_own() {
    shared(async |fleet| {
        let tenants = [Tenant::new(fleet).await?, Tenant::new(fleet).await?];
        let titles: Vec<String> = (0..80).map(|n| format!("Together {n}")).collect();
        let asked = titles.iter().enumerate().map(async |(n, title)| {
            let tenant = &tenants[n % 2];
            let job = enqueue(&tenant.api, title).await?;
            ensure!(job["organizationId"] == tenant.organization.as_str(), "{job}");
            Ok(job)
        });
        let jobs = try_join_all(asked).await?;
        let ids: HashSet<&str> = jobs.iter().filter_map(|job| job["id"].as_str()).collect();
        ensure!(ids.len() == titles.len(), "{} ids", ids.len());
        // Jobs of one transaction were created at one moment.
        let moments: BTreeSet<&str> =
            jobs.iter().filter_map(|job| job["createdAt"].as_str()).collect();
        ensure!(moments.len() < titles.len(), "each had a commit of its own");
        for tenant in &tenants {
            let listed = tenant.api.items("/v1/jobs?kind=content.create").await?;
            ensure!(listed.len() == titles.len() / 2, "{} jobs", listed.len());
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn of_many_at_once_with_one_key_one_is_inserted_and_the_others_learn_of_it() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let asked = (0..40).map(async |n| {
            let (title, key) = (format!("Key {}", n % 4), format!("key {}", n % 4));
            let answer = tenant.api.ask(&content(&title).idempotency_key(&key)).await?;
            ensure!(answer.is_success() && answer.body["args"]["title"] == title, "{answer:?}");
            Ok(answer.header("idempotent-replayed") == "true")
        });
        let replayed = try_join_all(asked).await?;
        ensure!(replayed.iter().filter(|replayed| !**replayed).count() == 4, "{replayed:?}");
        let jobs = tenant.api.items("/v1/jobs?kind=content.create").await?;
        ensure!(jobs.len() == 4, "{} jobs", jobs.len());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_request_whose_key_somebody_holds_holds_nobody_up() {
    on(Setup::default(), async |fleet: &Fleet| {
        let tenant = Tenant::new(fleet).await?;
        let mut holder = fleet.database.connect(Login::Worker).await?;
        let lane = &tenant.organization;
        let hold = format!(
            "begin; insert into idempotency_keys (lane, key, request_hash, job_ids)
                    values ('{lane}', 'held', '', '{{}}')"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(hold)).execute(&mut holder).await?;
        let held = content("Held").idempotency_key("held");
        let mut held = std::pin::pin!(tenant.api.ask(&held));
        let others = async {
            for round in 0..5 {
                let titles: Vec<String> = (0..8).map(|n| format!("Other {round} {n}")).collect();
                try_join_all(titles.iter().map(|title| enqueue(&tenant.api, title))).await?;
            }
            anyhow::Ok(())
        };
        tokio::select! {
            answer = &mut held => anyhow::bail!("the key is held, and yet: {answer:?}"),
            others = others => others?,
        }
        sqlx::raw_sql("rollback").execute(&mut holder).await?;
        let answer = held.await?;
        ensure!(answer.status == 202 && answer.body["args"]["title"] == "Held", "{answer:?}");
        ensure!(answer.header("idempotent-replayed").is_empty(), "{answer:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn large_batches_wait_for_room_and_none_is_refused() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let run_at = chrono::Utc::now() + chrono::TimeDelta::days(1);
        let asked = (0..5).map(async |n| {
            // Together far more than there is room for, and each about as much.
            let (title, text) = (format!("{n:0>300}"), "x".repeat(270));
            let versions = json!([{ "platform": "TWITTER", "text": text }]);
            let args = json!({ "title": title, "versions": versions });
            let job = json!({ "kind": "content.create", "args": args, "runAt": run_at });
            let answer = tenant.api.post("/v1/jobs", &Value::Array(vec![job; 1000])).await?;
            ensure!(answer.status == 202, "{answer:?}");
            let jobs = answer.body.as_array().map(Vec::as_slice).unwrap_or_default();
            ensure!(jobs.len() == 1000, "{} jobs", jobs.len());
            ensure!(jobs.iter().all(|job| job["args"]["title"] == title.as_str()));
            ensure!(jobs.iter().all(|job| job["waiting"]["code"] == "due"));
            anyhow::Ok(())
        });
        try_join_all(asked).await.map(drop)
    })
    .await;
}
