//! Images: made from a prompt, stored, attached with a description, published; paid once.

use anyhow::{Context, Result, ensure};
use fleet_tests::api::{Ask, text};
use fleet_tests::harness::{Login, Setup, Tenant, in_ms, on, shared};
use fleet_tests::wait::{self, PATIENCE};
use serde_json::{Value, json};
use simulator::Action;
use sqlx::AssertSqlSafe;

use super::{asks, brief, outcomes, runs, tokens, trap, used};
use crate::api::is_problem;

/// The attachment of this id.
async fn attachment(tenant: &Tenant, made: &Value) -> Result<Value> {
    let id = made["mediaAttachmentId"].as_str().context("an attachment")?;
    tenant.api.read(&format!("/v1/media-attachments/{id}")).await
}

#[tokio::test]
async fn an_image_is_made_of_the_suggested_prompt_attached_with_a_description_and_published() {
    shared(async |fleet| {
        let tenant = Tenant::on_plan(fleet, "starter").await?;
        let about = tenant.text("Fresh rye");
        let made = tenant.api.done("content.generate", brief(&about)).await?;
        let version = made["contentVersionIds"][0].as_str().unwrap();
        let written = tenant.api.read(&format!("/v1/content-versions/{version}")).await?;
        let prompt = text(&written, "suggestedImagePrompt")?;
        let args = json!({ "contentVersionId": version, "size": "512x256" });
        let job = tenant.api.done_by("ann", "media.generate", args).await?;
        let shown = attachment(&tenant, &job["result"]).await?;
        ensure!(shown["storageType"] == "generated" && shown["fileType"] == "image/png", "{shown}");
        ensure!((&shown["width"], &shown["height"]) == (&json!(512), &json!(256)), "{shown}");
        ensure!(shown["altText"] == prompt.as_str(), "{shown}");
        ensure!(shown["metadata"]["model"] == "gpt-image-simulated", "{shown}");
        ensure!(shown["uploadedBy"] == "ann" && shown["fileId"].is_null(), "{shown}");
        ensure!(used(&tenant.api, "filesUploaded").await? == (1, 0));
        ensure!(used(&tenant.api, "generations").await? == (1, 0), "an image is a file");
        let mut images = asks(&tenant, &about).await?;
        images.retain(|ask| ask.path == "/v1/images/generations");
        let counted = tokens(&images);
        let runs = runs(&tenant.api, &text(&job, "id")?).await?;
        ensure!(outcomes(&runs) == ["done"] && runs[0]["what"] == "image", "{runs:?}");
        let cost = counted.0 * 5 + counted.1 * 40;
        ensure!(cost > 0 && runs[0]["costMicrodollars"] == cost, "{runs:?} and not {cost}");
        // The post goes out with it.
        let schedule = tenant.schedule(version, in_ms(2_000)).await?;
        let schedule = schedule["scheduleId"].as_str().unwrap();
        tenant.api.schedule_is(schedule, "published", PATIENCE).await?;
        let posts = tenant.network.posts(&tenant.account.username).await?;
        ensure!(posts.len() == 1 && posts[0].media.len() == 1, "{posts:#?}");
        ensure!(posts[0].text == text(&written, "text")?, "{posts:#?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_refused_image_counts_nothing_and_too_many_are_refused_before_they_are_paid() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let version = tenant.write(&tenant.text("With images")).await?;
        let refused = tenant.text("Something indecent");
        trap(&tenant, &refused, Action::Refusal {}, 1).await?;
        let wanted = |prompt: &str, alt: &str| {
            json!({ "contentVersionId": version, "prompt": prompt, "altText": alt })
        };
        let ask = Ask::new("media.generate", wanted(&refused, "Indecent")).wait(10);
        let answer = tenant.api.ask(&ask).await?;
        is_problem(&answer, 422, "generation_failed", "")?;
        ensure!(used(&tenant.api, "filesUploaded").await? == (0, 0));
        tenant.api.event(&version, "media.generation_failed", PATIENCE).await?;
        for number in 1..=4 {
            let alt = format!("Loaf {number}");
            let made = tenant.api.done("media.generate", wanted("a loaf", &alt)).await?;
            let shown = attachment(&tenant, &made).await?;
            ensure!(shown["altText"] == alt.as_str() && shown["position"] == number - 1, "{shown}");
        }
        let fifth = tenant.text("a fifth loaf");
        let answer = tenant.api.ask(&Ask::new("media.generate", wanted(&fifth, "5")).wait(10)).await?;
        is_problem(&answer, 422, "content_rejected", "args.contentVersionId")?;
        ensure!(asks(&tenant, &fifth).await?.is_empty(), "it was paid");
        ensure!(used(&tenant.api, "filesUploaded").await? == (4, 0));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_worker_killed_with_the_image_stored_does_not_pay_it_twice() {
    on(Setup::default(), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let version = tenant.write("One image").await?;
        let prompt = tenant.text("a loaf, once");
        // Whoever attaches waits for the version.
        let mut conn = fleet.database.connect(Login::Owner).await?;
        let lock =
            format!("begin; select from content_versions where id = '{version}' for no key update");
        sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut conn).await?;
        let args = json!({ "contentVersionId": version, "prompt": prompt });
        let id = tenant.api.enqueue("media.generate", args).await?;
        let kept = fleet.folder().join(format!("media/org/{}/generated", tenant.organization));
        wait::until("the image is stored", PATIENCE, async || {
            let files = std::fs::read_dir(&kept).into_iter().flatten();
            Ok((files.count() > 0).then_some(()))
        })
        .await?;
        fleet.worker_of(&id).await?.kill().await?;
        sqlx::raw_sql("rollback").execute(&mut conn).await?;
        let job = tenant.api.job_ended(&id, PATIENCE).await?;
        ensure!(job["state"] == "done" && job["crashes"] == 1, "{job}");
        ensure!(asks(&tenant, &prompt).await?.len() == 1, "it was paid twice");
        let path = format!("/v1/media-attachments?contentVersionId={version}");
        ensure!(tenant.api.items(&path).await?.len() == 1);
        ensure!(used(&tenant.api, "filesUploaded").await? == (1, 0));
        Ok(())
    })
    .await;
}
