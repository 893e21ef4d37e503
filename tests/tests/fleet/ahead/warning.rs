//! What will keep posts from going out is told before their time, once for an account and cause.

use anyhow::{Context, Result, ensure};
use fleet_tests::api::refusal;
use fleet_tests::harness::{Account, Fleet, Planned, Setup, Tenant, in_ms, on, shared};
use fleet_tests::wait::{self, PATIENCE};
use serde_json::{Value, json};
use simulator::Sender;

use crate::api::is_problem;

const MINUTE: i64 = 60_000;

/// Two posts of an account, less than an hour ahead.
async fn two_posts(tenant: &Tenant, on: &Account) -> Result<Vec<Planned>> {
    let two = [("One", on, 0), ("Another", on, MINUTE)];
    tenant.plan_together(&two, 50 * MINUTE).await
}

/// The hour ahead of them begins now.
async fn their_hour_comes(fleet: &Fleet, on: &Account) -> Result<()> {
    let sql = format!(
        "update schedules set check_at = now() where platform_connection_id = '{}'",
        on.connection
    );
    fleet.database.run(&sql).await
}

/// Waits until each of the posts carries exactly these warnings, and goes out as planned nevertheless.
async fn warned(tenant: &Tenant, posts: &[Planned], codes: &[&str]) -> Result<()> {
    for post in posts {
        let see = async || tenant.api.schedule(&post.id).await;
        let is_right = |schedule: &Value| {
            let warnings = schedule["warnings"].as_array();
            let found: Option<Vec<&str>> =
                warnings.and_then(|all| all.iter().map(|one| one["code"].as_str()).collect());
            found.is_some_and(|found| found == codes)
        };
        let what = format!("the warnings are {codes:?}");
        let schedule = wait::until_right(&what, PATIENCE, see, is_right).await?;
        ensure!(schedule["attemptLog"] == json!([]), "{schedule}");
        for warning in schedule["warnings"].as_array().into_iter().flatten() {
            ensure!(warning["message"].as_str().is_some_and(|said| said.len() > 20), "{warning}");
            ensure!(warning["since"].is_string(), "{warning}");
        }
    }
    Ok(())
}

/// Waits until the account's people were told of exactly these codes, oldest first: the feed lags behind.
async fn told(tenant: &Tenant, account: &Account, codes: &[&str]) -> Result<()> {
    let see = async || {
        let mut events = tenant.api.events_of(&account.connection).await?;
        events.retain(|event| event["type"] == "schedule.warning");
        Ok(events)
    };
    let what = format!("people are told {codes:?}");
    let right = |events: &Vec<Value>| events.iter().map(|event| &event["data"]["code"]).eq(codes);
    wait::until_right(&what, PATIENCE, see, right).await.map(drop)
}

#[tokio::test]
async fn a_token_revoked_at_the_network_is_told_long_before_the_posts() {
    // A fleet of its own, to which the network tells nothing by itself.
    on(Setup::default(), async |fleet| {
        fleet.simulator().unset_webhook(Sender::X).await?;
        let tenant = Tenant::new(fleet).await?;
        let account = tenant.connected_account().await?;
        tenant.network.revoke(&account.id).await?;
        // Nobody here knows yet: the account looks usable, and is checked because posts were made.
        let posts = two_posts(&tenant, &account).await?;
        warned(&tenant, &posts, &["account_disconnected"]).await?;
        told(&tenant, &account, &["account_disconnected"]).await.context("once")?;
        for post in &posts {
            let schedule = tenant.api.schedule(&post.id).await?;
            ensure!(schedule["status"] == "scheduled", "nothing is delayed or changed: {schedule}");
        }
        tenant.person().consent(&account.username).await?;
        warned(&tenant, &posts, &[]).await?;
        // The next time is told again.
        tenant.network.revoke(&account.id).await?;
        their_hour_comes(fleet, &account).await?;
        warned(&tenant, &posts, &["account_disconnected"]).await?;
        told(&tenant, &account, &["account_disconnected", "account_disconnected"]).await
    })
    .await;
}

#[tokio::test]
async fn whatever_stands_in_the_way_is_one_warning_on_each_post_and_one_event() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let on = &tenant.account;
        let posts = two_posts(&tenant, on).await?;
        warned(&tenant, &posts, &[]).await?;
        let account = |set: &str| {
            format!("update platform_connections set {set} where id = '{}'", on.connection)
        };
        let texts = |text: &str| {
            format!(
                "update content_versions set text = {text}
                 where id in (select content_version_id from schedules where platform_connection_id = '{}')",
                on.connection
            )
        };
        let own = format!("where organization_id = '{}'", tenant.organization);
        let causes = [
            (
                "scopes_missing",
                account("scopes = '{tweet.read,users.read,offline.access}'"),
                account("scopes = '{}'"),
            ),
            (
                "token_ends",
                account("token_expires_at = now() + interval '40 minutes'"),
                account("token_expires_at = null"),
            ),
            ("content_rejected", texts("repeat('far too long ', 40)"), texts("'short ' || id")),
            (
                "usage_exhausted",
                format!(
                    "insert into organization_limits (organization_id, metric, most, set_by)
                     values ('{}', 'scheduled_posts', 1, 'o')",
                    tenant.organization
                ),
                format!("delete from organization_limits {own}"),
            ),
        ];
        let mut all = Vec::new();
        for (code, begin, end) in causes {
            fleet.database.run(&begin).await?;
            their_hour_comes(fleet, on).await?;
            warned(&tenant, &posts, &[code]).await.context(code)?;
            all.push(code);
            told(&tenant, on, &all).await?;
            fleet.database.run(&end).await?;
            their_hour_comes(fleet, on).await?;
            warned(&tenant, &posts, &[]).await.context(code)?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_approval_that_was_voided_is_warned_of_until_it_is_given_again() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let on = &tenant.account;
        let version = tenant.write("To be approved").await?;
        let shown = tenant.api.read(&format!("/v1/content-versions/{version}")).await?;
        let approve = json!({ "contentRequestId": shown["contentRequestId"] });
        tenant.api.done("content.approve", approve.clone()).await?;
        tenant.api.done("organization.update", json!({ "approvalRequired": true })).await?;
        let mut posts = Vec::new();
        for minutes in [50, 55] {
            let made = tenant.schedule(&version, in_ms(minutes * MINUTE)).await?;
            posts.push(made["scheduleId"].as_str().context("an id")?.to_owned());
        }
        let codes = async |expected: &[&str]| -> Result<()> {
            for id in &posts {
                let see = async || tenant.api.schedule(id).await;
                let is_right = |schedule: &Value| {
                    let warnings = schedule["warnings"].as_array().into_iter().flatten();
                    warnings
                        .map(|one| one["code"].as_str().unwrap_or_default())
                        .eq(expected.iter().copied())
                };
                wait::until_right("the warnings", PATIENCE, see, is_right).await?;
            }
            Ok(())
        };
        let edit = json!({ "contentVersionId": version, "text": tenant.text("Edited") });
        tenant.api.done("version.edit", edit).await?;
        codes(&["not_approved"]).await?;
        told(&tenant, on, &["not_approved"]).await?;
        tenant.api.done("content.approve", approve).await?;
        codes(&[]).await
    })
    .await;
}

#[tokio::test]
async fn nobody_schedules_on_an_account_without_the_right_to_post() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let (_, mut args) = tenant.newcomer().await?;
        args["scopes"] = json!(["tweet.read", "users.read"]);
        let made = tenant.api.done("connection.import", args).await?;
        let connection = made["connectionId"].as_str().context("a connection")?.to_owned();
        let reader = Account { connection, ..tenant.account.clone() };
        let version = tenant.write("Not from here").await?;
        let refused = tenant.schedule_on(&version, &reader, in_ms(50 * MINUTE)).await;
        let error = refused.err().context("it was accepted")?;
        let answer = refusal(&error).context("a refusal")?;
        is_problem(answer, 409, "account_disconnected", "args.platformConnectionId")?;
        ensure!(answer.body["detail"].as_str().unwrap().contains("tweet.write"), "{answer:?}");
        Ok(())
    })
    .await;
}
