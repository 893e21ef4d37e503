//! A series goes out by itself, and ends.

use std::time::Duration;

use anyhow::{Context, ensure};
use fleet_tests::harness::{Tenant, shared};
use fleet_tests::wait::PATIENCE;
use serde_json::json;

use super::{Recurring, count};

#[tokio::test]
async fn a_series_of_every_two_seconds_goes_out_five_times_and_ends() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let series = Recurring::new(&tenant, "*/2 * * * * *", 5, json!({ "count": 5 })).await?;
        let parent = tenant.api.schedule(&series.id).await?;
        ensure!(parent["status"] == "active" && parent["isRecurring"] == true, "{parent}");
        ensure!(
            parent["recurrencePattern"] == "cron" && parent["series"]["count"] == 5,
            "{parent}"
        );
        let out = series
            .until(&tenant, "all five are out", PATIENCE * 2, |seen| count(seen, "published") == 5)
            .await?;
        ensure!(out.len() == 5, "{out:?}");
        series.each_is_out_once(&tenant, &out).await?;
        tenant.api.schedule_is(&series.id, "ended", PATIENCE).await?;
        tenant.api.event(&series.id, "schedule.ended", PATIENCE).await?;
        let children = tenant.api.items(&format!("/v1/schedules?parentId={}", series.id)).await?;
        ensure!(children.len() == 5, "{children:?}");
        let recurring = tenant.api.items("/v1/schedules?isRecurring=true").await?;
        ensure!(recurring.len() == 1 && recurring[0]["id"] == series.id.as_str());
        let usage = tenant.api.read("/v1/usage").await?;
        let posts = usage["usage"]
            .as_array()
            .context("no usage")?
            .iter()
            .find(|it| it["metric"] == "scheduledPosts");
        ensure!(posts.is_some_and(|it| it["used"] == 5 && it["reserved"] == 0), "{usage}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_daily_series_shows_what_is_ahead_beyond_what_is_made() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let version = tenant.write("Every day").await?;
        let args = json!({
            "contentVersionId": version,
            "platformConnectionId": tenant.account.connection,
            "timezone": "Europe/Berlin",
            "recurrence": { "rule": { "pattern": "daily", "at": "02:30" } },
        });
        let made = tenant.api.done("schedule.create", args).await?;
        let id = made["scheduleId"].as_str().context("no schedule")?;
        let next =
            tenant.api.read(&format!("/v1/schedules/{id}/occurrences?limit=1")).await?["items"][0]
                .clone();
        ensure!(next["scheduledAt"] == made["scheduledAt"], "{next} {made}");
        fleet_tests::wait::until("rows are made", Duration::from_secs(10), async || {
            let parent = tenant.api.schedule(id).await?;
            Ok((parent["series"]["nextOccurrenceAt"] == made["scheduledAt"]).then_some(()))
        })
        .await?;
        let path = format!("/v1/schedules/{id}/occurrences?limit=200");
        let page = tenant.api.read(&path).await?;
        let items = page["items"].as_array().context("no items")?;
        ensure!(items.len() == 200 && page["nextCursor"].is_string());
        let local = |at: usize| items[at]["plannedAtLocal"].as_str().unwrap_or_default();
        ensure!((0..200).all(|at| local(at).ends_with("T02:30:00")), "wall time is kept");
        ensure!(items[0]["status"] == "scheduled" && items[199]["status"] == "planned");
        let cursor = page["nextCursor"].as_str().unwrap_or_default();
        let more = tenant.api.read(&format!("{path}&cursor={cursor}")).await?;
        let behind = more["items"].as_array().context("no items")?;
        ensure!(behind[0]["occurrenceNumber"] == 200, "{}", behind[0]);
        // Within 400 days clocks change both ways.
        for (shift, at) in [("moved", "T03:00:00+02:00"), ("repeated", "T02:30:00+02:00")] {
            let found = items.iter().chain(behind).find(|it| it["shift"] == shift);
            let found = found.with_context(|| format!("none is {shift}"))?;
            ensure!(found["at"].as_str().is_some_and(|it| it.ends_with(at)), "{found}");
        }
        ensure!(items[0]["at"].as_str().is_some_and(|at| at.contains('+')), "{}", items[0]);
        tenant.api.done("schedule.cancel", json!({ "scheduleId": id })).await.map(drop)
    })
    .await;
}
