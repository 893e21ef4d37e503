//! Workers that die, or leave, while a model writes. `EZRE_KILLS=100 bin/test -p fleet-tests whenever`
//! kills more of them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fleet_tests::harness::{Fleet, Setup, Tenant, on};
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
        // A rescue would take a minute.
        ensure!(took < Duration::from_secs(10), "the hand-over took {took:?}");
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

/// How many workers are killed unless somebody wants more.
const KILLS: usize = 10;

/// Kills a worker that runs one of these jobs right now, if any does, and starts another.
async fn kill_one(fleet: &Fleet, tenant: &Tenant) -> Result<bool> {
    let running = tenant.api.items("/v1/jobs?kind=content.generate&state=running").await?;
    let workers = fleet.operator().items("/v1/workers").await?;
    for job in running {
        let worker = workers.iter().find(|worker| worker["id"] == job["worker"]);
        let pid = worker.and_then(|worker| worker["pid"].as_u64());
        let of_fleet = fleet.workers().into_iter().find(|worker| Some(worker.pid().into()) == pid);
        if let Some(worker) = of_fleet.filter(|worker| worker.ended().is_none()) {
            worker.kill().await?;
            fleet.start_worker().await?;
            return Ok(true);
        }
    }
    Ok(false)
}

#[tokio::test]
async fn whenever_workers_are_killed_each_generation_counts_once_or_not_at_all() {
    let kills = std::env::var("EZRE_KILLS").ok().and_then(|kills| kills.parse().ok());
    let kills = kills.unwrap_or(KILLS);
    on(Setup::default().workers(3), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let about = tenant.text("Under fire");
        trap(&tenant, &about, Action::SlowStream { ms: 20 }, u64::MAX).await?;
        let (mut killed, mut asked) = (0, 0);
        while killed < kills {
            for _ in 0..2 {
                tenant.api.enqueue("content.generate", brief(&format!("{about} {asked}"))).await?;
                asked += 1;
            }
            let before = asks(&tenant, &about).await?.len();
            let heard = async || Ok((asks(&tenant, &about).await?.len() > before).then_some(()));
            // Sometimes as soon as a model is asked, sometimes in the middle of whatever goes on.
            if killed % 2 == 0 {
                wait::until("a model is asked", PATIENCE, heard).await?;
            }
            killed += usize::from(kill_one(fleet, &tenant).await?);
        }
        let path = "/v1/jobs?kind=content.generate&limit=200";
        let look = async || tenant.api.items(path).await;
        let is_over = |job: &Value| matches!(job["state"].as_str(), Some("done" | "dead"));
        let all_over = |jobs: &Vec<Value>| jobs.iter().all(is_over);
        let limit = Duration::from_secs(120);
        let jobs = wait::until_right("every job has ended", limit, look, all_over).await?;
        ensure!(jobs.len() == asked, "{} jobs of {asked}", jobs.len());
        let done = jobs.iter().filter(|job| job["state"] == "done").count();
        let look = async || used(&tenant.api, "generations").await;
        let settled = |used: &(i64, i64)| used.1 == 0;
        let used = wait::until_right("nothing stays reserved", PATIENCE, look, settled).await?;
        ensure!(used.0 == i64::try_from(done)?, "{used:?} for {done} done");
        let requests = tenant.api.items("/v1/content-requests?limit=200").await?;
        for job in &jobs {
            let of_job: Vec<_> =
                requests.iter().filter(|request| request["jobId"] == job["id"]).collect();
            ensure!(of_job.len() <= 1, "{of_job:?}");
            let Some(request) = of_job.first() else {
                ensure!(job["state"] == "dead", "{job}");
                continue;
            };
            let wanted = if job["state"] == "done" { ("in_review", 1) } else { ("failed", 0) };
            let versions = versions(&tenant.api, request).await?.len();
            let status = request["status"].as_str().context("a status")?;
            ensure!((status, versions) == wanted, "{versions} versions: {request} {job}");
        }
        #[expect(clippy::print_stderr, reason = "figures are for people")]
        {
            let quarantined = asked - done;
            eprintln!(
                "{killed} kills, {asked} generations: {done} done, {quarantined} quarantined"
            );
        }
        Ok(())
    })
    .await;
}
