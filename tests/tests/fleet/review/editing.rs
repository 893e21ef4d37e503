//! Texts change: who, why, what it was before, and back again.

use anyhow::{Result, ensure};
use fleet_tests::harness::{Tenant, shared};
use fleet_tests::wait::PATIENCE;
use serde_json::{Value, json};

use super::{ANN, BOB, ask, is_refused, written};
use crate::api::is_problem;

/// The history of a version, newest first.
async fn history(tenant: &Tenant, version: &str) -> Result<Vec<Value>> {
    tenant.api.items(&format!("/v1/content-versions/{version}/history?limit=1")).await
}

/// What is deleted and what is inserted on the way to a version.
async fn diff(tenant: &Tenant, version: &str, against: &Value) -> Result<(Value, Vec<String>)> {
    let against = against.as_str().unwrap_or_default();
    let path = format!("/v1/content-versions/{version}/diff?against={against}");
    let diff = tenant.api.read(&path).await?;
    let changed = diff["segments"].as_array().cloned().unwrap_or_default();
    let changed = changed.iter().filter(|segment| segment["op"] != "equal");
    let said = changed.map(|s| format!("{} {}", s["op"], s["text"]).replace('"', "")).collect();
    Ok((diff, said))
}

#[tokio::test]
async fn an_edit_keeps_what_it_replaced_and_can_be_undone() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let content = written(&tenant, "Fresh bread").await?;
        let id = &content.version;
        let before = content.version(&tenant).await?;
        let rolls = content.text.replace("bread", "rolls");
        let args = json!({
            "contentVersionId": id, "text": rolls, "suggestedHashtags": ["rolls"],
            "suggestedImagePrompt": "Rolls in a basket", "editReason": "No bread today",
            "expectedUpdatedAt": before["updatedAt"],
        });
        let first = ask(&tenant, BOB, "version.edit", args).await?.body["result"].take();
        let second = content.edit(&tenant, &content.text.replace("bread", "cake")).await?;

        let edits = history(&tenant, id).await?;
        ensure!(edits.len() == 2, "{edits:#?}");
        ensure!(edits[0]["id"] == second["editId"] && edits[1]["id"] == first["editId"]);
        let one = &edits[1];
        ensure!(one["previousText"] == content.text.as_str() && one["newText"] == rolls.as_str());
        ensure!(one["editedBy"] == BOB && one["editReason"] == "No bread today", "{one}");
        ensure!(one["newHashtags"] == json!(["rolls"]) && one["previousHashtags"] == json!([]));
        ensure!(edits[0]["previousText"] == one["newText"] && edits[0]["editReason"].is_null());

        let (shown, said) = diff(&tenant, id, &first["editId"]).await?;
        ensure!(said == ["delete bread", "insert cake"], "{shown}");
        ensure!(shown["fromText"] == content.text.as_str() && shown["isSame"] == false, "{shown}");
        let other = written(&tenant, "Fresh").await?;
        let (shown, _) = diff(&tenant, id, &json!(other.version)).await?;
        ensure!(shown["againstVersionId"] == other.version.as_str(), "{shown}");
        let (shown, said) = diff(&tenant, id, &json!(id)).await?;
        ensure!(said.is_empty() && shown["isSame"] == true, "{shown}");

        let args = json!({ "contentVersionId": id, "editId": first["editId"] });
        let back = ask(&tenant, ANN, "version.revert", args.clone()).await?.body["result"].take();
        let now = content.version(&tenant).await?;
        for field in ["text", "suggestedHashtags", "suggestedImagePrompt", "contentHash"] {
            ensure!(now[field] == before[field], "{field}: {now}");
        }
        let edits = history(&tenant, id).await?;
        ensure!(edits.len() == 3 && edits[0]["id"] == back["editId"], "{edits:#?}");
        ensure!(edits[0]["revertedEditId"] == first["editId"] && edits[0]["editedBy"] == ANN);
        let again = ask(&tenant, ANN, "version.revert", args).await?.body["result"].take();
        ensure!(again["editId"].is_null(), "nothing was different: {again}");
        // A revert is an entry like any other: it can be undone.
        let args = json!({ "contentVersionId": id, "editId": back["editId"] });
        ask(&tenant, ANN, "version.revert", args).await?;
        let now = content.version(&tenant).await?;
        ensure!(now["text"] == edits[0]["previousText"] && now["text"] != before["text"], "{now}");
        ensure!(now["suggestedHashtags"] == json!(["rolls"]), "{now}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn two_editors_do_not_overwrite_each_other() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let content = written(&tenant, "Open on Sunday").await?;
        let seen = content.version(&tenant).await?["updatedAt"].take();
        let edit = |n: usize| {
            let args = json!({
                "contentVersionId": content.version, "text": format!("{} {n}", content.text),
                "expectedUpdatedAt": seen,
            });
            ask(&tenant, BOB, "version.edit", args)
        };
        let answers = futures::future::join_all((0..10).map(edit)).await;
        let mut written = Vec::new();
        for (n, answer) in answers.into_iter().enumerate() {
            let answer = answer?;
            if answer.is_success() {
                written.push((n, answer.body["result"]["updatedAt"].clone()));
            } else {
                is_problem(&answer, 409, "conflict", "args.expectedUpdatedAt")?;
            }
        }
        ensure!(written.len() == 1, "{written:?} were written");
        let now = content.version(&tenant).await?;
        ensure!(now["text"] == format!("{} {}", content.text, written[0].0), "{now}");
        ensure!(now["updatedAt"] == written[0].1, "{now}");
        ensure!(history(&tenant, &content.version).await?.len() == 1);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_wrong_edit_is_refused_by_name_and_nothing_is_written() {
    shared(async |fleet| {
        let (tenant, other) = (Tenant::new(fleet).await?, Tenant::new(fleet).await?);
        let (content, foreign) =
            (written(&tenant, "Ours").await?, written(&other, "Theirs").await?);
        let second = written(&tenant, "Another of ours").await?;
        let entry = second.edit(&tenant, "Edited").await?["editId"].take();
        let before = content.version(&tenant).await?;
        let edit = |name: &str, value: Value| {
            let mut args = json!({ "contentVersionId": content.version });
            args[name] = value;
            ("version.edit", args)
        };
        let of = |version: &str| json!({ "contentVersionId": version, "text": "Mine" });
        let revert =
            |version: &str, edit: &Value| json!({ "contentVersionId": version, "editId": edit });
        let nobodys = json!(tenant.organization);
        let argument = |field| (422, "invalid_argument", field);
        let gone = |field| (404, "not_found", field);
        let cases = [
            (edit("text", json!("a".repeat(281))), (422, "content_rejected", "args.text")),
            (edit("text", json!(" ")), (422, "content_rejected", "args.text")),
            (edit("editReason", json!("Why not")), argument("args.text")),
            (
                edit("suggestedHashtags", json!(["fine", "#not"])),
                argument("args.suggestedHashtags[1]"),
            ),
            (
                edit("suggestedImagePrompt", json!("a".repeat(4001))),
                argument("args.suggestedImagePrompt"),
            ),
            (edit("expectedUpdatedAt", json!("then")), argument("args.expectedUpdatedAt")),
            (("version.edit", of(&foreign.version)), gone("args.contentVersionId")),
            (("version.edit", of(&tenant.organization)), gone("args.contentVersionId")),
            (
                ("version.select", json!({ "contentVersionId": foreign.version })),
                gone("args.contentVersionId"),
            ),
            (("version.revert", revert(&content.version, &nobodys)), gone("args.editId")),
            (("version.revert", revert(&content.version, &entry)), gone("args.editId")),
            (("version.revert", revert(&foreign.version, &entry)), gone("args.contentVersionId")),
        ];
        for ((kind, args), expected) in cases {
            is_refused(&tenant, kind, args, expected).await?;
        }
        ensure!(content.version(&tenant).await? == before, "something was written");
        ensure!(history(&tenant, &content.version).await?.is_empty());
        ensure!(foreign.version(&other).await?["text"] == foreign.text.as_str());

        let paths = [
            (format!("{}/history", foreign.version), 404, ""),
            (format!("{}/diff?against={}", foreign.version, content.version), 404, ""),
            (format!("{}/diff?against={}", content.version, foreign.version), 404, "against"),
            (
                format!("{}/diff?against={}", content.version, entry.as_str().unwrap()),
                404,
                "against",
            ),
            (format!("{}/diff", content.version), 422, "against"),
            (format!("{}/comments", foreign.version), 404, ""),
        ];
        for (path, status, field) in paths {
            let answer = tenant.api.get(&format!("/v1/content-versions/{path}")).await?;
            is_problem(&answer, status, answer.code(), field)?;
        }
        let path = format!("/v1/content-requests/{}/reviews", foreign.request);
        is_problem(&tenant.api.get(&path).await?, 404, "not_found", "")
    })
    .await;
}

#[tokio::test]
async fn of_each_network_one_version_is_selected() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let two = ["One way", "Another way"]
            .map(|about| json!({ "platform": "TWITTER", "text": tenant.text(about) }));
        let made = json!({ "title": "Two ways", "versions": two });
        let made = tenant.api.done("content.create", made).await?;
        let [first, second] = [0, 1].map(|at| made["contentVersionIds"][at].clone());
        let select = |version: &Value| json!({ "contentVersionId": version });
        let told = tenant.api.done("version.select", select(&second)).await?;
        ensure!(told["deselectedVersionId"] == first && told["status"] == "in_review", "{told}");
        let request = made["contentRequestId"].as_str().unwrap();
        let path = format!("/v1/content-versions?isSelected=true&contentRequestId={request}");
        let selected = tenant.api.items(&path).await?;
        ensure!(selected.len() == 1 && selected[0]["id"] == second, "{selected:#?}");
        let again = tenant.api.done("version.select", select(&second)).await?;
        ensure!(again["deselectedVersionId"].is_null(), "{again}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_worker_too_refuses_what_is_another_organizations_and_what_the_network_does_not_take() {
    shared(async |fleet| {
        let (tenant, other) = (Tenant::new(fleet).await?, Tenant::new(fleet).await?);
        let (content, foreign) = (written(&tenant, "Ours").await?, written(&other, "Theirs").await?);
        let say = json!({ "contentVersionId": foreign.version, "comment": "Secret" });
        let theirs = other.api.done("comment.add", say).await?["commentId"].take();
        let edit = foreign.edit(&other, "Theirs, edited").await?["editId"].take();
        let before = (foreign.request(&other).await?, foreign.version(&other).await?);
        let (request, version) = (&foreign.request, &foreign.version);
        let cases = [
            ("content.approve", json!({ "contentRequestId": request })),
            ("content.reject", json!({ "contentRequestId": request, "reason": "Mine" })),
            ("version.select", json!({ "contentVersionId": version })),
            ("version.edit", json!({ "contentVersionId": version, "text": "Mine" })),
            ("version.revert", json!({ "contentVersionId": version, "editId": edit })),
            ("version.revert", json!({ "contentVersionId": content.version, "editId": edit })),
            ("comment.add", json!({ "contentVersionId": version, "comment": "Mine" })),
            (
                "comment.add",
                json!({
                    "contentVersionId": content.version, "comment": "Mine", "parentCommentId": theirs,
                }),
            ),
            ("comment.edit", json!({ "commentId": theirs, "comment": "Mine" })),
            ("comment.resolve", json!({ "commentId": theirs, "resolved": true })),
        ];
        let of_ours = json!({ "contentVersionId": content.version, "text": "a".repeat(281) });
        let cases = cases.map(|(kind, args)| (kind, args, "not_found"));
        let cases = cases.into_iter().chain([("version.edit", of_ours, "content_rejected")]);
        let mut asked = Vec::new();
        for (kind, args, code) in cases {
            // As if the API had not looked.
            let id = fleet.database.text("select gen_random_uuid()").await?;
            let sql = format!(
                "insert into jobs (id, organization_id, actor, origin, queue, kind, args_version, args,
                                   state, priority, run_at, max_attempts, notify_end)
                 values ('{id}', '{}', 'mallory', 'api', 'interactive', '{kind}', 1, '{args}', 'ready',
                         0, now(), 5, false)",
                tenant.organization
            );
            fleet.database.run(&sql).await?;
            asked.push((kind, id, code));
        }
        for (kind, id, code) in asked {
            let ended = tenant.api.job_ended(&id, PATIENCE).await?;
            ensure!(ended["state"] == "dead", "{kind}: {ended}");
            ensure!(ended["errors"][0]["code"] == code, "{kind}: {ended}");
        }
        ensure!((foreign.request(&other).await?, foreign.version(&other).await?) == before);
        Ok(())
    })
    .await;
}
