//! A deploy: SIGTERM hands over at once and costs nothing.

use std::time::{Duration, Instant};

use anyhow::ensure;
use fleet_tests::harness::{Tenant, on};
use fleet_tests::wait::PATIENCE;
use nix::sys::signal::Signal;
use simulator::{Action, When};

use super::patient;
use crate::publishing::called;

#[tokio::test]
async fn a_deploy_costs_no_attempt_and_the_job_runs_elsewhere_at_once() {
    // So long that no rescue can be the reason.
    let setup = patient().with("LEASE_RENEW_MS", "3000").with("LEASE_TTL_MS", "60000");
    on(setup, async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let id = tenant.held_job("import", 1).await?;
        let leaving = fleet.worker_of(&id).await?;
        let asked = Instant::now();
        leaving.signal(Signal::SIGTERM)?;
        let job = tenant.api.job_ended(&id, PATIENCE).await?;
        let took = asked.elapsed();
        // A rescue would take a minute.
        ensure!(took < Duration::from_secs(10), "the hand-over took {took:?}");
        ensure!(job["state"] == "done", "{job}");
        ensure!(job["attempt"] == 0 && job["crashes"] == 0, "a deploy costs nothing: {job}");
        ensure!(leaving.end(PATIENCE).await?.success(), "{}", leaving.tail());
        let workers = fleet.operator().items("/v1/workers").await?;
        let pid = u64::from(leaving.pid());
        let row = workers.iter().find(|worker| worker["pid"].as_u64() == Some(pid)).unwrap();
        ensure!(row["stoppedAt"].is_string() && row["lostAt"].is_null(), "{row}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_call_that_publishes_is_not_cut_by_a_deploy() {
    on(patient(), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        tenant.trap(&tenant.account, Action::hold("call", When::After)).await?;
        let planned = tenant.plan("Shielded", &tenant.account, 1_000).await?;
        tenant.network.wait_hold("call", PATIENCE).await?;
        let job = fleet.job_of("post.publish", &planned.id).await?;
        let leaving = fleet.worker_of(job["id"].as_str().unwrap()).await?;
        leaving.signal(Signal::SIGTERM)?;
        leaving.line("worker.stopping").await?;
        tenant.network.release("call").await?;
        let schedule = tenant.published(&planned).await?;
        called(&tenant, &planned, 1).await?;
        ensure!(crate::publishing::outcomes(&schedule) == ["published"], "{schedule}");
        ensure!(leaving.end(PATIENCE).await?.success(), "{}", leaving.tail());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_scheduler_and_an_api_end_when_they_are_asked_to() {
    on(patient(), async |fleet| {
        let scheduler = fleet.schedulers().remove(0);
        scheduler.signal(Signal::SIGTERM)?;
        ensure!(scheduler.end(PATIENCE).await?.success(), "{}", scheduler.tail());
        fleet.api_process().signal(Signal::SIGTERM)?;
        ensure!(fleet.api_process().end(PATIENCE).await?.success());
        Ok(())
    })
    .await;
}
