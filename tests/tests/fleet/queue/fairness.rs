//! One organization's backlog does not keep others waiting.

use anyhow::ensure;
use fleet_tests::harness::{Tenant, on};
use fleet_tests::wait::PATIENCE;
use serde_json::{Value, json};

use super::patient;

#[tokio::test]
async fn a_backlog_of_one_organization_does_not_delay_another() {
    on(patient().workers(1), async |fleet| {
        let (busy, other) = (Tenant::new(fleet).await?, Tenant::new(fleet).await?);
        let version = json!({ "platform": "TWITTER", "text": "One of many" });
        let job = json!({
            "kind": "content.create", "args": { "title": "Many", "versions": [version] },
        });
        let batch = Value::Array(vec![job; 1_000]);
        ensure!(busy.api.post("/v1/jobs", &batch).await?.status == 202);
        other.write("Only one").await?;
        let waiting = "select count(*) from jobs where kind = 'content.create'";
        let left: u32 = fleet.database.text(waiting).await?.parse()?;
        ensure!(left > 0, "the backlog was too short to say anything");
        // And the backlog is worked off.
        fleet_tests::wait::until("the backlog is done", PATIENCE * 2, async || {
            Ok((fleet.database.text(waiting).await? == "0").then_some(()))
        })
        .await?;
        let done = "select count(*) from job_history where kind = 'content.create'";
        ensure!(fleet.database.text(done).await? == "1001");
        Ok(())
    })
    .await;
}
