//! Workers that die: their jobs run elsewhere, and a job that kills workers is quarantined.

use std::time::{Duration, Instant};

use anyhow::ensure;
use fleet_tests::harness::{Tenant, on};
use fleet_tests::wait::{self, PATIENCE};
use serde_json::{Value, json};
use simulator::Outcome;

use super::patient;

#[tokio::test]
async fn a_dead_workers_job_runs_elsewhere_within_fifteen_seconds_and_costs_no_attempt() {
    // The lease as it is by default.
    let setup = patient().with("LEASE_RENEW_MS", "3000").with("LEASE_TTL_MS", "10000");
    on(setup, async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let id = tenant.held_job("import", 1).await?;
        fleet.worker_of(&id).await?.kill().await?;
        let died = Instant::now();
        tenant.network.release_as("import", Outcome::Drop).await?;
        let job = tenant.api.job_ended(&id, PATIENCE).await?;
        let took = died.elapsed();
        ensure!(took < Duration::from_secs(15), "it took {took:?}");
        ensure!(job["state"] == "done", "{job}");
        ensure!(job["attempt"] == 0 && job["crashes"] == 1, "{job}");
        let errors = job["errors"].as_array().unwrap();
        ensure!(errors.len() == 1 && errors[0]["code"] == "crashed", "{job}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_third_crash_quarantines() {
    on(patient(), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let id = tenant.held_job("import", 3).await?;
        for crash in 1..=3 {
            tenant.network.wait_hold("import", PATIENCE).await?;
            fleet.worker_of(&id).await?.kill().await?;
            tenant.network.release_as("import", Outcome::Drop).await?;
            fleet.start_worker().await?;
            let what = format!("crash {crash} is counted");
            let counted = |job: &Value| job["crashes"] == crash;
            wait::until_right(&what, PATIENCE, async || tenant.api.job(&id).await, counted).await?;
        }
        let job = tenant.api.job_ended(&id, PATIENCE).await?;
        ensure!(job["state"] == "dead" && job["attempt"] == 0, "{job}");
        let errors = job["errors"].as_array().unwrap();
        ensure!(errors.last().unwrap()["code"] == "crashed", "{job}");
        // A person who knows better runs it again, as a new job.
        let retried = tenant.api.done("job.retry", json!({ "jobId": id })).await?;
        let next = tenant.api.job_ended(retried["jobId"].as_str().unwrap(), PATIENCE).await?;
        ensure!(next["state"] == "done" && next["retriedFrom"] == id.as_str(), "{next}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_scheduler_rescues_when_no_worker_is_left() {
    on(patient().workers(1), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let id = tenant.held_job("import", 1).await?;
        fleet.worker_of(&id).await?.kill().await?;
        tenant.network.release_as("import", Outcome::Drop).await?;
        let job = tenant.api.job_is(&id, "ready", PATIENCE).await?;
        ensure!(job["crashes"] == 1 && job["worker"].is_null(), "{job}");
        fleet.start_worker().await?;
        ensure!(tenant.api.job_ended(&id, PATIENCE).await?["state"] == "done");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn two_schedulers_plan_nothing_twice() {
    on(patient().schedulers(2), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let ten = [("Raced for", &tenant.account, 0); 10];
        let mut planned = tenant.plan_together(&ten, 2_000).await?;
        // The schedulers go on when one of them dies.
        fleet.schedulers()[0].kill().await?;
        planned.push(tenant.plan("Afterwards", &tenant.account, 1_500).await?);
        for planned in &planned {
            tenant.published(planned).await?;
            crate::publishing::called(&tenant, planned, 1).await?;
        }
        let jobs = tenant.api.items("/v1/jobs?kind=post.publish&limit=200").await?;
        ensure!(jobs.len() == planned.len(), "{} jobs for {}", jobs.len(), planned.len());
        Ok(())
    })
    .await;
}
