//! A series ends by its date, and says so.

use anyhow::ensure;
use chrono::TimeDelta;
use fleet_tests::harness::{Tenant, in_ms, shared};
use fleet_tests::wait::PATIENCE;
use serde_json::json;

use super::{Recurring, count};

#[tokio::test]
async fn a_series_ends_with_the_last_occurrence_before_its_end_date() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let end = in_ms(6_000).with_timezone(&chrono::Utc);
        let more = json!({
            "timezone": "UTC", "endDate": end.format("%Y-%m-%dT%H:%M:%S%.3f").to_string(),
        });
        let series = Recurring::new(&tenant, "*/2 * * * * *", 4, more).await?;
        let parent = tenant.api.schedule(&series.id).await?;
        let until: chrono::DateTime<chrono::Utc> =
            serde_json::from_value(parent["recurrenceEndDate"].clone())?;
        ensure!(until == end, "{parent}");
        let ended = tenant.api.schedule_is(&series.id, "ended", PATIENCE).await?;
        ensure!(ended["statusReason"] == "Its last occurrence has passed.", "{ended}");
        ensure!(ended["series"]["nextOccurrenceAt"].is_null(), "{ended}");
        let told = tenant.api.event(&series.id, "schedule.ended", PATIENCE).await?;
        ensure!(told["message"] == ended["statusReason"], "{told}");
        let seen = series
            .until(&tenant, "all are out", PATIENCE, |seen| count(seen, "published") == seen.len())
            .await?;
        ensure!((2..=3).contains(&seen.len()), "{seen:?}");
        for it in &seen {
            let at: chrono::DateTime<chrono::Utc> =
                serde_json::from_value(it["scheduledAt"].clone())?;
            ensure!(at <= end && at > end - TimeDelta::seconds(7), "{it}");
        }
        series.each_is_out_once(&tenant, &seen).await
    })
    .await;
}
