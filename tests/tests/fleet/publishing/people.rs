//! What no look-up can find out: a person decides, once.

use std::time::Duration;

use anyhow::{Result, ensure};
use fleet_tests::api::refusal;
use fleet_tests::harness::{Fleet, Planned, Tenant, shared};
use fleet_tests::wait::{self, PATIENCE};
use serde_json::json;
use simulator::{Action, Rule};

use super::called;

const PERSON: &str = "anna@bakery.example";

/// A post whose outcome no look-up finds out, at the moment when a person is asked.
async fn unfindable(fleet: &Fleet, action: Action) -> Result<(Tenant, Planned)> {
    let tenant = Tenant::new(fleet).await?;
    tenant.trap(&tenant.account, action).await?;
    // Not a fault of the moment: the account may not be read at all, says the network this once.
    let closed = Rule::on("GET", "/2/users/*", Action::status(403)).user(&tenant.account.id);
    tenant.network.fault(closed).await?;
    let planned = tenant.plan("Unfindable", &tenant.account, 1_000).await?;
    wait::until("a person is asked", Duration::from_secs(60), async || {
        let path = "/v1/jobs?kind=post.reconcile&state=dead";
        Ok((!tenant.api.items(path).await?.is_empty()).then_some(()))
    })
    .await?;
    let schedule = tenant.api.schedule(&planned.id).await?;
    ensure!(schedule["status"] == "unconfirmed", "{schedule}");
    let reason = schedule["statusReason"].as_str().unwrap();
    ensure!(reason.contains("Look at the account"), "{reason}");
    Ok((tenant, planned))
}

#[tokio::test]
async fn a_person_says_that_the_post_is_there() {
    shared(async |fleet| {
        let (tenant, planned) = unfindable(fleet, Action::DropAfter {}).await?;
        let post = tenant.posts(&planned).await?.remove(0);
        let args = json!({
            "scheduleId": planned.id, "resolution": "published", "platformPostId": post.id,
        });
        tenant.api.done_by(PERSON, "post.resolve", args.clone()).await?;
        tenant.published(&planned).await?;
        called(&tenant, &planned, 1).await?;
        let types = ["post.unconfirmed", "post.unconfirmed", "post.published"];
        let told = tenant.api.told(&planned.id, &types).await?;
        ensure!(told[2]["message"].as_str().unwrap().contains(PERSON), "{told:#?}");
        let again = tenant.api.done("post.resolve", args).await.unwrap_err();
        ensure!(refusal(&again).unwrap().status == 409, "{again:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_person_says_that_it_shall_be_published_again() {
    shared(async |fleet| {
        let (tenant, planned) = unfindable(fleet, Action::DropBefore {}).await?;
        let args = json!({ "scheduleId": planned.id, "resolution": "publishAgain" });
        tenant.api.done_by(PERSON, "post.resolve", args).await?;
        tenant.published(&planned).await?;
        called(&tenant, &planned, 2).await?;
        tenant.api.event(&planned.id, "post.resolved", PATIENCE).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn only_an_unconfirmed_schedule_is_resolved() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let planned = tenant.plan("Not yet", &tenant.account, 60_000).await?;
        let args = json!({ "scheduleId": planned.id, "resolution": "publishAgain" });
        let refused = tenant.api.done("post.resolve", args).await.unwrap_err();
        let answer = refusal(&refused).unwrap();
        ensure!((answer.status, answer.code()) == (409, "conflict"), "{answer:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_look_up_that_was_given_up_is_tried_again_on_request() {
    shared(async |fleet| {
        let (tenant, planned) = unfindable(fleet, Action::DropAfter {}).await?;
        let jobs = tenant.api.items("/v1/jobs?kind=post.reconcile&state=dead").await?;
        tenant.api.done("job.retry", json!({ "jobId": jobs[0]["id"] })).await?;
        tenant.published(&planned).await?;
        called(&tenant, &planned, 1).await
    })
    .await;
}

#[tokio::test]
async fn a_refused_post_is_published_when_somebody_retries_its_job() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        tenant.trap(&tenant.account, Action::status(400)).await?;
        let planned = tenant.plan("Refused once", &tenant.account, 1_000).await?;
        tenant.api.schedule_is(&planned.id, "failed", PATIENCE).await?;
        let jobs = tenant.api.items("/v1/jobs?kind=post.publish&state=dead").await?;
        tenant.api.done("job.retry", json!({ "jobId": jobs[0]["id"] })).await?;
        tenant.published(&planned).await?;
        called(&tenant, &planned, 2).await
    })
    .await;
}

#[tokio::test]
async fn a_schedule_whose_job_is_cancelled_is_cancelled() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let planned = tenant.plan("Called off", &tenant.account, 20_000).await?;
        let job = fleet.job_of("post.publish", &planned.id).await?;
        tenant.api.done_by(PERSON, "job.cancel", json!({ "jobId": job["id"] })).await?;
        let schedule = tenant.api.schedule_is(&planned.id, "cancelled", PATIENCE).await?;
        ensure!(schedule["statusReason"].as_str().unwrap().contains(PERSON), "{schedule}");
        called(&tenant, &planned, 0).await
    })
    .await;
}
