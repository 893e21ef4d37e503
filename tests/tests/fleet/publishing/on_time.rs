//! What goes out as planned: at its moment, with its image, several at once.

use anyhow::{bail, ensure};
use chrono::{TimeDelta, Utc};
use chrono_tz::Europe::Berlin;
use fleet_tests::harness::{Planned, Setup, Tenant, in_ms, on, shared};
use fleet_tests::wait::{self, PATIENCE};
use serde_json::json;

use super::{called, outcomes};

#[tokio::test]
async fn a_post_with_an_image_goes_out_once_at_its_moment_in_its_zone() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let text = tenant.text("Fresh from the oven");
        let version = tenant.write(&text).await?;
        tenant.attach_image(&version).await?;
        let at = in_ms(2_000);
        let made = tenant
            .api
            .done(
                "schedule.create",
                json!({
                    "contentVersionId": version,
                    "platformConnectionId": tenant.account.connection,
                    "at": at.with_timezone(&Berlin).format("%Y-%m-%dT%H:%M:%S%.3f").to_string(),
                    "timezone": "Europe/Berlin",
                }),
            )
            .await?;
        ensure!(
            made["scheduledAt"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>()? == at
        );
        let planned = Planned {
            id: made["scheduleId"].as_str().unwrap().to_owned(),
            at,
            text,
            username: tenant.account.username.clone(),
        };
        let schedule = tenant.published(&planned).await?;
        let post = tenant.posts(&planned).await?.remove(0);
        ensure!(post.media.len() == 1 && post.media[0].mime == "image/png", "{post:?}");
        ensure!(post.media[0].alt_text.as_deref() == Some("A loaf of bread"), "{post:?}");
        let late = post.created_at - at;
        ensure!(late < TimeDelta::seconds(6), "{} ms late", late.num_milliseconds());
        ensure!(schedule["retryCount"] == 0 && outcomes(&schedule) == ["published"], "{schedule}");
        let posts = tenant.api.items("/v1/posts").await?;
        ensure!(posts.len() == 1 && posts[0]["platformPostId"] == post.id.as_str(), "{posts:?}");
        called(&tenant, &planned, 1).await
    })
    .await;
}

#[tokio::test]
async fn posts_of_the_same_second_all_go_out() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let other = tenant.another_account().await?;
        let both = [("Here", &tenant.account, 0), ("There", &other, 0)];
        for planned in &tenant.plan_together(&both.repeat(4), 2_000).await? {
            tenant.published(planned).await?;
            called(&tenant, planned, 1).await?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_schedule_that_was_moved_goes_out_at_its_new_moment_alone() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let mut planned = tenant.plan("Moved", &tenant.account, 3_000).await?;
        let later = planned.at + TimeDelta::seconds(2);
        let args = json!({
            "scheduleId": planned.id,
            "at": later.format("%Y-%m-%dT%H:%M:%S%.3f").to_string(),
            "timezone": "UTC",
        });
        tenant.api.done("schedule.update", args).await?;
        planned.at = later;
        tenant.published(&planned).await?;
        called(&tenant, &planned, 1).await
    })
    .await;
}

#[tokio::test]
async fn a_schedule_cancelled_just_before_its_moment_never_goes_out() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let both = [("Cancelled", &tenant.account, 0), ("Witness", &tenant.account, 0)];
        let planned = tenant.plan_together(&both, 3_000).await?;
        let [planned, witness] = &planned[..] else { bail!("two were planned") };
        let args = json!({ "scheduleId": planned.id, "reason": "The shop is closed." });
        tenant.api.done("schedule.cancel", args).await?;
        // When its neighbour is out, its own moment has passed too.
        tenant.published(witness).await?;
        let schedule = tenant.api.schedule(&planned.id).await?;
        ensure!(schedule["status"] == "cancelled", "{schedule}");
        ensure!(schedule["statusReason"] == "The shop is closed.", "{schedule}");
        called(&tenant, planned, 0).await
    })
    .await;
}

#[tokio::test]
async fn a_deleted_post_is_gone_from_the_network() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let planned = tenant.plan("Short-lived", &tenant.account, 1_000).await?;
        tenant.published(&planned).await?;
        let posts = tenant.api.items("/v1/posts").await?;
        let id = posts[0]["id"].as_str().unwrap();
        tenant.api.done("post.delete", json!({ "publishedPostId": id })).await?;
        let held = tenant.posts(&planned).await?;
        ensure!(held.len() == 1 && held[0].deleted_at.is_some(), "{held:?}");
        let post = tenant.api.read(&format!("/v1/posts/{id}")).await?;
        ensure!(post["deletedAt"].is_string(), "{post}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_came_due_while_no_scheduler_was_up_goes_out_when_one_is() {
    let setup = Setup::default().schedulers(0);
    on(setup, async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let planned = tenant.plan("Overdue", &tenant.account, 1_000).await?;
        wait::until("the moment has passed", PATIENCE, async || {
            Ok((Utc::now() > planned.at + TimeDelta::seconds(1)).then_some(()))
        })
        .await?;
        called(&tenant, &planned, 0).await?;
        fleet.start_scheduler().await?;
        tenant.published(&planned).await?;
        called(&tenant, &planned, 1).await
    })
    .await;
}
