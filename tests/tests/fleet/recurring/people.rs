//! What people do to a series, and to one occurrence of it.

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use fleet_tests::harness::{Fleet, Tenant, in_ms, shared};
use fleet_tests::wait::{self, PATIENCE};
use serde_json::{Value, json};

use super::{Recurring, count, id};

const ANN: &str = "ann@bakery.example";

fn at(value: &Value) -> Result<DateTime<Utc>> {
    Ok(value.as_str().context("no moment")?.parse()?)
}

async fn passed(fleet: &Fleet, moment: DateTime<Utc>) -> Result<()> {
    let sql = format!("select now() > '{}'", moment.to_rfc3339());
    wait::until("a moment has passed", PATIENCE, async || {
        Ok((fleet.database.text(&sql).await? == "true").then_some(()))
    })
    .await
}

#[tokio::test]
async fn one_is_skipped_one_is_moved_one_has_other_content_and_the_rest_goes_out() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let series = Recurring::new(&tenant, "*/4 * * * * *", 5, json!({ "count": 5 })).await?;
        let made = series.until(&tenant, "five are made", PATIENCE, |seen| seen.len() == 5).await?;
        let other = tenant.text("Something else");
        let version = tenant.write(&other).await?;
        let skip = json!({ "scheduleId": id(&made[2]), "reason": "A holiday." });
        tenant.api.done_by(ANN, "occurrence.skip", skip).await?;
        let last = at(&made[4]["scheduledAt"])?;
        let later = last + TimeDelta::seconds(2);
        let local = later.format("%Y-%m-%dT%H:%M:%S").to_string();
        let shift = json!({ "scheduleId": id(&made[3]), "at": local, "timezone": "UTC" });
        let moved = tenant.api.done("occurrence.move", shift).await?;
        ensure!(at(&moved["scheduledAt"])? == later, "{moved}");
        let edit = json!({ "scheduleId": id(&made[4]), "contentVersionId": version });
        tenant.api.done("occurrence.edit", edit).await?;

        let seen = series
            .until(&tenant, "four are out", PATIENCE * 2, |seen| count(seen, "published") == 4)
            .await?;
        ensure!(seen.len() == 5, "the moved one is not made again: {seen:?}");
        series.each_is_out_once(&tenant, &seen[..2]).await?;
        ensure!(seen[2]["status"] == "skipped", "{}", seen[2]);
        let reason = seen[2]["statusReason"].as_str().unwrap_or_default();
        ensure!(reason.contains(ANN) && reason.contains("A holiday."), "{reason}");
        tenant.api.event(id(&seen[2]), "post.skipped", PATIENCE).await?;
        ensure!(seen[3]["isMoved"] == true && at(&seen[3]["scheduledAt"])? == later);
        ensure!(seen[3]["occurrenceAt"] == made[3]["occurrenceAt"], "its planned time is kept");
        series.each_is_out_once(&tenant, &seen[3..4]).await?;
        ensure!(seen[4]["isEdited"] == true, "{}", seen[4]);
        let edited = series.planned(&tenant, &seen[4], &other)?;
        tenant.published(&edited).await?;
        let posts = tenant.network.posts(&tenant.account.username).await?;
        ensure!(posts.len() == 4, "{posts:#?}");
        tenant.api.schedule_is(&series.id, "ended", PATIENCE).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn a_paused_series_waits_and_what_fell_into_the_pause_never_goes_out() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let series = Recurring::new(&tenant, "* * * * * *", 60, json!({})).await?;
        series
            .until(&tenant, "two are out", PATIENCE, |seen| count(seen, "published") >= 2)
            .await?;
        let pause = json!({ "scheduleId": series.id, "reason": "Stock-taking." });
        tenant.api.done_by(ANN, "schedule.pause", pause.clone()).await?;
        let seen = series.occurrences(&tenant).await?;
        let next = seen.iter().find(|it| it["status"] == "on_hold").context("none waits")?;
        let reason = next["statusReason"].as_str().unwrap_or_default();
        ensure!(reason.contains("Stock-taking."), "{reason}");
        passed(fleet, at(&next["scheduledAt"])? + TimeDelta::seconds(3)).await?;
        let during = series.occurrences(&tenant).await?;
        let waits = during.iter().find(|it| id(it) == id(next)).context("it is gone")?;
        ensure!(waits["status"] == "on_hold", "{waits}");
        let again = tenant.api.done("schedule.pause", pause).await;
        ensure!(again.is_err(), "it is paused already");

        let resume = json!({ "scheduleId": series.id });
        let resumed = tenant.api.done("schedule.resume", resume).await?;
        let skipped = usize::try_from(resumed["skipped"].as_u64().unwrap_or_default())?;
        ensure!(skipped >= 3, "{resumed}");
        let out = count(&during, "published");
        let seen = series
            .until(&tenant, "it goes on", PATIENCE, |seen| count(seen, "published") >= out + 3)
            .await?;
        ensure!(count(&seen, "skipped") == skipped, "{seen:?}");
        let end = json!({ "scheduleId": series.id, "reason": "Enough." });
        tenant.api.done("schedule.cancel", end).await?;
        let seen = series
            .until(&tenant, "nothing is under way", PATIENCE, |seen| {
                count(seen, "publishing") + count(seen, "scheduled") == 0
            })
            .await?;
        ensure!(count(&seen, "missed") == 0 && count(&seen, "cancelled") > 0, "{seen:?}");
        let parent = tenant.api.schedule(&series.id).await?;
        ensure!(parent["status"] == "ended" && parent["statusReason"] == "Enough.", "{parent}");
        let published: Vec<Value> =
            seen.into_iter().filter(|it| it["status"] == "published").collect();
        let posts = tenant.network.posts(&tenant.account.username).await?;
        ensure!(posts.len() == published.len(), "{} of {}", posts.len(), published.len());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_changed_series_is_planned_anew_but_for_what_people_touched() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let series = Recurring::new(&tenant, "0 0 9,15 * * *", 2, json!({})).await?;
        let made = series.until(&tenant, "some are made", PATIENCE, |seen| seen.len() > 20).await?;
        let is_nine =
            |it: &Value| it["plannedAtLocal"].as_str().is_some_and(|at| at.ends_with("T09:00:00"));
        let nines: Vec<&Value> = made.iter().filter(|it| is_nine(it)).collect();
        let others: Vec<&Value> = made.iter().filter(|it| !is_nine(it)).collect();
        let skip = |it: &Value| json!({ "scheduleId": id(it) });
        tenant.api.done("occurrence.skip", skip(nines[3])).await?;
        let away = in_ms(40 * 24 * 3_600_000).format("%Y-%m-%dT%H:%M:%S").to_string();
        let shift = |it: &Value| json!({ "scheduleId": id(it), "at": away, "timezone": "UTC" });
        tenant.api.done("occurrence.move", shift(nines[5])).await?;
        tenant.api.done("occurrence.move", shift(others[5])).await?;

        let version = tenant.write("New times").await?;
        let change = json!({
            "scheduleId": series.id,
            "contentVersionId": version,
            "timezone": "America/New_York",
            "recurrence": { "rule": { "pattern": "daily", "at": "09:00" } },
        });
        tenant.api.done("schedule.update", change).await?;
        let seen = series
            .until(&tenant, "it is made anew", PATIENCE, |seen| count(seen, "scheduled") >= 30)
            .await?;
        let find = |it: &Value| seen.iter().find(|now| id(now) == id(it));
        ensure!(find(nines[0]).is_none(), "it was made anew");
        ensure!(find(nines[3]).is_some_and(|now| now["status"] == "skipped"), "{seen:?}");
        let moved = find(nines[5]).context("the moved one is gone")?;
        ensure!(moved["isMoved"] == true && moved["status"] == "scheduled", "{moved}");
        ensure!(find(others[5]).is_some_and(|now| now["status"] == "cancelled"), "{seen:?}");
        let mut planned: Vec<_> = seen
            .iter()
            .filter(|it| it["status"] != "cancelled")
            .map(|it| it["plannedAtLocal"].to_string())
            .collect();
        ensure!(planned.iter().all(|at| at.contains("T09:00:00")), "{planned:?}");
        let all = planned.len();
        planned.dedup();
        ensure!(planned.len() == all, "one local time, one row");
        let fresh = seen.iter().find(|it| it["status"] == "scheduled" && it["isMoved"] == false);
        let fresh = fresh.context("none")?;
        ensure!(fresh["contentVersionId"] == version.as_str(), "{fresh}");
        tenant.api.done("schedule.cancel", json!({ "scheduleId": series.id })).await.map(drop)
    })
    .await;
}
