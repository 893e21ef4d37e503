//! Limits of keys: how many jobs at once, how many starts in a time, over all workers.

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use fleet_tests::api::refusal;
use fleet_tests::harness::{Account, Fleet, Planned, Tenant, on};
use fleet_tests::wait::{self, PATIENCE};
use serde_json::{Value, json};
use simulator::{Action, When};

use super::patient;

async fn limit(fleet: &Fleet, account: &Account, what: Value) -> Result<String> {
    let pattern = format!("account:TWITTER:{}", account.id);
    let mut args = what;
    args["pattern"] = json!(pattern);
    fleet.operator().done("limit.set", args).await?;
    Ok(pattern)
}

async fn job_of(fleet: &Fleet, planned: &Planned) -> Result<Value> {
    fleet.job_of("post.publish", &planned.id).await
}

#[tokio::test]
async fn one_at_a_time_means_one_in_the_whole_fleet_and_those_who_wait_say_why() {
    on(patient().workers(2), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let key = limit(fleet, &tenant.account, json!({ "concurrency": 1 })).await?;
        tenant.trap(&tenant.account, Action::hold("call", When::Before)).await?;
        let on = &tenant.account;
        let posts = [("One", on, 0), ("Two", on, 300), ("Three", on, 600)];
        let planned = tenant.plan_together(&posts, 1_500).await?;
        tenant.network.wait_hold("call", PATIENCE).await?;
        for (nth, waits) in planned[1..].iter().enumerate() {
            let found = job_of(fleet, waits).await?;
            let id = found["id"].as_str().unwrap_or_default();
            // Now and then it is looked at, and stands back again.
            let limited = |job: &Value| {
                let why = &job["waiting"];
                why["code"] == "limited" && why["ahead"] == nth && job["state"] == "scheduled"
            };
            let see = async || fleet.operator().job(id).await;
            let what = format!("the job waits for its key, behind {nth}");
            let job = wait::until_right(&what, PATIENCE, see, limited).await?;
            let why = &job["waiting"];
            ensure!(why["key"] == key.as_str() && why["until"].is_string(), "{job}");
            let message = why["message"].as_str().unwrap_or_default();
            ensure!(message.contains("1 at once"), "{message}");
        }
        tenant.network.release("call").await?;
        for planned in &planned {
            tenant.published(planned).await?;
            let job = job_of(fleet, planned).await?;
            ensure!(job["attempt"] == 0 && job["crashes"] == 0, "waiting costs nothing: {job}");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_rate_holds_for_the_whole_fleet_and_costs_no_attempt() {
    on(patient().workers(2), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        limit(fleet, &tenant.account, json!({ "starts": 2, "perSecs": 2 })).await?;
        let on = &tenant.account;
        let posts = [("One", on, 0), ("Two", on, 0), ("Three", on, 0), ("Four", on, 0)];
        let planned = tenant.plan_together(&posts, 1_500).await?;
        let mut started = Vec::new();
        for planned in &planned {
            tenant.published(planned).await?;
            let job = job_of(fleet, planned).await?;
            ensure!(job["attempt"] == 0, "waiting costs nothing: {job}");
            // Starts are limited; how long the call takes from there on is the machine's affair.
            started.push(job["startedAt"].as_str().context("no start")?.parse::<DateTime<Utc>>()?);
        }
        started.sort();
        let third = started[2] - started[0];
        ensure!(third >= TimeDelta::milliseconds(2_500), "the third was started after {third}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn operators_set_limits_and_nobody_else() {
    on(patient().workers(1), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let operator = fleet.operator();
        let set = json!({ "pattern": "x:user:*:POST /2/tweets", "starts": 100, "perSecs": 900 });
        operator.done("limit.set", set.clone()).await?;
        let listed = operator.items("/v1/limits").await?;
        ensure!(listed.len() == 1 && listed[0]["starts"] == 100, "{listed:?}");
        for (args, field) in [
            (json!({ "pattern": "x:*:*", "concurrency": 1 }), "args.pattern"),
            (json!({ "pattern": "x" }), "args.concurrency"),
            (json!({ "pattern": "x", "starts": 5 }), "args.perSecs"),
            (json!({ "pattern": "x", "concurrency": 0 }), "args.concurrency"),
        ] {
            let refused = operator.done("limit.set", args.clone()).await.unwrap_err();
            let refused = refusal(&refused).unwrap();
            ensure!(refused.status == 422, "{args}: {refused:?}");
            ensure!(refused.body.to_string().contains(field), "{args}: {refused:?}");
        }
        let refused = tenant.api.done("limit.set", set).await.unwrap_err();
        ensure!(refusal(&refused).unwrap().status == 403, "{refused}");
        ensure!(tenant.api.get("/v1/limits").await?.status == 403);
        let remove = json!({ "pattern": "x:user:*:POST /2/tweets" });
        ensure!(operator.done("limit.remove", remove.clone()).await?["removed"] == true);
        ensure!(operator.done("limit.remove", remove).await?["removed"] == false);
        Ok(())
    })
    .await;
}
