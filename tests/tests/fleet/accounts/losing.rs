//! Accounts that must be connected again: told once, what waits goes on afterwards.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fleet_tests::harness::{Account, Fleet, Planned, Setup, Tenant, on, shared};
use fleet_tests::wait::{self, PATIENCE};
use serde_json::Value;
use simulator::{Action, Rule, SettingsPatch, When};

use super::{believes, connection, is_active, refreshes, told_to_reconnect};
use crate::publishing::{nothing_at_network, outcomes};

/// The publishing job of a schedule, once it waits for the account.
async fn waits(fleet: &Fleet, tenant: &Tenant, planned: &Planned, code: &str) -> Result<Value> {
    let job = fleet.job_of("post.publish", &planned.id).await?;
    let id = job["id"].as_str().context("no id")?.to_owned();
    let see = async || tenant.api.job(&id).await;
    let what = format!("the job waits: {code}");
    wait::until_right(&what, PATIENCE, see, |job| job["waiting"]["code"] == code).await
}

/// A lost answer does not end the grant.
async fn forgiving(tenant: &Tenant) -> Result<()> {
    let patch = SettingsPatch { replay_ends_grant: Some(false), ..SettingsPatch::default() };
    tenant.network.change(&patch).await?;
    Ok(())
}

async fn reason(tenant: &Tenant, account: &Account) -> Result<String> {
    let seen = connection(tenant, account).await?;
    Ok(seen["inactiveReason"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_dead_grant_is_told_once_and_all_that_waits_goes_out_after_reconnecting() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let account = tenant.connected_account().await?;
        let two = [("First", &account, 0), ("Second", &account, 300)];
        let planned = tenant.plan_together(&two, 1_500).await?;
        tenant.network.revoke(&account.id).await?;
        for planned in &planned {
            let job = waits(fleet, &tenant, planned, "reconnect").await?;
            let why = job["waiting"]["message"].as_str().unwrap_or_default();
            ensure!(why.contains("Connect the account again"), "{job}");
            ensure!(job["attempt"] == 0, "{job}");
            nothing_at_network(&tenant, planned).await?;
            let schedule = tenant.api.schedule(&planned.id).await?;
            ensure!(schedule["status"] == "scheduled", "{schedule}");
        }
        is_active(&tenant, &account, false).await?;
        told_to_reconnect(&tenant, &account, 1).await?;
        let version = tenant.write(&tenant.text("Later")).await?;
        let refused = tenant.schedule_on(&version, &account, fleet_tests::harness::in_ms(60_000));
        ensure!(refused.await.is_err(), "nobody schedules for an account that is lost");

        let outcome = tenant.person().consent(&account.username).await?;
        ensure!(outcome["connectionId"] == account.connection, "{outcome:?}");
        for planned in &planned {
            let schedule = tenant.published(planned).await?;
            ensure!(schedule["retryCount"] == 0, "{schedule}");
            let log = outcomes(&schedule);
            ensure!(log.last().is_some_and(|last| last == "published"), "{log:?}");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_account_without_a_refresh_token_waits_for_its_person() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let planned = tenant.plan("Revoked", &tenant.account, 1_500).await?;
        tenant.network.revoke(&tenant.account.id).await?;
        waits(fleet, &tenant, &planned, "reconnect").await?;
        let seen = is_active(&tenant, &tenant.account, false).await?;
        ensure!(seen["inactiveReason"].is_string(), "{seen}");
        told_to_reconnect(&tenant, &tenant.account, 1).await?;
        nothing_at_network(&tenant, &planned).await?;
        let outcome = tenant.person().consent(&tenant.account.username).await?;
        ensure!(outcome["reconnected"] == "true", "{outcome:?}");
        tenant.published(&planned).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_disconnected_account_is_forgotten_at_the_network_too() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let account = tenant.connected_account().await?;
        let args = serde_json::json!({ "connectionId": account.connection });
        tenant.api.done("connection.disconnect", args).await?;
        wait::until("the grant ends at the network", PATIENCE, async || {
            let grants = tenant.network.grants().await?;
            let mine = grants.into_iter().find(|grant| grant.user_id == account.id);
            Ok(mine.filter(|grant| grant.ended))
        })
        .await?;
        let outcome = tenant.person().consent(&account.username).await?;
        ensure!(outcome["connectionId"] == account.connection, "{outcome:?}");
        Ok(())
    })
    .await;
}

/// The answer to a refresh is lost, in this way; the access token lives on.
async fn lost_answer(fleet: &Fleet, tenant: &Tenant, account: &Account) -> Result<()> {
    let seen = wait::until("the old token was refused", PATIENCE, async || {
        let seen = refreshes(tenant, account).await?;
        Ok((seen.len() == 2).then_some(seen))
    });
    let seen = seen.await?;
    ensure!(seen[1].status == Some(400), "the old token is tried once more: {seen:#?}");
    // The network knows only the new access token; the fleet only the old one, which still lives.
    let works = wait::until("the account works on", PATIENCE, async || {
        let events = tenant.api.events_of(&account.connection).await?;
        Ok(events.into_iter().find(|event| event["type"] == "connection.reconnect_soon"))
    });
    let event = works.await?;
    ensure!(
        event["message"].as_str().is_some_and(|m| m.contains("refresh answer lost")),
        "{event}"
    );
    ensure!(connection(tenant, account).await?["isActive"] == true);
    let planned = tenant.plan("Still here", account, 1_500).await?;
    tenant.published(&planned).await?;
    believes(fleet, account, -1).await?;
    is_active(tenant, account, false).await?;
    let reason = reason(tenant, account).await?;
    ensure!(reason.contains("econnect needed: refresh answer lost"), "{reason}");
    told_to_reconnect(tenant, account, 1).await?;
    ensure!(refreshes(tenant, account).await?.len() == 2, "it is not used a third time");
    let outcome = tenant.person().consent(&account.username).await?;
    ensure!(outcome["reconnected"] == "true", "{outcome:?}");
    Ok(())
}

#[tokio::test]
async fn after_a_lost_answer_the_account_works_until_its_token_ends() {
    on(Setup::default().workers(1), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        forgiving(&tenant).await?;
        let account = tenant.connected_account().await?;
        let lost = Rule::on("POST", "/2/oauth2/token", Action::DropAfter {});
        tenant.network.fault(lost).await?;
        // It ends soon enough for the scheduler to refresh it.
        let sql = format!(
            "update platform_connections set tokens_at = now() - interval '2 hours',
                 token_expires_at = now() + interval '10 minutes' where id = '{}'",
            account.connection
        );
        fleet.database.run(&sql).await?;
        lost_answer(fleet, &tenant, &account).await
    })
    .await;
}

#[tokio::test]
async fn a_kill_between_the_networks_answer_and_its_record_loses_it_and_nothing_else() {
    on(Setup::default().workers(1), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        forgiving(&tenant).await?;
        let account = tenant.connected_account().await?;
        let hold = Action::hold("answer", When::After);
        tenant.network.fault(Rule::on("POST", "/2/oauth2/token", hold)).await?;
        let sql = format!(
            "update platform_connections set tokens_at = now() - interval '2 hours',
                 token_expires_at = now() + interval '10 minutes' where id = '{}'",
            account.connection
        );
        fleet.database.run(&sql).await?;
        tenant.network.wait_hold("answer", PATIENCE).await?;
        fleet.workers()[0].kill().await?;
        tenant.network.release("answer").await?;
        fleet.start_worker().await?;
        lost_answer(fleet, &tenant, &account).await
    })
    .await;
}

#[tokio::test]
async fn tokens_of_a_worker_that_lost_its_lease_are_kept_all_the_same() {
    let setup = Setup::default().workers(2).with("PUBLISH_REQUEST_TIMEOUT_MS", "10000");
    on(setup, async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let account = tenant.connected_account().await?;
        let hold = Action::hold("answer", When::After);
        tenant.network.fault(Rule::on("POST", "/2/oauth2/token", hold)).await?;
        believes(fleet, &account, -1).await?;
        tenant.network.wait_hold("answer", PATIENCE).await?;
        let jobs = fleet.operator().items("/v1/jobs?kind=connection.refresh&limit=10").await?;
        let id = jobs[0]["id"].as_str().context("no job")?.to_owned();
        let worker = fleet.worker_of(&id).await?;
        // Its answer arrives while it sleeps, and its jobs are others' when it wakes up.
        worker.freeze()?;
        tenant.network.release("answer").await?;
        let what = "the job was rescued";
        let crashes = wait::until(what, PATIENCE, async || {
            let job = tenant.api.job(&id).await?;
            Ok((job["crashes"] == 1).then_some(()))
        });
        crashes.await?;
        worker.thaw()?;
        let see = async || connection(&tenant, &account).await;
        let limit = Duration::from_secs(20);
        let is_right = |seen: &Value| {
            let ends = seen["tokenExpiresAt"].as_str().and_then(|at| at.parse().ok());
            ends.is_some_and(|ends: chrono::DateTime<chrono::Utc>| {
                ends > chrono::Utc::now() + chrono::TimeDelta::minutes(100)
            })
        };
        wait::until_right("the tokens are kept", limit, see, is_right).await?;
        let planned = tenant.plan("Kept", &account, 1_500).await?;
        tenant.published(&planned).await?;
        ensure!(refreshes(&tenant, &account).await?.len() == 1, "one refresh was enough");
        Ok(())
    })
    .await;
}
