//! What people do with posts: told by the network and asked of it, doubled, late and out of order.

mod polling;
mod webhooks;

use std::sync::LazyLock;

use anyhow::{Context, Result, ensure};
use fleet_tests::harness::{Fleet, Tenant};
use fleet_tests::wait::{self, PATIENCE};
use platforms::EngagementType;
use serde_json::{Value, json};

/// A post that is out.
#[derive(Clone, Debug)]
struct Out {
    /// The fleet's id.
    id: String,
    /// The network's id.
    platform_id: String,
}

/// Publishes a post on the tenant's first account.
async fn publish(tenant: &Tenant, about: &str) -> Result<Out> {
    let planned = tenant.plan(about, &tenant.account, 300).await?;
    tenant.published(&planned).await?;
    let posts = tenant.api.items(&format!("/v1/posts?scheduleId={}", planned.id)).await?;
    let post = posts.first().context("no post")?;
    let field = |name: &str| post[name].as_str().map(str::to_owned).context("no id");
    Ok(Out { id: field("id")?, platform_id: field("platformPostId")? })
}

/// The post's total of a type: by its row, and by the sum of its events.
async fn totals(fleet: &Fleet, post: &Out, of: EngagementType) -> Result<(String, String)> {
    let total = of.total();
    let row = format!(
        "select coalesce({total}::text, 'unknown') from post_engagement where published_post_id = '{}'",
        post.id
    );
    let sum = format!(
        "select coalesce(sum(count)::text, 'unknown') from engagement_events
         where published_post_id = '{}' and event_type = '{of}'",
        post.id
    );
    Ok((fleet.database.text(&row).await?, fleet.database.text(&sum).await?))
}

/// Waits until a total of the post is this, by both.
async fn total_is(fleet: &Fleet, post: &Out, of: EngagementType, right: &str) -> Result<()> {
    let what = format!("{} of {} are {right}", of.total(), post.platform_id);
    let see = async || totals(fleet, post, of).await;
    let seen =
        wait::until_right(&what, PATIENCE * 2, see, |(row, sum)| row == right && sum == right)
            .await?;
    ensure!(seen.0 == seen.1);
    Ok(())
}

/// The tenant's accounts are to be asked now.
async fn ask_now(fleet: &Fleet, tenant: &Tenant) -> Result<()> {
    let organization = &tenant.organization;
    let sql = format!(
        "update post_engagement set next_poll_at = now()
         where organization_id = '{organization}' and next_poll_at is not null;
         update engagement_polls set next_at = now() where organization_id = '{organization}'"
    );
    fleet.database.run(&sql).await
}

/// What X sends when somebody likes a post: the n-th like of all.
fn like(post: &str, nth: u64) -> Value {
    json!({ "data": {
        "event_uuid": format!("{post}-{nth}"), "event_type": "like.create", "tag": "likes",
        "filter": { "user_id": "1", "direction": "inbound" },
        "payload": {
            "id": format!("l{post}{nth}"), "liked_tweet_id": post, "liked_tweet_author_id": "1",
            "timestamp_ms": chrono::Utc::now().timestamp_millis().to_string(),
        },
    } })
}

/// Sends bytes to the API as X would; answers the status and the body.
async fn deliver(fleet: &Fleet, body: Vec<u8>) -> Result<(u16, Value)> {
    let signature = platforms::webhooks::x::sign(fleet.secrets.x_webhook.as_bytes(), &body);
    deliver_signed(fleet, body, Some(&signature)).await
}

/// The same with this signature, or none.
async fn deliver_signed(
    fleet: &Fleet,
    body: Vec<u8>,
    signature: Option<&str>,
) -> Result<(u16, Value)> {
    // Tests have runtimes of their own: what they share keeps no connections.
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
        reqwest::Client::builder().pool_max_idle_per_host(0).build().expect("a client")
    });
    let url = format!("{}/webhooks/x", fleet.operator().base_url());
    let mut request = CLIENT.post(url).body(body);
    if let Some(signature) = signature {
        request = request.header(platforms::webhooks::x::HEADER, signature);
    }
    let answer = request.send().await?;
    let status = answer.status().as_u16();
    Ok((status, answer.json().await.unwrap_or_default()))
}
