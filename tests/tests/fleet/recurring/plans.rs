//! A plan that is used up holds occurrences, and lets them go on when it has room.

use anyhow::{Context, Result, ensure};
use fleet_tests::harness::{Fleet, Tenant, shared};
use fleet_tests::wait::PATIENCE;
use serde_json::json;

use super::{Recurring, count, id};

async fn allow(fleet: &Fleet, tenant: &Tenant, most: u32) -> Result<()> {
    let args =
        json!({ "organizationId": tenant.organization, "metric": "scheduledPosts", "most": most });
    fleet.operator().done("usage.limit", args).await.map(drop)
}

/// As if it were time to ask again whether there is room, which is so every five minutes.
async fn ask_again(fleet: &Fleet, series: &Recurring) -> Result<()> {
    let sql = format!(
        "update schedules set reserve_at = now() where parent_schedule_id = '{}' and waits_for = 'quota'",
        series.id
    );
    fleet.database.run(&sql).await
}

#[tokio::test]
async fn without_room_occurrences_wait_on_hold_and_go_on_when_there_is() {
    shared(async |fleet| {
        let tenant = Tenant::on_plan(fleet, "starter").await?;
        allow(fleet, &tenant, 2).await?;
        let more = json!({ "count": 4, "catchUp": "all" });
        let series = Recurring::new(&tenant, "*/2 * * * * *", 4, more).await?;
        let seen = series
            .until(&tenant, "two are out, two wait", PATIENCE * 2, |seen| {
                count(seen, "published") == 2 && count(seen, "on_hold") == 2
            })
            .await?;
        ensure!(seen[0]["status"] == "published" && seen[1]["status"] == "published", "{seen:?}");
        let held = &seen[2..];
        for it in held {
            let reason = it["statusReason"].as_str().context("no reason")?;
            ensure!(reason.contains("The plan allows 2 scheduled posts"), "{reason}");
            ensure!(tenant.api.schedule(id(it)).await?["waitsFor"] == "quota");
            let told = tenant.api.event(id(it), "post.on_hold", PATIENCE).await?;
            ensure!(told["message"] == reason, "{told}");
        }
        ensure!(tenant.api.schedule(&series.id).await?["status"] != "paused", "it goes on");

        // Asked again without room, it says nothing new.
        let before = tenant.api.schedule(id(&held[0])).await?["updatedAt"].clone();
        ask_again(fleet, &series).await?;
        let again = format!(
            "select count(*) from schedules where parent_schedule_id = '{}' and waits_for = 'quota'
             and reserve_at > now()",
            series.id
        );
        fleet_tests::wait::until("it was asked again", PATIENCE, async || {
            Ok((fleet.database.text(&again).await? == "2").then_some(()))
        })
        .await?;
        ensure!(tenant.api.schedule(id(&held[0])).await?["updatedAt"] != before);
        allow(fleet, &tenant, 3).await?;
        ask_again(fleet, &series).await?;
        series
            .until(&tenant, "a third is out", PATIENCE, |seen| {
                count(seen, "published") == 3 && count(seen, "on_hold") == 1
            })
            .await?;
        tenant.api.event(id(&held[0]), "post.resumed", PATIENCE).await?;
        allow(fleet, &tenant, 4).await?;
        ask_again(fleet, &series).await?;
        let seen = series
            .until(&tenant, "all are out", PATIENCE, |seen| count(seen, "published") == 4)
            .await?;
        for it in held {
            let types = ["post.on_hold", "post.resumed", "post.published"];
            tenant.api.told(id(it), &types).await?;
        }
        series.each_is_out_once(&tenant, &seen).await
    })
    .await;
}
