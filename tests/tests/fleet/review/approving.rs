//! Approvals and rejections: of exactly what is there, and binding.

use anyhow::{Result, ensure};
use fleet_tests::api::{Ask, refusal};
use fleet_tests::harness::{Tenant, in_ms, shared};
use fleet_tests::wait::PATIENCE;
use serde_json::{Value, json};

use super::{ANN, BOB, ask, awaits_approval, is_refused, require_approval, written};
use crate::api::is_problem;
use crate::publishing::{called, nothing_at_network};

const AN_HOUR: i64 = 3_600_000;

/// What was decided about a request, newest first.
async fn reviews(tenant: &Tenant, request: &str) -> Result<Vec<Value>> {
    tenant.api.items(&format!("/v1/content-requests/{request}/reviews?limit=1")).await
}

#[tokio::test]
async fn an_edit_ends_the_approval_and_approving_again_lets_the_post_go_out() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        require_approval(&tenant, true).await?;
        let content = written(&tenant, "Needs a yes").await?;
        let early = content.schedule(&tenant, in_ms(AN_HOUR)).await.unwrap_err();
        is_problem(refusal(&early).unwrap(), 409, "not_approved", "args.contentVersionId")?;

        let approved = content.approve(&tenant).await?;
        ensure!(approved["contentVersionIds"] == json!([content.version]), "{approved}");
        let request = content.request(&tenant).await?;
        ensure!(request["status"] == "approved" && request["approvedBy"] == ANN, "{request}");
        let version = content.version(&tenant).await?;
        ensure!(version["isApproved"] == true && version["approvedBy"] == ANN, "{version}");
        let mut planned = content.schedule(&tenant, in_ms(8_000)).await?;

        planned.text = tenant.text("Changed at the last minute");
        let edited = content.edit(&tenant, &planned.text).await?;
        ensure!(edited["status"] == "in_review" && edited["schedulesOnHold"] == 1, "{edited}");
        let request = content.request(&tenant).await?;
        ensure!(request["status"] == "in_review", "{request}");
        ensure!(request["approvedBy"].is_null() && request["approvedAt"].is_null(), "{request}");
        let version = content.version(&tenant).await?;
        ensure!(version["isApproved"] == false && version["approvedBy"].is_null(), "{version}");
        awaits_approval(&tenant, &planned, BOB).await?;
        let voided = tenant.api.event(&content.request, "content.approval_voided", PATIENCE);
        let voided = voided.await?;
        ensure!(voided["message"].as_str().unwrap().contains(ANN), "{voided}");

        let again = content.approve(&tenant).await?;
        ensure!(again["schedulesResumed"] == 1 && again["schedulesOnHold"] == 0, "{again}");
        tenant.published(&planned).await?;
        called(&tenant, &planned, 1).await?;
        planned.text = content.text.clone();
        nothing_at_network(&tenant, &planned).await?;

        let decided = reviews(&tenant, &content.request).await?;
        let words: Vec<&Value> = decided.iter().map(|review| &review["decision"]).collect();
        ensure!(words == ["approved", "voided", "approved"], "{decided:#?}");
        ensure!(decided[1]["decidedBy"] == BOB && decided[1]["versions"] == decided[2]["versions"]);
        ensure!(decided[0]["versions"] != decided[2]["versions"], "{decided:#?}");
        let types = ["post.on_hold", "post.resumed", "post.published"];
        tenant.api.told(&planned.id, &types).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_approval_ends_with_an_attachment_a_revert_and_another_selection() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        require_approval(&tenant, true).await?;
        let two = ["First", "Second"]
            .map(|about| json!({ "platform": "TWITTER", "text": tenant.text(about) }));
        let made = json!({ "title": "Two", "versions": two });
        let made = tenant.api.done("content.create", made).await?;
        let [first, second] = [0, 1].map(|at| made["contentVersionIds"][at].as_str().unwrap());
        let request = made["contentRequestId"].as_str().unwrap();
        let approve = async || {
            let args = json!({ "contentRequestId": request });
            tenant.api.done_by(ANN, "content.approve", args).await.map(drop)
        };
        let is_in_review = async |after: &str| {
            let shown = tenant.api.read(&format!("/v1/content-requests/{request}")).await?;
            ensure!(shown["status"] == "in_review", "after {after}: {shown}");
            Ok(())
        };
        approve().await?;
        let made = tenant.schedule(first, in_ms(AN_HOUR)).await?;
        let schedule = made["scheduleId"].as_str().unwrap().to_owned();
        let is = async |status: &str, after: &str| {
            let shown = tenant.api.schedule(&schedule).await?;
            ensure!(shown["status"] == status, "after {after}: {shown}");
            Ok(())
        };

        let tags = json!({ "contentVersionId": first, "suggestedHashtags": ["bread"] });
        tenant.api.done("version.edit", tags).await?;
        let shown = tenant.api.read(&format!("/v1/content-requests/{request}")).await?;
        ensure!(shown["status"] == "approved", "hashtags do not go out: {shown}");
        let unselected = json!({ "contentVersionId": second, "text": "Not the one that goes out" });
        tenant.api.done("version.edit", unselected).await?;
        is("scheduled", "an edit of another version").await?;

        tenant.attach_image(first).await?;
        is_in_review("an attachment").await?;
        is("on_hold", "an attachment").await?;
        approve().await?;
        is("scheduled", "the next approval").await?;

        let text = json!({ "contentVersionId": first, "text": "Changed" });
        let edit = tenant.api.done("version.edit", text).await?["editId"].take();
        approve().await?;
        let revert = json!({ "contentVersionId": first, "editId": edit });
        tenant.api.done("version.revert", revert).await?;
        is_in_review("a revert").await?;
        is("on_hold", "a revert").await?;
        approve().await?;
        is("scheduled", "the next approval").await?;

        let select = |version: &str| json!({ "contentVersionId": version });
        let told = tenant.api.done("version.select", select(second)).await?;
        ensure!(told["schedulesOnHold"] == 1 && told["status"] == "in_review", "{told}");
        is("on_hold", "another selection").await?;
        approve().await?;
        is("on_hold", "an approval of the other version").await?;
        tenant.api.done("version.select", select(first)).await?;
        approve().await?;
        is("scheduled", "an approval of this one").await
    })
    .await;
}

#[tokio::test]
async fn nothing_is_approved_unseen() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let content = written(&tenant, "Seen").await?;
        let seen = content.version(&tenant).await?["contentHash"].take();
        let approving = |hash: &Value| {
            let version = json!({ "contentVersionId": content.version, "contentHash": hash });
            json!({ "contentRequestId": content.request, "versions": [version] })
        };
        content.edit(&tenant, "Something else meanwhile").await?;
        let stale = (409, "conflict", "args.versions[0].contentHash");
        is_refused(&tenant, "content.approve", approving(&seen), stale).await?;
        ensure!(content.request(&tenant).await?["status"] == "in_review");
        let wrong = (422, "invalid_argument", "args.versions[0].contentHash");
        is_refused(&tenant, "content.approve", approving(&json!("A1")), wrong).await?;
        let now = content.version(&tenant).await?["contentHash"].take();
        tenant.api.done_by(ANN, "content.approve", approving(&now)).await?;
        ensure!(content.request(&tenant).await?["status"] == "approved");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_rejection_stops_what_is_scheduled_until_it_is_approved_after_all() {
    shared(async |fleet| {
        // Nobody requires approval here: a no is a no all the same.
        let tenant = Tenant::new(fleet).await?;
        let content = written(&tenant, "Loud").await?;
        let mut planned = content.schedule(&tenant, in_ms(AN_HOUR)).await?;
        let rejected = content.reject(&tenant, "Too loud").await?;
        ensure!(rejected["schedulesOnHold"] == 1 && rejected["postsOut"] == 0, "{rejected}");
        awaits_approval(&tenant, &planned, "Too loud").await?;
        let request = content.request(&tenant).await?;
        ensure!(request["status"] == "rejected" && request["rejectedBy"] == ANN, "{request}");
        ensure!(request["rejectionReason"] == "Too loud", "{request}");
        let more = content.schedule(&tenant, in_ms(AN_HOUR)).await.unwrap_err();
        is_problem(refusal(&more).unwrap(), 409, "not_approved", "args.contentVersionId")?;

        planned.text = tenant.text("Quiet");
        let edited = content.edit(&tenant, &planned.text).await?;
        ensure!(edited["status"] == "in_review", "{edited}");
        awaits_approval(&tenant, &planned, "Too loud").await?;
        let request = content.request(&tenant).await?;
        ensure!(request["rejectionReason"] == "Too loud", "whoever edits it needs it: {request}");
        let types = ["content.rejected", "content.in_review"];
        tenant.api.told(&content.request, &types).await?;
        let approved = content.approve(&tenant).await?;
        ensure!(approved["schedulesResumed"] == 1, "{approved}");
        let request = content.request(&tenant).await?;
        ensure!(request["rejectedBy"].is_null() && request["status"] == "approved", "{request}");
        let schedule = tenant.api.schedule(&planned.id).await?;
        ensure!(schedule["status"] == "scheduled" && schedule["awaitsApproval"] == false);
        ensure!(schedule["statusReason"].is_null(), "{schedule}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_decision_that_makes_no_sense_is_refused() {
    shared(async |fleet| {
        let (tenant, other) = (Tenant::new(fleet).await?, Tenant::new(fleet).await?);
        let (content, foreign) =
            (written(&tenant, "Ours").await?, written(&other, "Theirs").await?);
        let of = |request: &str| json!({ "contentRequestId": request });
        let no =
            |request: &str, reason: &str| json!({ "contentRequestId": request, "reason": reason });
        let gone = (404, "not_found", "args.contentRequestId");
        let reason = (422, "invalid_argument", "args.reason");
        let conflict = (409, "conflict", "args.contentRequestId");
        for request in [&foreign.request, &tenant.organization] {
            is_refused(&tenant, "content.approve", of(request), gone).await?;
            is_refused(&tenant, "content.reject", no(request, "No"), gone).await?;
        }
        for empty in ["", "  ", &"a".repeat(2001)] {
            is_refused(&tenant, "content.reject", no(&content.request, empty), reason).await?;
        }
        is_refused(&tenant, "content.reject", of(&content.request), reason).await?;
        ensure!(content.request(&tenant).await?["status"] == "in_review");
        content.approve(&tenant).await?;
        is_refused(&tenant, "content.approve", of(&content.request), conflict).await?;
        content.reject(&tenant, "After all").await?;
        is_refused(&tenant, "content.reject", no(&content.request, "Again"), conflict).await?;
        ensure!(foreign.request(&other).await?["status"] == "in_review");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn whoever_writes_may_not_approve_neither_by_retrying_somebody_elses_approval() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let content = written(&tenant, "Mine").await?;
        let approve = json!({ "contentRequestId": content.request });
        let writer = tenant.key_with(&["read", "content:write", "jobs:write"]).await?;
        let answer = writer.ask(&Ask::new("content.approve", approve.clone())).await?;
        is_problem(&answer, 403, "forbidden", "kind")?;

        content.approve(&tenant).await?;
        let twice = ask(&tenant, ANN, "content.approve", approve).await?;
        is_problem(&twice, 409, "conflict", "args.contentRequestId")?;
        content.edit(&tenant, "Something that nobody saw").await?;
        let dead = tenant.api.items("/v1/jobs?kind=content.approve&state=dead").await?;
        let retry = json!({ "jobId": dead[0]["id"] });
        let answer = writer.ask(&Ask::new("job.retry", retry.clone()).wait(10)).await?;
        is_problem(&answer, 403, "forbidden", "args.jobId")?;
        ensure!(content.request(&tenant).await?["status"] == "in_review");
        let approver = tenant.key_with(&["content:approve", "jobs:write"]).await?;
        approver.done("job.retry", retry).await.map(drop)
    })
    .await;
}
