//! The network is asked: many posts in one call, never in the way of a post that goes out.

use anyhow::{Context, ensure};
use fleet_tests::harness::{Fleet, Tenant, shared};
use fleet_tests::wait::{self, PATIENCE};
use platforms::EngagementType::{Click, Impression, Like, Save};
use serde_json::Value;
use simulator::{Action, Entry, Metrics, Rule};

use super::{ask_now, publish, total_is};

/// The calls for totals of the tenant's first account.
async fn looks(tenant: &Tenant) -> anyhow::Result<Vec<Entry>> {
    let mut journal = tenant.network.journal(0).await?;
    journal.retain(|entry| {
        entry.method == "GET"
            && entry.path == "/2/tweets"
            && entry.user.as_ref().is_some_and(|user| user.id == tenant.account.id)
    });
    Ok(journal)
}

async fn poll_job(fleet: &Fleet, tenant: &Tenant) -> anyhow::Result<Option<Value>> {
    let operator = fleet.operator().acting_for(&tenant.organization);
    let jobs = operator.items("/v1/jobs?kind=engagement.poll&limit=10").await?;
    Ok(jobs.into_iter().find(|job| job["finishedAt"].is_null()))
}

#[tokio::test]
async fn the_posts_of_an_account_are_asked_for_in_one_call_and_what_is_gone_is_noticed() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let mut posts = Vec::new();
        for nth in 0..3 {
            let post = publish(&tenant, "Asked for").await?;
            let metrics = Metrics {
                likes: nth,
                impressions: 100 * nth,
                url_clicks: nth,
                ..Metrics::default()
            };
            tenant.network.set_metrics(&post.platform_id, metrics).await?;
            posts.push(post);
        }
        ask_now(fleet, &tenant).await?;
        for (nth, post) in posts.iter().enumerate() {
            total_is(fleet, post, Like, &nth.to_string()).await?;
            total_is(fleet, post, Impression, &(100 * nth).to_string()).await?;
            total_is(fleet, post, Click, &nth.to_string()).await?;
            total_is(fleet, post, Save, "0").await?;
        }
        let looks = looks(&tenant).await?;
        ensure!(looks.len() == 1, "{} calls", looks.len());

        // The simulated network tells of it; here nobody hears, so it must be found.
        let quiet = format!("/v1/posts/{}", posts[1].id);
        tenant.network.delete_post(&posts[1].platform_id).await?;
        ask_now(fleet, &tenant).await?;
        let see = async || tenant.api.read(&quiet).await;
        wait::until_right("it is gone", PATIENCE, see, |seen| seen["deletedAt"].is_string())
            .await?;
        total_is(fleet, &posts[1], Like, "1").await?;
        let minutes = format!(
            "select floor(extract(epoch from next_at - now()) / 60)::int from engagement_polls
             where platform_connection_id = '{}'",
            tenant.account.connection
        );
        let see = async || fleet.database.text(&minutes).await?.parse::<i64>().context("minutes");
        // Five minutes, or ten where the last look found nothing new.
        let right = |minutes: &i64| (3..=9).contains(minutes);
        wait::until_right("the next look is planned", PATIENCE, see, right).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_look_gives_way_to_a_post_that_goes_out() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let post = publish(&tenant, "First").await?;
        tenant
            .network
            .set_metrics(&post.platform_id, Metrics { likes: 9, ..Metrics::default() })
            .await?;
        let second = tenant.plan("Second", &tenant.account, 4_000).await?;
        ask_now(fleet, &tenant).await?;
        let gives_way = wait::until("the look waits", PATIENCE, async || {
            Ok(poll_job(fleet, &tenant).await?.filter(|job| job["waiting"]["code"] == "gives_way"))
        });
        let job = gives_way.await?;
        ensure!(job["attempt"] == 0, "{job}");
        tenant.published(&second).await?;
        total_is(fleet, &post, Like, "9").await?;
        let out = tenant.posts(&second).await?.first().context("no post")?.created_at;
        let looks = looks(&tenant).await?;
        ensure!(
            looks.iter().all(|look| look.at > out),
            "asked before the post went out: {looks:#?}"
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_used_up_budget_for_looks_holds_up_no_post_and_costs_no_attempt() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let post = publish(&tenant, "Watched").await?;
        tenant
            .network
            .set_metrics(&post.platform_id, Metrics { likes: 4, ..Metrics::default() })
            .await?;
        let limited = Rule::on("GET", "/2/tweets", Action::RateLimited { reset_in_ms: 12_000 })
            .user(&tenant.account.id);
        tenant.network.fault(limited).await?;
        ask_now(fleet, &tenant).await?;
        let waits = wait::until("the look waits", PATIENCE, async || {
            Ok(poll_job(fleet, &tenant)
                .await?
                .filter(|job| job["waiting"]["code"] == "rate_limited"))
        });
        let job = waits.await?;
        ensure!(job["attempt"] == 0, "{job}");
        let planned = tenant.plan("Meanwhile", &tenant.account, 300).await?;
        tenant.published(&planned).await?;
        let out = tenant.posts(&planned).await?.first().context("no post")?.created_at;
        let looks = looks(&tenant).await?;
        let refused = looks.first().context("nobody has looked")?;
        ensure!(out < refused.at + chrono::TimeDelta::seconds(12), "it was held up until {out}");
        total_is(fleet, &post, Like, "4").await
    })
    .await;
}

#[tokio::test]
async fn a_network_that_fails_is_asked_again_and_an_account_that_is_gone_is_left_alone() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let post = publish(&tenant, "Patience").await?;
        tenant
            .network
            .set_metrics(&post.platform_id, Metrics { likes: 2, ..Metrics::default() })
            .await?;
        let down = Rule::on("GET", "/2/tweets", Action::status(503)).user(&tenant.account.id);
        tenant.network.fault(down).await?;
        ask_now(fleet, &tenant).await?;
        total_is(fleet, &post, Like, "2").await?;
        let calls = looks(&tenant).await?.len();

        tenant
            .api
            .done(
                "connection.disconnect",
                serde_json::json!({ "connectionId": tenant.account.connection }),
            )
            .await?;
        ask_now(fleet, &tenant).await?;
        let taken = format!(
            "select next_at > now() from engagement_polls where platform_connection_id = '{}'",
            tenant.account.connection
        );
        let see = async || fleet.database.text(&taken).await;
        wait::until_right("the account was passed over", PATIENCE, see, |seen| seen == "true")
            .await?;
        ensure!(looks(&tenant).await?.len() == calls);
        total_is(fleet, &post, Like, "2").await
    })
    .await;
}
