//! Events become sums soon and once, whoever dies; sums move with their organization.

use anyhow::{Result, ensure};
use fleet_tests::api::Ask;
use fleet_tests::harness::{Fleet, Tenant, on, shared};
use fleet_tests::wait::{self, PATIENCE};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection};

use super::{added_up, analytics, told, waiting, went_out};
use crate::api::is_problem;
use crate::queue::patient;

/// So many times as many as are added at once.
const BATCHES: i64 = 3;
const BATCH: i64 = 10_000;

/// Three batches of likes, one in each second: those of the first two for the first post, the others for
/// the second one.
async fn many(fleet: &Fleet, tenant: &Tenant, posts: &[String]) -> Result<()> {
    let (of, account) = (&tenant.organization, &tenant.account.connection);
    let post = format!(
        "case when n <= {} then '{}'::uuid else '{}'::uuid end",
        BATCH * 2,
        posts[0],
        posts[1]
    );
    let at = "timestamptz '2026-11-02T00:00:00Z' + n * interval '1 second'";
    let rows = format!("from generate_series(1, {}) n", BATCH * BATCHES);
    let sql = format!(
        "begin;
         insert into engagement_events (organization_id, published_post_id, event_type, count, occurred_at, source)
         select '{of}', {post}, 'like', 1, {at}, 'poll' {rows};
         insert into engagement_deltas (organization_id, published_post_id, platform_connection_id, event_type,
                                        count, occurred_at)
         select '{of}', {post}, '{account}', 'like', 1, {at} {rows};
         commit"
    );
    fleet.database.run(&sql).await
}

#[tokio::test]
async fn a_worker_that_dies_between_batches_has_added_each_event_once() {
    on(patient().workers(1), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let accounts = [tenant.account.connection.as_str()];
        let posts = went_out(fleet, &tenant, &accounts, &["2026-11-01T12:00:00Z"; 2]).await?;
        // Whoever comes to the second post must wait for this row.
        let owner = fleet.database.url(fleet_tests::harness::Login::Owner, None)?;
        let mut holder = sqlx::PgConnection::connect(&owner).await?;
        let row = format!(
            "begin; insert into analytics_aggregates (organization_id, scope, subject_id, grain, period_start)
             values ('{}', 'post', '{}', 'day', '2026-11-01T23:00:00Z')",
            tenant.organization, posts[1]
        );
        sqlx::raw_sql(AssertSqlSafe(row)).execute(&mut holder).await?;
        many(fleet, &tenant, &posts).await?;
        let left = async || waiting(fleet, &tenant).await;
        let one_is_left = |left: &i64| *left == BATCH;
        wait::until_right("two of three batches are added", PATIENCE, left, one_is_left).await?;
        let query = "from=2026-11-02&to=2026-11-03&metrics=likes";
        let part = analytics(&tenant, query).await?;
        ensure!(part["totals"]["likes"] == BATCH * 2, "{part}");
        let jobs = fleet.operator().items("/v1/jobs?kind=analytics.aggregate&state=running").await?;
        ensure!(jobs.len() == 1, "{jobs:?}");
        fleet.worker_of(jobs[0]["id"].as_str().unwrap()).await?.kill().await?;
        sqlx::raw_sql("rollback").execute(&mut holder).await?;
        fleet.start_worker().await?;
        added_up(fleet, &tenant).await?;
        let whole = analytics(&tenant, query).await?;
        ensure!(whole["totals"]["likes"] == BATCH * BATCHES, "{whole}");
        let rebuilt = tenant.api.done("analytics.rebuild", json!({})).await?;
        ensure!(rebuilt == json!({ "events": BATCH * BATCHES, "timezone": "Europe/Berlin" }), "{rebuilt}");
        ensure!(analytics(&tenant, query).await? == whole);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_organization_that_moves_has_its_days_elsewhere() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let accounts = [tenant.account.connection.as_str()];
        let posts = went_out(fleet, &tenant, &accounts, &["2026-11-01T12:00:00Z"]).await?;
        // In Berlin the third of November has begun, in New York it has not.
        told(fleet, &tenant, &[(&posts[0], "like", 5, "2026-11-02T23:30:00Z")]).await?;
        added_up(fleet, &tenant).await?;
        let query = "from=2026-11-02&to=2026-11-04&groupBy=day&metrics=likes";
        let likes = async || {
            let told = analytics(&tenant, query).await?;
            Ok((
                told["timezone"].clone(),
                told["rows"][0]["likes"].clone(),
                told["rows"][1]["likes"].clone(),
            ))
        };
        ensure!(likes().await? == (json!("Europe/Berlin"), json!(null), json!(5)));
        let update = json!({ "timezone": "America/New_York" });
        tenant.api.done("organization.update", update.clone()).await?;
        let moved = (json!("America/New_York"), json!(5), json!(0));
        wait::until_right("the days are New York's", PATIENCE, likes, |seen| *seen == moved)
            .await?;
        // Once more, to where it is: nothing needs to be made anew.
        tenant.api.done("organization.update", update).await?;
        let jobs = tenant.api.items("/v1/jobs?kind=analytics.rebuild").await?;
        ensure!(jobs.len() == 1 && jobs[0]["origin"] == "worker", "{jobs:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn who_may_have_sums_made_anew() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let ask = Ask::new("analytics.rebuild", json!({}));
        let answer = tenant.key_with(&["read", "jobs:write"]).await?.ask(&ask).await?;
        is_problem(&answer, 403, "forbidden", "kind")?;
        let args = json!({ "from": "2026-11-01" });
        let answer = tenant.api.ask(&Ask::new("analytics.rebuild", args)).await?;
        is_problem(&answer, 422, "invalid_argument", "args.from")?;
        let answer = tenant.api.ask(&Ask::new("analytics.aggregate", json!({}))).await?;
        ensure!((400..500).contains(&answer.status), "{answer:?}");
        let operator = fleet.operator().acting_for(&tenant.organization);
        let rebuilt = operator.done("analytics.rebuild", json!({})).await?;
        ensure!(rebuilt["events"] == 0, "{rebuilt}");
        Ok(())
    })
    .await;
}
