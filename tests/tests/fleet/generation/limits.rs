//! Rate limits of providers cost no attempt; answers that break off cost one, and no second generation.

use anyhow::ensure;
use chrono::{DateTime, TimeDelta, Utc};
use fleet_tests::harness::{Tenant, shared};
use fleet_tests::wait::{self, PATIENCE};
use serde_json::{Value, json};
use simulator::Action;

use super::{asks, brief, outcomes, runs, trap, used, with};

#[tokio::test]
async fn a_rate_limit_closes_the_model_for_all_and_costs_no_attempt() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let (first, second) = (tenant.text("Limited"), tenant.text("Behind it"));
        trap(&tenant, &first, Action::RateLimited { reset_in_ms: 4_000 }, 1).await?;
        let busy = |about: &str| with(brief(about), "model", json!("gpt-busy"));
        let limited = tenant.api.enqueue("content.generate", busy(&first)).await?;
        let waits = |job: &Value| job["waiting"]["code"] == "rate_limited";
        let look = async || tenant.api.job(&limited).await;
        let job = wait::until_right("the job waits", PATIENCE, look, waits).await?;
        ensure!(job["waiting"]["key"] == "model:gpt-busy", "{job}");
        ensure!(used(&tenant.api, "generations").await? == (0, 1), "it stays reserved");
        let behind = tenant.api.enqueue("content.generate", busy(&second)).await?;
        // Another model goes on.
        tenant.api.done("content.generate", brief(&tenant.text("Free"))).await?;
        for id in [&limited, &behind] {
            let job = tenant.api.job_ended(id, PATIENCE).await?;
            ensure!(job["state"] == "done" && job["attempt"] == 0, "{job}");
        }
        let refused = asks(&tenant, &first).await?;
        ensure!(refused.len() == 2, "{refused:#?}");
        let opens = refused[0].at + TimeDelta::milliseconds(4_000);
        let next: DateTime<Utc> = refused[1].at;
        ensure!(next >= opens, "asked again at {next}, before {opens}");
        let behind_it = asks(&tenant, &second).await?;
        ensure!(behind_it.len() == 1 && behind_it[0].at >= opens, "{behind_it:#?}");
        ensure!(outcomes(&runs(&tenant.api, &limited).await?) == ["rate_limited", "done"]);
        ensure!(outcomes(&runs(&tenant.api, &behind).await?) == ["done"], "it was not even asked");
        ensure!(used(&tenant.api, "generations").await? == (3, 0));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_rate_limit_that_names_no_time_costs_no_attempt_either() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let about = tenant.text("Limited, who knows how long");
        trap(&tenant, &about, Action::status(429), 1).await?;
        let args = with(brief(&about), "model", json!("gpt-poor"));
        let id = tenant.api.enqueue("content.generate", args).await?;
        let job = tenant.api.job_ended(&id, PATIENCE).await?;
        ensure!(job["state"] == "done" && job["attempt"] == 0, "{job}");
        let asks = asks(&tenant, &about).await?;
        ensure!(asks.len() == 2 && asks[1].at - asks[0].at >= TimeDelta::seconds(10), "{asks:#?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_asked_for_again_and_counts_once() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let about = tenant.text("Broken off");
        trap(&tenant, &about, Action::CutStream { events: 3 }, 1).await?;
        let id = tenant.api.enqueue("content.generate", brief(&about)).await?;
        let job = tenant.api.job_ended(&id, PATIENCE).await?;
        ensure!(job["state"] == "done" && job["attempt"] == 1, "{job}");
        let runs = runs(&tenant.api, &id).await?;
        ensure!(outcomes(&runs) == ["failed", "done"], "{runs:?}");
        ensure!(runs[0]["inputTokens"].is_null(), "what it cost is not known: {runs:?}");
        ensure!(used(&tenant.api, "generations").await? == (1, 0));
        ensure!(super::request(&tenant.api, &about).await?["status"] == "in_review");
        Ok(())
    })
    .await;
}
