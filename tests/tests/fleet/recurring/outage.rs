//! What lies behind after hours without schedulers, or without the account: by each policy.

use anyhow::{Context, Result, ensure};
use chrono::{TimeDelta, Timelike, Utc};
use fleet_tests::harness::{Setup, Tenant, on, shared};
use fleet_tests::wait::{self, PATIENCE};
use serde_json::{Value, json};

use super::{Recurring, count, id};

/// Every twenty minutes; the last time was about five minutes ago.
fn every_twenty_minutes() -> String {
    let first = (Utc::now() - TimeDelta::minutes(5)).minute() % 20;
    format!("0 {first},{},{} * * * *", first + 20, first + 40)
}

fn policy(policy: &str) -> Value {
    match policy {
        "all" => json!({ "catchUp": "all", "catchUpWindowSecs": 4 * 3600 }),
        _ => json!({ "catchUp": policy }),
    }
}

/// Checks that of the occurrences that were due the right ones are out, each once, and that of each other one
/// people heard.
async fn caught_up(tenant: &Tenant, series: &Recurring, policy: &str, due: usize) -> Result<()> {
    let out = match policy {
        "skip" => 0,
        "latest" => 1,
        _ => due,
    };
    let what = format!("{policy}: {out} of {due} are out");
    let seen = series
        .until(tenant, &what, PATIENCE * 2, |seen| {
            count(seen, "published") == out && count(seen, "missed") == due - out
        })
        .await?;
    for missed in seen.iter().filter(|it| it["status"] == "missed") {
        let told = tenant.api.event(id(missed), "post.missed", PATIENCE).await?;
        ensure!(told["message"] == missed["statusReason"], "{told} {missed}");
    }
    let published: Vec<Value> =
        seen.iter().filter(|it| it["status"] == "published").cloned().collect();
    if policy == "latest" {
        ensure!(published[0] == seen[due - 1], "the newest goes out: {seen:?}");
    }
    series.each_is_out_once(tenant, &published).await
}

#[tokio::test]
async fn after_two_and_a_half_hours_without_schedulers_each_policy_holds() {
    on(Setup::default().schedulers(0), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let mut all = Vec::new();
        for name in ["skip", "latest", "all"] {
            let series = Recurring::new(&tenant, &every_twenty_minutes(), 8, policy(name)).await?;
            // It began 150 minutes ago, and nobody was there.
            let ago = format!(
                "update schedule_series set starts_at = now() - interval '150 minutes',
                     expanded_to = now() - interval '150 minutes' where schedule_id = '{}'",
                series.id
            );
            fleet.database.run(&ago).await?;
            all.push((name, series));
        }
        fleet.start_scheduler().await?;
        for (name, series) in &all {
            let seen = series
                .until(&tenant, "all that were due are there", PATIENCE, |seen| seen.len() > 60)
                .await?;
            let now = Utc::now();
            let is_due = |it: &&Value| {
                it["occurrenceAt"]
                    .as_str()
                    .and_then(|at| at.parse().ok())
                    .is_some_and(|at: chrono::DateTime<Utc>| at < now)
            };
            let due = seen.iter().filter(is_due).count();
            ensure!(due == 8, "{due} of 150 minutes: {seen:?}");
            caught_up(&tenant, series, name, due).await?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_an_account_was_lost_for_too_long_goes_out_by_its_policy_when_it_is_back() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let mut all = Vec::new();
        for name in ["skip", "latest", "all"] {
            let series = Recurring::new(&tenant, "0 0 9 * * *", 3, policy(name)).await?;
            let made = |seen: &[Value]| seen.len() > 30;
            let seen = series.until(&tenant, "rows are made", PATIENCE, made).await?;
            all.push((name, series, seen[..3].to_vec()));
        }
        tenant.network.revoke(&tenant.account.id).await?;
        for (_, _, three) in &all {
            for it in three {
                let now =
                    format!("update schedules set scheduled_at = now() where id = '{}'", id(it));
                fleet.database.run(&now).await?;
            }
        }
        for (_, _, three) in &all {
            for it in three {
                let job = fleet.job_of("post.publish", id(it)).await?;
                let job = job["id"].as_str().context("no id")?.to_owned();
                let see = async || tenant.api.job(&job).await;
                wait::until_right("it waits for the account", PATIENCE, see, |job| {
                    job["waiting"]["code"] == "reconnect"
                })
                .await?;
            }
        }
        for (_, _, three) in &all {
            for (it, minutes) in three.iter().zip([50, 30, 10]) {
                let late = format!(
                    "update schedules set scheduled_at = now() - interval '{minutes} minutes',
                         occurrence_at = now() - interval '{minutes} minutes' where id = '{}'",
                    id(it)
                );
                fleet.database.run(&late).await?;
            }
        }
        tenant.person().consent(&tenant.account.username).await?;
        for (name, series, three) in &all {
            caught_up(&tenant, series, name, three.len()).await?;
        }
        Ok(())
    })
    .await;
}
