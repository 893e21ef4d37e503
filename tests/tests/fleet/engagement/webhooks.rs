//! What the network tells: once however often it is told, authentic or not at all, and never lost.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use fleet_tests::harness::{Fleet, Setup, Tenant, on, shared};
use fleet_tests::wait::{self, PATIENCE};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use platforms::EngagementType::{Comment, Like, Share};
use serde_json::{Value, json};
use simulator::{Action, Deliver, NewEngagement, Order, Reaction, Rule, Sender, When};

use super::{ask_now, deliver, deliver_signed, like, publish, total_is};

#[tokio::test]
async fn what_is_told_twice_and_out_of_order_counts_once_and_agrees_with_the_network() {
    on(Setup::default(), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let post = publish(&tenant, "Liked").await?;
        let told = [(Reaction::Like, 5), (Reaction::Reply, 3), (Reaction::Quote, 1), (Reaction::Repost, 2)];
        for (reaction, count) in told {
            let told = NewEngagement { deliver: Deliver::Hold, copies: 2, ..NewEngagement::of(reaction, count) };
            tenant.network.engage(&post.platform_id, told).await?;
        }
        // Asked before anything of it is told.
        ask_now(fleet, &tenant).await?;
        for (of, total) in [(Like, "5"), (Comment, "3"), (Share, "3")] {
            total_is(fleet, &post, of, total).await?;
        }
        let released = tenant.network.release_deliveries(Sender::X, Order::Shuffle, 7).await?;
        ensure!(released.len() == 22, "{} deliveries", released.len());
        tenant.network.wait_deliveries(Sender::X, PATIENCE).await?;
        all_looked_at(fleet, 11).await?;
        for (of, total) in [(Like, "5"), (Comment, "3"), (Share, "3")] {
            total_is(fleet, &post, of, total).await?;
        }
        let single = format!(
            "select count(*) from engagement_events where published_post_id = '{}' and source = 'webhook'",
            post.id
        );
        ensure!(fleet.database.text(&single).await? == "11", "each is an event of its own");

        // Told and not asked; one that is lost on the way, and two that are taken back.
        tenant.network.engage(&post.platform_id, NewEngagement::of(Reaction::Like, 1)).await?;
        total_is(fleet, &post, Like, "6").await?;
        let lost = NewEngagement { deliver: Deliver::Never, ..NewEngagement::of(Reaction::Like, 1) };
        tenant.network.engage(&post.platform_id, lost).await?;
        let metrics = tenant.network.engage(&post.platform_id, NewEngagement::of(Reaction::Like, -2)).await?;
        ensure!(metrics.metrics.likes == 5, "{metrics:?}");
        ask_now(fleet, &tenant).await?;
        total_is(fleet, &post, Like, "5").await
    })
    .await;
}

/// Waits until so many events were kept in all, and each was looked at.
async fn all_looked_at(fleet: &Fleet, events: u64) -> Result<()> {
    let sql = "select count(*) || ' ' || count(outcome) from webhook_events where event_type not like 'post.create'";
    let right = format!("{events} {events}");
    let see = async || fleet.database.text(sql).await;
    wait::until_right("all events are looked at", PATIENCE, see, |seen| *seen == right).await?;
    Ok(())
}

#[tokio::test]
async fn what_is_told_before_the_post_is_known_counts_once_it_is() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        tenant.trap(&tenant.account, Action::hold(&tenant.account.id, When::After)).await?;
        let planned = tenant.plan("Liked at once", &tenant.account, 300).await?;
        tenant.network.wait_hold(&tenant.account.id, PATIENCE).await?;
        let posts = tenant.posts(&planned).await?;
        let id = &posts.first().context("the network has no post")?.id;
        let (status, answer) = deliver(fleet, like(id, 1).to_string().into_bytes()).await?;
        ensure!(status == 200, "{answer}");
        let unmatched = format!(
            "select count(*) from webhook_events where subject = '{id}' and outcome = 'unmatched'"
        );
        let see = async || fleet.database.text(&unmatched).await;
        wait::until_right("nobody knows the post yet", PATIENCE, see, |seen| seen == "1").await?;
        tenant.network.release(&tenant.account.id).await?;
        tenant.published(&planned).await?;
        let posts = tenant.api.items(&format!("/v1/posts?scheduleId={}", planned.id)).await?;
        let post = super::Out {
            id: posts[0]["id"].as_str().unwrap_or_default().to_owned(),
            platform_id: id.clone(),
        };
        total_is(fleet, &post, Like, "1").await
    })
    .await;
}

/// What it is, the body, its signature, and the status and the code with which it is refused.
type Forged = (&'static str, Vec<u8>, Option<String>, u16, &'static str);

#[tokio::test]
async fn what_is_not_authentic_or_no_event_is_refused_and_nothing_of_it_is_kept() {
    on(Setup::default(), async |fleet| {
        let good = like("42", 1).to_string().into_bytes();
        let secret = fleet.secrets.x_webhook.as_bytes();
        let sign = |secret: &[u8], body: &[u8]| platforms::webhooks::x::sign(secret, body);
        let mut tampered = good.clone();
        tampered[20] ^= 1;
        let deep =
            format!("{{\"data\":{{\"payload\":{}{}}}}}", "[".repeat(100_000), "]".repeat(100_000));
        let refused: [Forged; 11] = [
            ("no signature", good.clone(), None, 401, "unverified"),
            ("an empty one", good.clone(), Some(String::new()), 401, "unverified"),
            (
                "hexadecimal",
                good.clone(),
                Some(format!("sha256={}", "ab".repeat(32))),
                401,
                "unverified",
            ),
            (
                "another secret",
                good.clone(),
                Some(sign(b"another secret altogether", &good)),
                401,
                "unverified",
            ),
            ("another body", tampered, Some(sign(secret, &good)), 401, "unverified"),
            ("no JSON", b"hello".to_vec(), Some(sign(secret, b"hello")), 400, "malformed_json"),
            ("nothing", Vec::new(), Some(sign(secret, b"")), 400, "malformed_json"),
            ("no object", b"[1]".to_vec(), Some(sign(secret, b"[1]")), 400, "malformed_json"),
            (
                "no UTF-8",
                b"{\"a\":\"\xff\"}".to_vec(),
                Some(sign(secret, b"{\"a\":\"\xff\"}")),
                400,
                "malformed_json",
            ),
            (
                "too deep",
                deep.clone().into_bytes(),
                Some(sign(secret, deep.as_bytes())),
                400,
                "malformed_json",
            ),
            (
                "a giant",
                vec![b' '; 300_000],
                Some(sign(secret, &vec![b' '; 300_000])),
                413,
                "too_large",
            ),
        ];
        for (what, body, signature, status, code) in refused {
            let (answered, problem) = deliver_signed(fleet, body, signature.as_deref()).await?;
            ensure!(answered == status && problem["code"] == code, "{what}: {answered} {problem}");
            ensure!(
                problem["detail"].as_str().is_some_and(|said| !said.is_empty()),
                "{what}: {problem}"
            );
        }
        ensure!(fleet.database.text("select count(*) from webhook_events").await? == "0");
        ensure!(
            fleet.database.text("select count(*) from jobs where origin = 'network'").await? == "0"
        );
        let url = fleet.operator().base_url().to_owned();
        let see = async || Ok(reqwest::get(format!("{url}/metrics")).await?.text().await?);
        for reason in ["unverified", "malformed_json", "too_large"] {
            let is_counted = |told: &String| {
                told.lines().any(|line| {
                    line.starts_with("webhook_deliveries_total")
                        && line.contains(&format!("\"{reason}\""))
                })
            };
            wait::until_right(reason, PATIENCE, see, is_counted).await?;
        }
        let unknown = reqwest::Client::new()
            .post(format!("{url}/webhooks/myspace"))
            .body("{}")
            .send()
            .await?;
        ensure!(unknown.status() == 404);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_challenge_is_answered_with_our_secret_and_is_never_a_signature() {
    shared(async |fleet| {
        let url = format!("{}/webhooks/x", fleet.operator().base_url());
        let client = reqwest::Client::new();
        let asked =
            client.get(&url).query(&[("crc_token", "challenge_string_12345")]).send().await?;
        ensure!(asked.status() == 200);
        let answer: Value = asked.json().await?;
        let right = platforms::webhooks::x::crc_answer(
            fleet.secrets.x_webhook.as_bytes(),
            "challenge_string_12345",
        )?;
        ensure!(answer == json!({ "response_token": right }), "{answer}");
        for token in ["", "{\"data\":{}}"] {
            let asked = client.get(&url).query(&[("crc_token", token)]).send().await?;
            ensure!(asked.status() == 422, "{token:?}: {}", asked.status());
        }
        ensure!(client.get(&url).send().await?.status() == 422);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_nobody_understands_is_kept_and_fails_nothing() {
    on(Setup::default(), async |fleet| {
        let strange = [
            (json!({ "data": { "event_uuid": "1", "event_type": "galaxy.collide", "payload": {} } }), "unknown"),
            (json!({ "hello": "\u{0}" }), "unknown"),
            (json!({ "data": { "event_uuid": "-3402274206530057851", "event_type": "post.mention.create",
                "payload": { "id": "1" } } }), "ignored"),
            (like("1234567", 1), "unmatched"),
        ];
        for (event, _) in &strange {
            let (status, answer) = deliver(fleet, event.to_string().into_bytes()).await?;
            ensure!(status == 200 && answer == json!({ "received": true }), "{answer}");
        }
        for outcome in ["unknown", "ignored", "unmatched"] {
            let right = strange.iter().filter(|(_, right)| *right == outcome).count().to_string();
            let sql = format!("select count(*) from webhook_events where outcome = '{outcome}' and body <> ''");
            let see = async || fleet.database.text(&sql).await;
            wait::until_right(outcome, PATIENCE, see, |seen| *seen == right).await?;
        }
        let dead = fleet.operator().items("/v1/jobs?state=dead").await?;
        ensure!(dead.is_empty(), "{dead:#?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_post_that_its_author_deletes_is_marked_and_watched_no_more() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let post = publish(&tenant, "Deleted by hand").await?;
        tenant.network.delete_post(&post.platform_id).await?;
        let told = tenant.api.event(&post.id, "post.gone", PATIENCE).await?;
        ensure!(
            told["message"].as_str().is_some_and(|said| said.contains(&post.platform_id)),
            "{told}"
        );
        let seen = tenant.api.read(&format!("/v1/posts/{}", post.id)).await?;
        ensure!(seen["deletedAt"].is_string() && seen["deletedBy"] == "network", "{seen}");
        let next = format!(
            "select next_poll_at is null from post_engagement where published_post_id = '{}'",
            post.id
        );
        ensure!(fleet.database.text(&next).await? == "true");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn access_that_is_taken_back_ends_the_account_in_every_organization_and_a_word_alone_ends_nothing()
 {
    shared(async |fleet| {
        let (one, other) = (Tenant::new(fleet).await?, Tenant::new(fleet).await?);
        let args = json!({ "platform": "TWITTER", "accessToken": one.account.token });
        let made = other.api.done("connection.import", args).await?;
        let connections = [
            (&one, one.account.connection.clone()),
            (&other, made["connectionId"].as_str().unwrap_or_default().to_owned()),
        ];
        let is_active = async |right: bool| {
            for (tenant, connection) in &connections {
                let path = format!("/v1/connections/{connection}");
                let see = async || tenant.api.read(&path).await;
                wait::until_right("the account", PATIENCE, see, |seen| seen["isActive"] == right)
                    .await?;
            }
            Ok::<_, anyhow::Error>(())
        };
        // The word of another grant: ours is good, as the network says when it is asked.
        let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        let revoked = json!({ "data": {
            "event_uuid": format!("{}-revoke", one.account.id), "event_type": "oauth.revoke",
            "filter": {},
            "payload": { "user_id": one.account.id, "app_id": "9", "date_time": now },
        } });
        let (status, _) = deliver(fleet, revoked.to_string().into_bytes()).await?;
        ensure!(status == 200);
        for (tenant, connection) in &connections {
            let checked = async || {
                let operator = fleet.operator().acting_for(&tenant.organization);
                let jobs = operator.items("/v1/jobs?kind=connection.check").await?;
                Ok(jobs.into_iter().find(|job| job["args"]["connectionId"] == **connection))
            };
            let ended = |job: &Option<Value>| {
                job.as_ref().is_some_and(|job| job["result"]["outcome"] == "works")
            };
            wait::until_right("the account is checked", PATIENCE, checked, ended).await?;
        }
        is_active(true).await?;

        one.network.revoke(&one.account.id).await?;
        is_active(false).await?;
        for (tenant, connection) in &connections {
            tenant.api.event(connection, "connection.reconnect_needed", PATIENCE).await?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn nothing_that_was_taken_in_is_lost_when_a_worker_and_redis_die() {
    on(Setup::default().workers(2).can_be_cut(), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let post = Arc::new(publish(&tenant, "Very popular").await?);
        // Look-ups fail meanwhile: what is counted was told.
        tenant.network.fault(Rule::on("GET", "/2/tweets", Action::status(503)).forever()).await?;
        let told: u64 = 600;
        let redis = fleet.redis.as_ref().context("Redis can be cut")?;
        stream::iter(0..told)
            .map(|nth| {
                let post = post.clone();
                async move {
                    match nth {
                        200 => fleet.workers()[0].kill().await?,
                        350 => redis.cut(),
                        _ => {}
                    }
                    let body = like(&post.platform_id, nth).to_string().into_bytes();
                    let (status, answer) = deliver(fleet, body).await?;
                    ensure!(status == 200, "{answer}");
                    Ok::<_, anyhow::Error>(())
                }
            })
            .buffer_unordered(32)
            .try_collect::<Vec<()>>()
            .await?;
        total_is(fleet, &post, Like, &told.to_string()).await
    })
    .await;
}
