//! Tokens: refreshed once however many jobs want it, well before their end, whatever the network does.

use std::time::Duration;

use anyhow::{Context, ensure};
use fleet_tests::harness::{Setup, Tenant, on, shared};
use fleet_tests::wait::{self, PATIENCE};
use simulator::{Action, LimitSetting, Outcome, Rule, SettingsPatch, When};

use super::{believes, connection, refreshes, tokens_live, told_to_reconnect};

/// The longest that a post waits for tokens here.
const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_hundred_workers_that_meet_one_expired_token_refresh_it_once_and_no_job_fails() {
    let setup = Setup::default()
        .workers(4)
        .with("WORKER_QUEUES", "control=2,interactive=16,publish=25,connect=4")
        .with("ORGANIZATION_SLOTS_PERCENT", "100")
        // A hundred calls at once on two cores, in a debug build.
        .with("PUBLISH_SEND_WINDOW_MS", "15000")
        .with("PUBLISH_REQUEST_TIMEOUT_MS", "15000");
    on(setup, async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let plenty = LimitSetting { limit: 10_000, window_ms: 900_000 };
        let limits = [("POST /2/tweets".to_owned(), plenty)].into();
        let patch = SettingsPatch { limits, ..SettingsPatch::default() };
        tenant.network.change(&patch).await?;
        tokens_live(&tenant, 5_000).await?;
        let account = tenant.connected_account().await?;
        tokens_live(&tenant, 7_200_000).await?;
        // The network ended the token; the fleet does not know.
        believes(fleet, &account, 3_600).await?;
        let hundred: Vec<_> = (0..100).map(|_| ("One of many", &account, 0)).collect();
        let planned = tenant.plan_together(&hundred, 6_000).await?;
        for planned in &planned {
            let schedule = tenant.api.schedule_is(&planned.id, "published", SOON).await?;
            ensure!(schedule["retryCount"] == 0, "it cost an attempt: {schedule}");
        }
        let posts = tenant.network.posts(&account.id).await?;
        ensure!(posts.len() == 100, "{} posts", posts.len());
        let refreshes = refreshes(&tenant, &account).await?;
        ensure!(refreshes.len() == 1, "{} refreshes: {refreshes:#?}", refreshes.len());
        let dead = fleet.operator().items("/v1/jobs?state=dead&limit=100").await?;
        ensure!(dead.is_empty(), "{dead:#?}");
        told_to_reconnect(&tenant, &account, 0).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn tokens_are_refreshed_before_they_end_and_nobody_notices() {
    on(Setup::default().with("REFRESH_AHEAD_MS", "3600000"), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        tokens_live(&tenant, 8_000).await?;
        let account = tenant.connected_account().await?;
        let seen = wait::until("two refreshes", PATIENCE, async || {
            let seen = refreshes(&tenant, &account).await?;
            Ok((seen.len() >= 2).then_some(seen))
        });
        let seen = seen.await?;
        ensure!(seen.iter().all(|entry| entry.status == Some(200)), "{seen:#?}");
        for pair in seen.windows(2) {
            let apart = (pair[1].at - pair[0].at).num_milliseconds();
            ensure!((4_000..8_000).contains(&apart), "{apart} ms apart, of lives of 8 s");
        }
        let planned = tenant.plan("Meanwhile", &account, 1_500).await?;
        tenant.published(&planned).await?;
        let journal = tenant.network.journal(0).await?;
        ensure!(!journal.iter().any(|entry| entry.status == Some(401)), "a token had ended");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_network_that_fails_or_says_nothing_disconnects_nobody() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let account = tenant.connected_account().await?;
        let token = "/2/oauth2/token";
        let rules = [
            Rule::on("POST", token, Action::status(503)).user(&account.id),
            Rule::on("POST", token, Action::DropBefore {}).user(&account.id),
            Rule::on("POST", token, Action::hold("silence", When::Before)).user(&account.id),
        ];
        tenant.network.faults(&rules).await?;
        believes(fleet, &account, -1).await?;
        let planned = tenant.plan("Patience", &account, 1_000).await?;
        let job = fleet.job_of("post.publish", &planned.id).await?;
        let id = job["id"].as_str().context("no id")?;
        let waiting = wait::until("the job waits for tokens", PATIENCE, async || {
            let job = tenant.api.job(id).await?;
            Ok((job["waiting"]["code"] == "refreshing").then_some(job))
        });
        let waiting = waiting.await?;
        ensure!(waiting["attempt"] == 0, "{waiting}");
        let seen = connection(&tenant, &account).await?;
        ensure!(seen["isActive"] == true, "{seen}");
        tenant.network.wait_hold("silence", SOON).await?;
        let lost = wait::until("the worker waits no longer", PATIENCE, async || {
            let jobs = tenant.api.items("/v1/jobs?kind=connection.refresh").await?;
            let errors = jobs[0]["errors"].as_array().map_or(0, Vec::len);
            Ok((errors == 3).then_some(()))
        });
        lost.await?;
        tenant.network.release_as("silence", Outcome::Drop).await?;
        let schedule = tenant.api.schedule_is(&planned.id, "published", SOON).await?;
        ensure!(schedule["retryCount"] == 0, "{schedule}");
        told_to_reconnect(&tenant, &account, 0).await?;
        let grants = tenant.network.grants().await?;
        let refreshed = grants.iter().find(|grant| grant.user_id == account.id);
        ensure!(refreshed.is_some_and(|grant| grant.refreshes == 1), "{refreshed:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_dies_before_it_could_refresh_is_followed_by_one_that_does() {
    on(Setup::default().workers(1), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let account = tenant.connected_account().await?;
        let hold = Action::hold("refresh", When::Before);
        tenant.network.fault(Rule::on("POST", "/2/oauth2/token", hold)).await?;
        believes(fleet, &account, -1).await?;
        let planned = tenant.plan("Twice begun", &account, 1_000).await?;
        tenant.network.wait_hold("refresh", PATIENCE).await?;
        fleet.workers()[0].kill().await?;
        tenant.network.release_as("refresh", Outcome::Drop).await?;
        fleet.start_worker().await?;
        tenant.published(&planned).await?;
        told_to_reconnect(&tenant, &account, 0).await?;
        Ok(())
    })
    .await;
}
