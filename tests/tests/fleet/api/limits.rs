//! The rate of each key, told with every answer.

use anyhow::ensure;
use fleet_tests::api::text;
use fleet_tests::harness::{Tenant, shared};
use serde_json::json;

use super::is_problem;

#[tokio::test]
async fn a_keys_rate_is_told_and_kept() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let args = json!({ "name": "Slow", "scopes": ["read"], "rateLimitPerMinute": 3 });
        let job = tenant.api.done_by("", "key.create", args).await?;
        let slow = tenant.api.with_token(&text(&job, "key")?);
        for left in [2, 1, 0] {
            let answer = slow.get("/v1/jobs").await?;
            ensure!(answer.status == 200, "{answer:?}");
            ensure!(answer.header("ratelimit-limit") == "3", "{answer:?}");
            ensure!(answer.header("ratelimit-remaining") == left.to_string(), "{answer:?}");
        }
        let answer = slow.get("/v1/jobs").await?;
        is_problem(&answer, 429, "rate_limited", "")?;
        let seconds: u64 = answer.header("retry-after").parse()?;
        ensure!((1..=20).contains(&seconds), "Retry-After: {seconds}");
        ensure!(answer.header("ratelimit-remaining") == "0", "{answer:?}");
        // Other keys go on.
        ensure!(tenant.api.get("/v1/jobs").await?.status == 200);
        Ok(())
    })
    .await;
}
