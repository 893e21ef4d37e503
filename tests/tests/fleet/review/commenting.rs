//! What a team says about a version.

use anyhow::{Result, ensure};
use fleet_tests::api::{Ask, text};
use fleet_tests::harness::{Tenant, shared};
use serde_json::{Value, json};

use super::{ANN, BOB, ask, is_refused, written};
use crate::api::is_problem;

async fn say(
    tenant: &Tenant,
    version: &str,
    comment: &str,
    parent: Option<&str>,
) -> Result<String> {
    let mut args = json!({ "contentVersionId": version, "comment": comment });
    if let Some(parent) = parent {
        args["parentCommentId"] = json!(parent);
    }
    let said = tenant.api.done_by(BOB, "comment.add", args).await?;
    text(&said["result"], "commentId")
}

async fn threads(tenant: &Tenant, version: &str, query: &str) -> Result<Vec<Value>> {
    tenant.api.items(&format!("/v1/content-versions/{version}/comments?limit=1{query}")).await
}

#[tokio::test]
async fn comments_are_read_in_threads() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let content = written(&tenant, "Discussed").await?;
        let version = &content.version;
        let first = say(&tenant, version, "Too long?", None).await?;
        let answer = say(&tenant, version, "No.", Some(&first)).await?;
        let deeper = say(&tenant, version, "Well, yes.", Some(&answer)).await?;
        let second = say(&tenant, version, "A picture?", None).await?;

        let read = threads(&tenant, version, "").await?;
        ensure!(read.len() == 2 && read[0]["id"] == second.as_str(), "{read:#?}");
        let thread = &read[1];
        ensure!(thread["id"] == first.as_str() && thread["userId"] == BOB, "{thread}");
        ensure!(thread["comment"] == "Too long?" && thread["isResolved"] == false, "{thread}");
        ensure!(thread["parentCommentId"].is_null() && thread["hasMoreReplies"] == false);
        let replies = thread["replies"].as_array().unwrap();
        ensure!(replies.len() == 2 && replies[0]["id"] == answer.as_str(), "{thread}");
        ensure!(replies[1]["parentCommentId"] == answer.as_str(), "{thread}");
        ensure!(replies.iter().all(|reply| reply["threadId"] == first.as_str()), "{thread}");
        let path = format!("/v1/content-comments/{deeper}/replies?limit=1");
        let read = tenant.api.items(&path).await?;
        let ids: Vec<&Value> = read.iter().map(|reply| &reply["id"]).collect();
        ensure!(ids == [deeper.as_str(), answer.as_str()], "{read:#?}");

        let resolve = |resolved: bool| json!({ "commentId": first, "resolved": resolved });
        tenant.api.done_by(ANN, "comment.resolve", resolve(true)).await?;
        tenant.api.done_by(BOB, "comment.resolve", resolve(true)).await?;
        let open = threads(&tenant, version, "&isResolved=false").await?;
        ensure!(open.len() == 1 && open[0]["id"] == second.as_str(), "{open:#?}");
        let path = format!("/v1/content-comments/{first}");
        let shown = tenant.api.read(&path).await?;
        ensure!(shown["isResolved"] == true && shown["resolvedBy"] == ANN, "{shown}");
        tenant.api.done_by(BOB, "comment.resolve", resolve(false)).await?;
        let shown = tenant.api.read(&path).await?;
        ensure!(shown["isResolved"] == false && shown["resolvedBy"].is_null(), "{shown}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn only_its_author_or_an_operator_rewrites_a_comment() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let content = written(&tenant, "Rewritten").await?;
        let id = say(&tenant, &content.version, "Teh price?", None).await?;
        let args = |comment: &str| json!({ "commentId": id, "comment": comment });
        let answer = ask(&tenant, ANN, "comment.edit", args("The price!")).await?;
        is_problem(&answer, 403, "forbidden", "args.commentId")?;
        let path = format!("/v1/content-comments/{id}");
        ensure!(tenant.api.read(&path).await?["comment"] == "Teh price?");
        tenant.api.done_by(BOB, "comment.edit", args("The price?")).await?;
        ensure!(tenant.api.read(&path).await?["comment"] == "The price?");
        let operator = fleet.operator().acting_for(&tenant.organization);
        operator.done("comment.edit", args("Removed by us")).await?;
        let shown = tenant.api.read(&path).await?;
        ensure!(shown["comment"] == "Removed by us" && shown["userId"] == BOB, "{shown}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_comment_out_of_place_is_refused() {
    shared(async |fleet| {
        let (tenant, other) = (Tenant::new(fleet).await?, Tenant::new(fleet).await?);
        let (content, foreign) =
            (written(&tenant, "Ours").await?, written(&other, "Theirs").await?);
        let elsewhere = written(&tenant, "Elsewhere").await?;
        let there = say(&tenant, &elsewhere.version, "Here?", None).await?;
        let theirs = say(&other, &foreign.version, "Secret", None).await?;
        let add = |version: &str, comment: &str, parent: Option<&str>| {
            let mut args = json!({ "contentVersionId": version, "comment": comment });
            if let Some(parent) = parent {
                args["parentCommentId"] = json!(parent);
            }
            ("comment.add", args)
        };
        let (version, long) = (content.version.as_str(), "a".repeat(5001));
        let nobody = Some(tenant.organization.as_str());
        let argument = |field| (422, "invalid_argument", field);
        let gone = |field| (404, "not_found", field);
        let edit = |id: &str, comment: &str| {
            ("comment.edit", json!({ "commentId": id, "comment": comment }))
        };
        let cases = [
            (add(&foreign.version, "Hello", None), gone("args.contentVersionId")),
            (add(&tenant.organization, "Hello", None), gone("args.contentVersionId")),
            (add(version, "Hello", Some(&theirs)), gone("args.parentCommentId")),
            (add(version, "Hello", nobody), gone("args.parentCommentId")),
            (add(version, "Hello", Some(&there)), argument("args.parentCommentId")),
            (add(version, " \n", None), argument("args.comment")),
            (add(version, &long, None), argument("args.comment")),
            (edit(&there, ""), argument("args.comment")),
            (edit(&theirs, "Mine"), gone("args.commentId")),
            (("comment.resolve", json!({ "commentId": theirs })), gone("args.commentId")),
        ];
        for ((kind, args), expected) in cases {
            is_refused(&tenant, kind, args, expected).await?;
        }
        ensure!(threads(&tenant, version, "").await?.is_empty(), "something was said");
        for path in [theirs.clone(), format!("{theirs}/replies")] {
            let answer = tenant.api.get(&format!("/v1/content-comments/{path}")).await?;
            is_problem(&answer, 404, "not_found", "")?;
        }
        let reader = tenant.key_with(&["read"]).await?;
        let (kind, args) = add(version, "Hello", None);
        let answer = reader.ask(&Ask::new(kind, args)).await?;
        is_problem(&answer, 403, "forbidden", answer.field())
    })
    .await;
}
