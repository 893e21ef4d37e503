//! What is refused: bad input by name, a model that declines or is of no use with its reason; nothing
//! counts then.

use anyhow::{Context, Result, ensure};
use fleet_tests::api::{Answer, Ask};
use fleet_tests::harness::{Setup, Tenant, on, shared};
use fleet_tests::wait::PATIENCE;
use serde_json::json;
use simulator::Action;

use super::{asks, brief, outcomes, request, runs, tokens, trap, used, with};
use crate::api::is_problem;

/// Asks for a post about this, and waits.
async fn ask(tenant: &Tenant, about: &str) -> Result<Answer> {
    tenant.api.ask(&Ask::new("content.generate", brief(about)).wait(10)).await
}

/// Checks that nothing came of a generation about this: the request failed with a reason that says
/// `part`, people are told, nothing counts, and the tokens are told all the same.
async fn nothing_counts(tenant: &Tenant, about: &str, part: &str) -> Result<()> {
    let request = request(&tenant.api, about).await?;
    ensure!(request["status"] == "failed", "{request}");
    let reason = request["failureReason"].as_str().context("no reason")?;
    ensure!(reason.contains(part), "{reason}");
    let id = request["id"].as_str().unwrap();
    tenant.api.event(id, "content.generation_failed", PATIENCE).await?;
    ensure!(used(&tenant.api, "generations").await? == (0, 0));
    let runs = runs(&tenant.api, request["jobId"].as_str().unwrap()).await?;
    ensure!(outcomes(&runs) == ["failed"], "{runs:?}");
    let counted = tokens(&asks(tenant, about).await?);
    let told = (runs[0]["inputTokens"].as_u64(), runs[0]["outputTokens"].as_u64());
    ensure!(told == (Some(counted.0), Some(counted.1)), "{runs:?} and not {counted:?}");
    Ok(())
}

#[tokio::test]
async fn what_stays_too_long_is_refused_with_the_reason_and_given_back() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let about = tenant.text("Too long twice");
        trap(&tenant, &about, Action::LongOutput { chars: 400 }, 2).await?;
        let answer = ask(&tenant, &about).await?;
        is_problem(&answer, 422, "generation_failed", "")?;
        ensure!(asks(&tenant, &about).await?.len() == 2, "asked once more, and no more");
        nothing_counts(&tenant, &about, "TWITTER.text").await
    })
    .await;
}

#[tokio::test]
async fn a_model_that_declines_is_not_asked_again() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let about = tenant.text("Declined");
        trap(&tenant, &about, Action::Refusal {}, 1).await?;
        is_problem(&ask(&tenant, &about).await?, 422, "generation_failed", "")?;
        ensure!(asks(&tenant, &about).await?.len() == 1);
        nothing_counts(&tenant, &about, "I cannot help with that").await
    })
    .await;
}

#[tokio::test]
async fn a_spend_limit_is_no_rate_limit_and_others_go_on() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let about = tenant.text("Too poor");
        trap(&tenant, &about, Action::SpendLimit {}, 1).await?;
        let answer = ask(&tenant, &about).await?;
        is_problem(&answer, 503, "spend_limit", "")?;
        ensure!(answer.body["detail"].as_str().unwrap().contains("operator"), "{answer:?}");
        nothing_counts(&tenant, &about, "used up").await?;
        tenant.api.done("content.generate", brief(&tenant.text("Rich enough"))).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_model_that_the_provider_does_not_have_is_for_an_operator() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let about = tenant.text("Not there");
        let args = with(brief(&about), "model", json!("missing-model"));
        let answer = tenant.api.ask(&Ask::new("content.generate", args).wait(10)).await?;
        is_problem(&answer, 501, "not_configured", "")?;
        nothing_counts(&tenant, &about, "does not exist").await
    })
    .await;
}

#[tokio::test]
async fn bad_input_is_refused_by_name_before_anything_is_stored() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let fine = brief("Fine");
        let version = tenant.write("No prompt suggested").await?;
        let image = json!({ "contentVersionId": version, "prompt": "a loaf" });
        let text = |what: &str, value: &str| (what.to_owned(), json!(value));
        let cases = [
            ("content.generate", with(fine.clone(), "brief", json!(" ")), "args.brief"),
            (
                "content.generate",
                with(fine.clone(), "brief", json!("a".repeat(10_001))),
                "args.brief",
            ),
            ("content.generate", with(fine.clone(), "brief", json!("a\u{1b}[2J")), "args.brief"),
            ("content.generate", with(fine.clone(), "platforms", json!([])), "args.platforms"),
            (
                "content.generate",
                with(fine.clone(), "platforms", json!(["MYSPACE"])),
                "args.platforms[0]",
            ),
            (
                "content.generate",
                with(fine.clone(), "platforms", json!(["TWITTER", "TWITTER"])),
                "args.platforms[1]",
            ),
            ("content.generate", with(fine.clone(), "model", json!("gpt-unknown")), "args.model"),
            ("content.generate", with(fine.clone(), "temperature", json!(2)), "args.temperature"),
            ("content.generate", json!({ "platforms": ["TWITTER"] }), "args.brief"),
            ("media.generate", with(image.clone(), "model", json!("gpt-simulated")), "args.model"),
            ("media.generate", with(image.clone(), "size", json!("large")), "args.size"),
            ("media.generate", json!({ "contentVersionId": version }), "args.prompt"),
            ("organization.update", json!({}), "args.name"),
            ("organization.update", json!({ "brandNotes": "a".repeat(10_001) }), "args.brandNotes"),
            ("organization.update", json!({ "brandNotes": "a\u{7}" }), "args.brandNotes"),
        ];
        let before = tenant.api.items("/v1/jobs?limit=200").await?.len();
        for (kind, args, field) in cases {
            let answer = tenant.api.ask(&Ask::new(kind, args.clone())).await?;
            is_problem(&answer, 422, "invalid_argument", field)
                .with_context(|| format!("{kind} {args}"))?;
        }
        let (name, value) = text("brief", &"a".repeat(10_001));
        let answer =
            tenant.api.ask(&Ask::new("content.generate", with(fine, &name, value))).await?;
        let said = answer.body["detail"].as_str().unwrap();
        ensure!(said.contains("10000") && said.contains("10001"), "the limit is told: {said}");
        ensure!(tenant.api.items("/v1/jobs?limit=200").await?.len() == before);
        ensure!(used(&tenant.api, "generations").await? == (0, 0));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_fleet_without_models_says_so() {
    let none = |name: &str| (name.to_owned(), String::new());
    let setup = [none("LLM_BASE_URL"), none("IMAGE_BASE_URL"), none("LLM_MODELS")]
        .into_iter()
        .fold(Setup::default().workers(1), |setup, (name, value)| setup.with(&name, &value));
    on(setup, async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let answer = ask(&tenant, "Nobody writes").await?;
        is_problem(&answer, 501, "not_configured", "")?;
        ensure!(answer.body["detail"].as_str().unwrap().contains("LLM_BASE_URL"), "{answer:?}");
        let version = tenant.write("Nobody paints").await?;
        let args = json!({ "contentVersionId": version, "prompt": "a loaf" });
        let answer = tenant.api.ask(&Ask::new("media.generate", args).wait(10)).await?;
        is_problem(&answer, 501, "not_configured", "")?;
        ensure!(used(&tenant.api, "generations").await? == (0, 0));
        ensure!(used(&tenant.api, "filesUploaded").await? == (0, 0));
        Ok(())
    })
    .await;
}
