//! Cancelling, pausing and resuming.

use anyhow::{Result, bail, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use fleet_tests::api::{Api, Ask, refusal};
use fleet_tests::harness::{Tenant, on, shared};
use fleet_tests::wait::{self, PATIENCE};
use serde_json::{Value, json};

use super::patient;

#[tokio::test]
async fn a_running_job_is_cancelled_within_two_seconds() {
    on(patient(), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let id = tenant.held_job("import", 1).await?;
        let told = tenant.api.done_by("", "job.cancel", json!({ "jobId": id })).await?;
        ensure!(told["result"]["outcome"] == "requested", "{told}");
        let job = tenant.api.job_ended(&id, PATIENCE).await?;
        ensure!(job["state"] == "cancelled", "{job}");
        let at = |job: &Value| job["finishedAt"].as_str().unwrap().parse::<DateTime<Utc>>();
        let took = at(&job)? - at(&told)?;
        ensure!(took < TimeDelta::seconds(2), "it took {} ms", took.num_milliseconds());
        let again = tenant.api.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).await?;
        ensure!(again.status == 409, "{again:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_waiting_job_is_cancelled_at_once_and_can_be_retried() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let version = json!({ "platform": "TWITTER", "text": "Later" });
        let args = json!({ "title": "Later", "versions": [version] });
        let ask = Ask::new("content.create", args).run_at(Utc::now() + TimeDelta::hours(1));
        let id = tenant.api.ask(&ask).await?.body["id"].as_str().unwrap().to_owned();
        let job = tenant.api.job(&id).await?;
        ensure!(job["state"] == "scheduled" && job["waiting"]["code"] == "due", "{job}");
        let told = tenant.api.done("job.cancel", json!({ "jobId": id })).await?;
        ensure!(told["outcome"] == "cancelled", "{told}");
        ensure!(tenant.api.job(&id).await?["state"] == "cancelled");
        let retried = tenant.api.done("job.retry", json!({ "jobId": id })).await?;
        let id = retried["jobId"].as_str().unwrap();
        ensure!(tenant.api.job_ended(id, PATIENCE).await?["state"] == "done");
        Ok(())
    })
    .await;
}

/// Enqueues content and waits until the ledger says why it does not run.
async fn paused_job(api: &Api) -> Result<String> {
    let version = json!({ "platform": "TWITTER", "text": "Paused" });
    let args = json!({ "title": "Paused", "versions": [version] });
    let id = api.enqueue("content.create", args).await?;
    let is_paused = |job: &Value| job["waiting"]["code"] == "paused";
    wait::until_right("the job is paused", PATIENCE, async || api.job(&id).await, is_paused)
        .await?;
    Ok(id)
}

#[tokio::test]
async fn a_paused_queue_of_an_organization_stands_still_and_others_go_on() {
    shared(async |fleet| {
        let (paused, other) = (Tenant::new(fleet).await?, Tenant::new(fleet).await?);
        let reason = json!({ "queue": "interactive", "reason": "A look at the texts." });
        paused.api.done("queue.pause", reason).await?;
        let id = paused_job(&paused.api).await?;
        other.write("Not paused").await?;
        ensure!(paused.api.job(&id).await?["state"] == "ready");
        let pauses = paused.api.items("/v1/pauses").await?;
        ensure!(pauses.len() == 1 && pauses[0]["reason"] == "A look at the texts.", "{pauses:?}");
        ensure!(other.api.items("/v1/pauses").await?.is_empty());
        paused.api.done("queue.resume", json!({ "queue": "interactive" })).await?;
        ensure!(paused.api.job_ended(&id, PATIENCE).await?["state"] == "done");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_organization_that_paused_all_its_queues_can_resume_them() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        tenant.api.done("queue.pause", json!({ "reason": "Holidays." })).await?;
        let id = paused_job(&tenant.api).await?;
        // The control queue is never paused.
        tenant.api.done("queue.resume", json!({})).await?;
        ensure!(tenant.api.job_ended(&id, PATIENCE).await?["state"] == "done");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_paused_account_publishes_nothing_until_it_is_resumed() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let other = tenant.another_account().await?;
        let account =
            json!({ "platformConnectionId": tenant.account.connection, "reason": "Quiet." });
        tenant.api.done("queue.pause", account).await?;
        let pauses = tenant.api.items("/v1/pauses").await?;
        ensure!(pauses.len() == 1 && pauses[0]["reason"] == "Quiet.", "{pauses:?}");
        ensure!(pauses[0]["accountId"] == tenant.account.id.as_str(), "{pauses:?}");
        let both = [("Waits", &tenant.account, 0), ("Goes", &other, 0)];
        let [waits, goes] = &tenant.plan_together(&both, 1_000).await?[..] else { bail!("two") };
        tenant.published(goes).await?;
        let job = fleet.job_of("post.publish", &waits.id).await?;
        let id = job["id"].as_str().unwrap();
        let is_held = |job: &Value| job["waiting"]["key"].is_string();
        wait::until_right("it waits", PATIENCE, async || tenant.api.job(id).await, is_held).await?;
        crate::publishing::called(&tenant, waits, 0).await?;
        let account = json!({ "platformConnectionId": tenant.account.connection });
        let told = tenant.api.done("queue.resume", account).await?;
        ensure!(told["released"] == 1, "{told}");
        ensure!(tenant.api.items("/v1/pauses").await?.is_empty());
        tenant.published(waits).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn an_operator_pauses_a_queue_of_the_whole_fleet() {
    on(patient().workers(1), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let operator = fleet.operator();
        let pause = json!({ "queue": "interactive", "reason": "Maintenance." });
        operator.done("queue.pause", pause).await?;
        let id = paused_job(&tenant.api).await?;
        operator.done("queue.resume", json!({ "queue": "interactive" })).await?;
        ensure!(tenant.api.job_ended(&id, PATIENCE).await?["state"] == "done");
        let control = json!({ "queue": "control", "reason": "No." });
        let refused = operator.done("queue.pause", control).await.unwrap_err();
        let answer = refusal(&refused).unwrap();
        ensure!((answer.status, answer.field()) == (422, "args.queue"), "{answer:?}");
        Ok(())
    })
    .await;
}
