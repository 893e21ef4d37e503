//! Occurrences that are not made yet are skipped, moved and edited by their local time.

use anyhow::{Context, Result, ensure};
use fleet_tests::api::Ask;
use fleet_tests::harness::{Tenant, shared};
use fleet_tests::wait::PATIENCE;
use serde_json::{Value, json};

use super::{Recurring, count, id};
use crate::api::is_problem;

/// All that is listed of a series, in small pages.
async fn listed(tenant: &Tenant, series: &Recurring, most: usize) -> Result<Vec<Value>> {
    let path = format!("/v1/schedules/{}/occurrences?limit=30", series.id);
    let (mut all, mut cursor) = (Vec::new(), String::new());
    while all.len() < most {
        let page = tenant.api.read(&format!("{path}{cursor}")).await?;
        all.extend(page["items"].as_array().context("no items")?.iter().cloned());
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    Ok(all)
}

#[tokio::test]
async fn far_ahead_one_is_skipped_one_moved_one_edited_and_the_series_counts_on() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let series = Recurring::new(&tenant, "0 0 9 * * *", 3, json!({ "count": 200 })).await?;
        series.until(&tenant, "rows are made", PATIENCE, |seen| seen.len() >= 34).await?;
        let before = listed(&tenant, &series, 200).await?;
        ensure!(before.len() == 200 && before[99]["status"] == "planned", "{}", before.len());
        let named = |nth: usize| {
            json!({ "scheduleId": series.id, "plannedAtLocal": before[nth]["plannedAtLocal"] })
        };
        let skipped = tenant.api.done("occurrence.skip", named(99)).await?;
        let mut shift = named(120);
        let day = before[120]["plannedAtLocal"].as_str().context("no time")?[..10].to_owned();
        shift["at"] = json!(format!("{day}T17:00:00"));
        let moved = tenant.api.done("occurrence.move", shift).await?;
        let mut edit = named(140);
        edit["contentVersionId"] = json!(tenant.write(&tenant.text("Another")).await?);
        tenant.api.done("occurrence.edit", edit.clone()).await?;
        // One that is made is meant by its local time as well.
        let near = tenant.api.done("occurrence.skip", named(3)).await?;
        ensure!(near["scheduleId"] == before[3]["scheduleId"], "{near}");

        let after = listed(&tenant, &series, 200).await?;
        ensure!(after.len() == 200, "{}", after.len());
        for (nth, (was, now)) in before.iter().zip(&after).enumerate() {
            for field in ["occurrenceNumber", "plannedAtLocal", "occurrenceAt"] {
                ensure!(was[field] == now[field], "{nth}: {was} {now}");
            }
            let is_touched = [3, 99, 120, 140].contains(&nth);
            ensure!(is_touched || was["status"] == now["status"], "{nth}: {was} {now}");
            let version = if nth == 140 { &edit } else { was };
            ensure!(now["contentVersionId"] == version["contentVersionId"], "{nth}: {now}");
        }
        ensure!(after[99]["status"] == "skipped" && after[99]["scheduleId"] == skipped["scheduleId"]);
        ensure!(after[120]["scheduledAt"] == moved["scheduledAt"] && after[120]["isMoved"] == true);
        ensure!(after[140]["isEdited"] == true && after[140]["status"] == "scheduled");
        let row = tenant.api.schedule(id(&after[99])).await?;
        ensure!(row["parentScheduleId"] == series.id.as_str(), "{row}");
        tenant.api.event(id(&after[99]), "post.skipped", PATIENCE).await?;
        tenant.api.event(id(&after[120]), "post.moved", PATIENCE).await?;

        let again = tenant.api.ask(&Ask::new("occurrence.skip", named(99)).wait(10)).await?;
        ensure!(again.status == 409, "{again:?}");
        let rows = series.occurrences(&tenant).await?;
        ensure!(rows.iter().filter(|it| id(it) == id(&after[99])).count() <= 1);
        refused(&tenant, &series, &before).await?;

        // Fewer of them from now on: what a person touched stays where the series has it.
        let change = json!({
            "scheduleId": series.id,
            "recurrence": {
                "rule": { "pattern": "daily", "at": "09:00" }, "count": 110,
                "contentVersionIds": [before[0]["contentVersionId"]],
            },
        });
        tenant.api.done("schedule.update", change).await?;
        let of = async |nth: usize| tenant.api.schedule(id(&after[nth])).await;
        ensure!(of(99).await?["status"] == "skipped");
        ensure!(of(120).await?["status"] == "cancelled", "its count ends it before");
        ensure!(of(140).await?["status"] == "cancelled");
        let end = json!({ "scheduleId": series.id });
        tenant.api.done("schedule.cancel", end).await?;
        let seen = series.occurrences(&tenant).await?;
        ensure!(count(&seen, "scheduled") == 0, "{seen:?}");
        Ok(())
    })
    .await;
}

async fn refused(tenant: &Tenant, series: &Recurring, before: &[Value]) -> Result<()> {
    let at = |nth: usize| before[nth]["plannedAtLocal"].as_str().unwrap_or_default().to_owned();
    let off = at(70).replace("T09:00", "T09:30");
    let own = id(&before[5]);
    let field = "args.plannedAtLocal";
    for (schedule, planned, status, field, said) in [
        (series.id.as_str(), Some(off), 422, field, at(70)),
        (&series.id, Some("2020-01-01T09:00:00".to_owned()), 422, field, String::new()),
        (&series.id, Some("2099-01-01T09:00:00".to_owned()), 422, field, "200".to_owned()),
        (&series.id, Some("9999-01-01T09:00:00".to_owned()), 422, field, "3900".to_owned()),
        (&series.id, None, 422, field, "the schedule recurs".to_owned()),
        (own, Some(at(70)), 422, field, "does not recur".to_owned()),
    ] {
        let mut args = json!({ "scheduleId": schedule });
        if let Some(planned) = planned {
            args["plannedAtLocal"] = json!(planned);
        }
        let answer = tenant.api.ask(&Ask::new("occurrence.skip", args)).await?;
        is_problem(&answer, status, "invalid_argument", field)?;
        ensure!(answer.body["detail"].as_str().is_some_and(|it| it.contains(&said)), "{answer:?}");
    }
    let fold = json!({ "scheduleId": series.id, "plannedAtLocal": at(70), "fold": 2 });
    let answer = tenant.api.ask(&Ask::new("occurrence.skip", fold)).await?;
    is_problem(&answer, 422, "invalid_argument", "args.fold")?;
    let rows = series.occurrences(tenant).await?;
    ensure!(rows.iter().all(|it| it["plannedAtLocal"] != at(70).as_str()), "nothing half done");
    Ok(())
}
