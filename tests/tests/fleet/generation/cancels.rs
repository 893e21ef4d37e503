//! Generations that nobody wants any more.

use std::time::Duration;

use anyhow::ensure;
use fleet_tests::harness::{Setup, Tenant, on};
use fleet_tests::wait::{self, PATIENCE};
use serde_json::{Value, json};
use simulator::Action;

use super::{asks, brief, is_told, outcomes, request, runs, trap, used, with};

#[tokio::test]
async fn what_is_cancelled_is_given_back_at_once_whether_it_runs_or_waits() {
    on(Setup::default(), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let api = &tenant.api;
        let running = tenant.text("Cancelled while it runs");
        trap(&tenant, &running, Action::SlowStream { ms: 500 }, 1).await?;
        let id = api.enqueue("content.generate", brief(&running)).await?;
        is_told(api, &id).await?;
        ensure!(used(api, "generations").await? == (0, 1));
        ensure!(request(api, &running).await?["status"] == "generating");
        let told = api.done("job.cancel", json!({ "jobId": id })).await?;
        ensure!(told["outcome"] == "requested", "{told}");
        let job = api.job_ended(&id, Duration::from_secs(5)).await?;
        ensure!(job["state"] == "cancelled", "{job}");
        ensure!(used(api, "generations").await? == (0, 0));
        ensure!(request(api, &running).await?["status"] == "failed");
        ensure!(outcomes(&runs(api, &id).await?) == ["cancelled"]);

        let waiting = tenant.text("Cancelled while it waits");
        trap(&tenant, &waiting, Action::RateLimited { reset_in_ms: 600_000 }, 1).await?;
        let args = with(brief(&waiting), "model", json!("gpt-busy"));
        let id = api.enqueue("content.generate", args).await?;
        let waits = |job: &Value| job["waiting"]["code"] == "rate_limited";
        wait::until_right("it waits", PATIENCE, async || api.job(&id).await, waits).await?;
        ensure!(used(api, "generations").await? == (0, 1));
        let told = api.done("job.cancel", json!({ "jobId": id })).await?;
        ensure!(told["outcome"] == "cancelled", "{told}");
        ensure!(used(api, "generations").await? == (0, 0));
        let request = request(api, &waiting).await?;
        ensure!(request["status"] == "failed" && request["failureReason"].is_string(), "{request}");
        ensure!(asks(&tenant, &waiting).await?.len() == 1);
        Ok(())
    })
    .await;
}
