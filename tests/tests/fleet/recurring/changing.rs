//! A series is changed while it waits, and while schedulers are at it.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use fleet_tests::harness::{Setup, Tenant, in_ms, on, shared};
use fleet_tests::wait::PATIENCE;
use serde_json::{Value, json};

use super::{Recurring, count, id};

#[tokio::test]
async fn changed_while_it_is_paused_it_goes_on_by_what_it_was_changed_to() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let series = Recurring::new(&tenant, "0 0 9 * * *", 2, json!({ "count": 50 })).await?;
        let made =
            series.until(&tenant, "rows are made", PATIENCE, |seen| seen.len() >= 34).await?;
        tenant.api.done("schedule.pause", json!({ "scheduleId": series.id })).await?;
        let at = in_ms(20 * 24 * 3_600_000).format("%Y-%m-%dT%H:%M:%S").to_string();
        let shift = json!({ "scheduleId": id(&made[4]), "at": at, "timezone": "UTC" });
        tenant.api.done("occurrence.move", shift).await?;
        let change = json!({
            "scheduleId": series.id,
            "recurrence": {
                "rule": { "pattern": "cron", "expression": "0 9,10 * * *" }, "count": 50,
                "contentVersionIds": [made[1]["contentVersionId"]],
            },
        });
        tenant.api.done("schedule.update", change).await?;
        let seen = series.occurrences(&tenant).await?;
        ensure!(seen.len() == 1 && id(&seen[0]) == id(&made[4]), "only the moved one: {seen:?}");
        ensure!(seen[0]["status"] == "on_hold", "{seen:?}");
        let parent = tenant.api.schedule(&series.id).await?;
        ensure!(parent["status"] == "paused" && parent["series"]["made"] == 0, "{parent}");

        tenant.api.done("schedule.resume", json!({ "scheduleId": series.id })).await?;
        let seen = series
            .until(&tenant, "it is made anew", PATIENCE, |seen| count(seen, "scheduled") == 50)
            .await?;
        let numbers: Vec<_> = seen.iter().map(|it| it["occurrenceNumber"].as_i64()).collect();
        ensure!(numbers == (0..50).map(Some).collect::<Vec<_>>(), "{numbers:?}");
        ensure!(
            seen.iter().all(|it| it["contentVersionId"] == made[1]["contentVersionId"]),
            "{seen:?}"
        );
        let moved = seen.iter().find(|it| id(it) == id(&made[4])).context("it is gone")?;
        ensure!(moved["isMoved"] == true, "{moved}");

        // One that the series has no more is cancelled, and counts for nothing when it is changed again.
        let ten =
            |it: &&Value| it["plannedAtLocal"].as_str().is_some_and(|at| at.ends_with("T10:00:00"));
        let ten = seen.iter().find(ten).context("none at ten")?;
        let edit = json!({
            "scheduleId": id(ten), "contentVersionId": made[0]["contentVersionId"],
        });
        tenant.api.done("occurrence.edit", edit).await?;
        for hour in ["09:00", "09:00:00"] {
            let change = json!({
                "scheduleId": series.id,
                "recurrence": { "rule": { "pattern": "daily", "at": hour }, "count": 30 },
            });
            tenant.api.done("schedule.update", change).await?;
            let seen = series
                .until(&tenant, "there are thirty", PATIENCE, |seen| count(seen, "scheduled") == 30)
                .await?;
            let is_right = |it: &&Value| it["status"] == "scheduled";
            let numbers = seen.iter().filter(is_right).map(|it| it["occurrenceNumber"].as_i64());
            ensure!(numbers.eq((0..30).map(Some)), "{seen:?}");
            ensure!(count(&seen, "cancelled") == 1, "{seen:?}");
        }
        tenant.api.done("schedule.cancel", json!({ "scheduleId": series.id })).await.map(drop)
    })
    .await;
}

fn moments(seen: &[Value]) -> Result<Vec<DateTime<Utc>>> {
    let at = |it: &Value| Ok(serde_json::from_value(it["occurrenceAt"].clone())?);
    seen.iter().map(at).collect()
}

#[tokio::test]
async fn changed_again_and_again_under_two_schedulers_no_second_is_left_out_or_doubled() {
    let setup = Setup::default().schedulers(2).with("PLAN_AHEAD_MS", "1500");
    on(setup, async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let series = Recurring::new(&tenant, "* * * * * *", 90, json!({})).await?;
        for turn in 1..=8 {
            series
                .until(&tenant, "it goes on", PATIENCE, |seen| count(seen, "published") >= 3 * turn)
                .await?;
            let change = json!({ "scheduleId": series.id, "maxRetries": turn });
            tenant.api.done("schedule.update", change).await?;
        }
        tenant.api.done("schedule.cancel", json!({ "scheduleId": series.id })).await?;
        let seen = series
            .until(&tenant, "nothing is under way", Duration::from_secs(60), |seen| {
                count(seen, "publishing") + count(seen, "scheduled") == 0
            })
            .await?;
        let out: Vec<Value> =
            seen.iter().filter(|it| it["status"] == "published").cloned().collect();
        ensure!(out.len() >= 24, "{} are out", out.len());
        ensure!(count(&seen, "missed") == 0, "{seen:?}");
        series.each_is_out_once(&tenant, &out).await?;
        let at = moments(&out)?;
        ensure!(
            at.windows(2).all(|two| two[1] - two[0] == TimeDelta::seconds(1)),
            "every second: {at:?}"
        );
        let numbers: BTreeSet<_> = out.iter().map(|it| it["occurrenceNumber"].as_i64()).collect();
        let expected: BTreeSet<_> = (0..i64::try_from(out.len())?).map(Some).collect();
        ensure!(numbers == expected, "{numbers:?}");
        let posts = tenant.network.posts(&tenant.account.username).await?;
        ensure!(posts.len() == out.len(), "{} of {}", posts.len(), out.len());
        Ok(())
    })
    .await;
}
