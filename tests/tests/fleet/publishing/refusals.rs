//! What the network refuses: for now, or for good.

use anyhow::{bail, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use fleet_tests::api::refusal;
use fleet_tests::harness::{Tenant, in_ms, shared};
use fleet_tests::wait::PATIENCE;
use serde_json::json;
use simulator::Action;

use super::{called, nothing_at_network, outcomes};

#[tokio::test]
async fn a_rate_limit_spends_no_attempt_and_other_accounts_go_on() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let other = tenant.another_account().await?;
        // The other account goes out a second after the first call, and so long before this.
        let reset_in_ms = 7_000;
        tenant.trap(&tenant.account, Action::RateLimited { reset_in_ms }).await?;
        let three = [
            ("Limited", &tenant.account, 0),
            ("Behind it", &tenant.account, 1_000),
            ("Free", &other, 1_000),
        ];
        let planned = tenant.plan_together(&three, 1_000).await?;
        let [limited, behind, free] = &planned[..] else { bail!("three were planned") };
        let freed = tenant.published(free).await?;
        let schedule = tenant.published(limited).await?;
        tenant.published(behind).await?;
        ensure!(schedule["retryCount"] == 0, "a 429 costs no attempt: {schedule}");
        let opens = limited.at + TimeDelta::milliseconds(i64::try_from(reset_in_ms)?);
        for waited in [limited, behind] {
            let post = tenant.posts(waited).await?.remove(0);
            ensure!(post.created_at >= opens, "{} is before {opens}", post.created_at);
        }
        let published_at: DateTime<Utc> = freed["publishedAt"].as_str().unwrap().parse()?;
        ensure!(published_at < opens, "the other account waited too: {freed}");
        called(&tenant, limited, 2).await?;
        called(&tenant, behind, 1).await
    })
    .await;
}

#[tokio::test]
async fn a_permanent_refusal_fails_with_the_networks_own_words() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let action = Action::Status {
            status: 400,
            headers: Default::default(),
            body: Some(json!({
                "title": "Invalid Request", "detail": "This is not allowed here.",
                "type": "https://api.twitter.com/2/problems/invalid-request", "status": 400,
            })),
            act: false,
        };
        tenant.trap(&tenant.account, action).await?;
        let planned = tenant.plan("Refused", &tenant.account, 1_000).await?;
        let schedule = tenant.api.schedule_is(&planned.id, "failed", PATIENCE).await?;
        let reason = schedule["statusReason"].as_str().unwrap();
        ensure!(reason.contains("This is not allowed here."), "{reason}");
        ensure!(
            schedule["errorMessage"].is_string() && !outcomes(&schedule).is_empty(),
            "{schedule}"
        );
        tenant.api.event(&planned.id, "post.failed", PATIENCE).await?;
        called(&tenant, &planned, 1).await?;
        nothing_at_network(&tenant, &planned).await
    })
    .await;
}

#[tokio::test]
async fn a_duplicate_is_no_proof_that_the_earlier_post_is_ours() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let first = tenant.plan("Said twice", &tenant.account, 1_000).await?;
        tenant.published(&first).await?;
        let version = tenant.write(&first.text).await?;
        let made = tenant.api.done(
            "schedule.create",
            json!({
                "contentVersionId": version,
                "platformConnectionId": tenant.account.connection,
                "at": in_ms(2_000).format("%Y-%m-%dT%H:%M:%S%.3f").to_string(),
                "timezone": "UTC",
                "maxRetries": 0,
            }),
        );
        let made = made.await?;
        let second = made["scheduleId"].as_str().unwrap();
        let schedule = tenant.api.schedule_is(second, "failed", PATIENCE).await?;
        ensure!(schedule["publishedPostId"].is_null(), "{schedule}");
        let posts = tenant.posts(&first).await?;
        ensure!(posts.len() == 1, "{posts:#?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_is_scheduled_for_a_disconnected_account_waits_on_hold() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let planned = tenant.plan("Nobody home", &tenant.account, 3_000).await?;
        let args = json!({ "connectionId": tenant.account.connection });
        let told = tenant.api.done("connection.disconnect", args).await?;
        ensure!(told["schedulesOnHold"] == 1, "{told}");
        let schedule = tenant.api.schedule_is(&planned.id, "on_hold", PATIENCE).await?;
        ensure!(schedule["statusReason"].as_str().is_some_and(|why| !why.is_empty()));
        let version = tenant.write(&tenant.text("Later")).await?;
        let refused = tenant.schedule(&version, in_ms(60_000)).await.unwrap_err();
        let answer = refusal(&refused).unwrap();
        ensure!((answer.status, answer.code()) == (409, "account_disconnected"), "{answer:?}");
        nothing_at_network(&tenant, &planned).await
    })
    .await;
}
