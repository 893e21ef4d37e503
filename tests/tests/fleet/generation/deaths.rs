//! Workers that die, or leave, while a model writes.

use std::time::{Duration, Instant};

use anyhow::ensure;
use fleet_tests::harness::{Setup, Tenant, on};
use fleet_tests::wait::{self, PATIENCE};
use nix::sys::signal::Signal;
use serde_json::Value;
use simulator::Action;

use super::{asks, brief, is_told, outcomes, request, runs, trap, used, versions};

#[tokio::test]
async fn a_worker_killed_in_the_middle_of_an_answer_costs_the_user_nothing_twice() {
    on(Setup::default(), async |fleet| {
        let tenant = Tenant::on_plan(fleet, "starter").await?;
        let about = tenant.text("Killed");
        trap(&tenant, &about, Action::SlowStream { ms: 300 }, 1).await?;
        let id = tenant.api.enqueue("content.generate", brief(&about)).await?;
        is_told(&tenant.api, &id).await?;
        ensure!(used(&tenant.api, "generations").await? == (0, 1));
        fleet.worker_of(&id).await?.kill().await?;
        let job = tenant.api.job_ended(&id, PATIENCE).await?;
        ensure!(job["state"] == "done" && job["attempt"] == 0 && job["crashes"] == 1, "{job}");
        ensure!(used(&tenant.api, "generations").await? == (1, 0), "one reservation, used once");
        let request = request(&tenant.api, &about).await?;
        ensure!(request["status"] == "in_review", "{request}");
        ensure!(versions(&tenant.api, &request).await?.len() == 1, "one set of versions");
        let runs = runs(&tenant.api, &id).await?;
        ensure!(outcomes(&runs) == ["none", "done"], "nobody told of the first: {runs:?}");
        ensure!(asks(&tenant, &about).await?.len() == 2);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_deploy_stops_the_answer_at_once_and_costs_no_attempt() {
    // So long that no rescue can be the reason.
    let setup = Setup::default().with("LEASE_RENEW_MS", "3000").with("LEASE_TTL_MS", "60000");
    on(setup, async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let about = tenant.text("Deployed");
        trap(&tenant, &about, Action::SlowStream { ms: 1_000 }, 1).await?;
        let id = tenant.api.enqueue("content.generate", brief(&about)).await?;
        is_told(&tenant.api, &id).await?;
        let leaving = fleet.worker_of(&id).await?;
        let asked = Instant::now();
        leaving.signal(Signal::SIGTERM)?;
        let job = tenant.api.job_ended(&id, PATIENCE).await?;
        let took = asked.elapsed();
        ensure!(took < Duration::from_secs(3), "the hand-over took {took:?}");
        ensure!(job["state"] == "done" && job["attempt"] == 0 && job["crashes"] == 0, "{job}");
        ensure!(leaving.end(PATIENCE).await?.success(), "{}", leaving.tail());
        ensure!(outcomes(&runs(&tenant.api, &id).await?) == ["interrupted", "done"]);
        ensure!(used(&tenant.api, "generations").await? == (1, 0));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_a_quarantined_generation_left_behind_is_given_back() {
    on(Setup::default().workers(1), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let about = tenant.text("Kills workers");
        trap(&tenant, &about, Action::SlowStream { ms: 60_000 }, 3).await?;
        let id = tenant.api.enqueue("content.generate", brief(&about)).await?;
        for crash in 1..=3 {
            let asked = async || Ok((asks(&tenant, &about).await?.len() >= crash).then_some(()));
            wait::until("the model is asked", PATIENCE, asked).await?;
            fleet.worker_of(&id).await?.kill().await?;
            fleet.start_worker().await?;
            let counted = |job: &Value| job["crashes"] == crash;
            let look = async || tenant.api.job(&id).await;
            wait::until_right("the crash is counted", PATIENCE, look, counted).await?;
        }
        ensure!(tenant.api.job_ended(&id, PATIENCE).await?["state"] == "dead");
        let look = async || request(&tenant.api, &about).await;
        let failed = |request: &Value| request["status"] == "failed";
        let request = wait::until_right("the request fails", PATIENCE, look, failed).await?;
        ensure!(request["failureReason"].as_str().unwrap().contains("died"), "{request}");
        ensure!(used(&tenant.api, "generations").await? == (0, 0));
        let path = request["id"].as_str().unwrap();
        tenant.api.event(path, "content.generation_failed", PATIENCE).await?;
        Ok(())
    })
    .await;
}
