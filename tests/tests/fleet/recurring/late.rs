//! After an outage: what is late goes out, or is missed with a notice, by the database's clock.

use anyhow::{Context, ensure};
use fleet_tests::harness::{Setup, Tenant, in_ms, on};
use fleet_tests::wait::PATIENCE;
use serde_json::json;

use crate::publishing::{called, nothing_at_network};

#[tokio::test]
async fn what_an_outage_made_too_late_is_missed_with_a_notice_and_may_be_moved() {
    on(Setup::default().schedulers(0), async |fleet| {
        let tenant = Tenant::on_plan(fleet, "starter").await?;
        let both = [("Too late", &tenant.account, 0), ("Late", &tenant.account, 0)];
        let mut planned = tenant.plan_together(&both, 60_000).await?;
        let ago = |id: &str, minutes: u32| {
            format!("update schedules set scheduled_at = now() - interval '{minutes} minutes' where id = '{id}'")
        };
        fleet.database.run(&ago(&planned[0].id, 61)).await?;
        fleet.database.run(&ago(&planned[1].id, 59)).await?;
        fleet.start_scheduler().await?;
        let missed = tenant.api.schedule_is(&planned[0].id, "missed", PATIENCE).await?;
        let reason = missed["statusReason"].as_str().unwrap_or_default();
        ensure!(reason.contains("3600 s"), "{reason}");
        let told = tenant.api.event(&planned[0].id, "post.missed", PATIENCE).await?;
        ensure!(told["message"] == reason, "{told}");
        tenant.api.schedule_is(&planned[1].id, "published", PATIENCE).await?;
        nothing_at_network(&tenant, &planned[0]).await?;
        planned[0].at = in_ms(2_000);
        let at = planned[0].at.format("%Y-%m-%dT%H:%M:%S%.3f").to_string();
        let args = json!({ "scheduleId": planned[0].id, "at": at, "timezone": "UTC" });
        tenant.api.done("schedule.update", args).await?;
        tenant.published(&planned[0]).await?;
        called(&tenant, &planned[0], 1).await
    })
    .await;
}

#[tokio::test]
async fn what_waited_for_workers_too_long_is_missed_as_well() {
    on(Setup::default().workers(1), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let planned = tenant.plan("No workers", &tenant.account, 5_000).await?;
        let worker = fleet.workers().first().cloned().context("one worker")?;
        fleet.job_of("post.publish", &planned.id).await?;
        worker.kill().await?;
        let late = format!(
            "update schedules set scheduled_at = now() - interval '2 hours' where id = '{}'",
            planned.id
        );
        fleet.database.run(&late).await?;
        fleet.start_worker().await?;
        tenant.api.schedule_is(&planned.id, "missed", PATIENCE).await?;
        tenant.api.event(&planned.id, "post.missed", PATIENCE).await?;
        nothing_at_network(&tenant, &planned).await
    })
    .await;
}
