//! Bad input, and what it gets: refused when it is asked for, naming what is wrong; nothing stored.

use anyhow::{Context, Result, ensure};
use chrono::{TimeDelta, Utc};
use fleet_tests::api::{Answer, Ask};
use fleet_tests::harness::{Fleet, Tenant, shared};
use fleet_tests::picture;
use serde_json::{Value, json};

use super::is_problem;

/// How many jobs of the organization the ledger has.
async fn jobs_of(fleet: &Fleet, tenant: &Tenant) -> Result<u64> {
    let of = format!("organization_id = '{}'", tenant.organization);
    let sql = format!(
        "select (select count(*) from jobs where {of}) + (select count(*) from job_history where {of})"
    );
    Ok(fleet.database.text(&sql).await?.parse()?)
}

/// A schedule that would be fine.
fn plan(tenant: &Tenant, version: &str) -> Value {
    json!({
        "contentVersionId": version,
        "platformConnectionId": tenant.account.connection,
        "at": (Utc::now() + TimeDelta::hours(1)).format("%Y-%m-%dT%H:%M:%S").to_string(),
        "timezone": "UTC",
    })
}

/// The arguments with one of them changed.
fn with(mut args: Value, name: &str, value: Value) -> Value {
    args[name] = value;
    args
}

#[tokio::test]
async fn bad_input_is_refused_by_name_and_nothing_is_stored() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let version = tenant.write("Fine").await?;
        let fine = plan(&tenant, &version);
        let text = |text: String| {
            json!({ "title": "News", "versions": [{ "platform": "TWITTER", "text": text }] })
        };
        let past = (Utc::now() - TimeDelta::hours(1)).format("%Y-%m-%dT%H:%M:%S").to_string();
        let content = text("Fine".to_owned());
        let cases: Vec<(&str, Value, u16, &str, &str)> = vec![
            ("post.fly", json!({}), 422, "invalid_argument", "kind"),
            ("content.create", with(content.clone(), "colour", json!(1)), 422, "invalid_argument", "args.colour"),
            ("content.create", json!({ "title": "News" }), 422, "invalid_argument", "args.versions"),
            ("content.create", with(content.clone(), "title", json!(7)), 422, "invalid_argument", "args.title"),
            ("content.create", with(content.clone(), "title", json!(" ")), 422, "invalid_argument", "args.title"),
            ("content.create", text("a".repeat(281)), 422, "content_rejected", "args.versions[0].text"),
            ("content.create", with(content.clone(), "title", json!("a\0b")), 422, "invalid_argument", "args.title"),
            ("schedule.create", with(fine.clone(), "at", json!(past)), 422, "invalid_argument", "args.at"),
            ("schedule.create", with(fine.clone(), "at", json!("soon")), 422, "invalid_argument", "args.at"),
            ("schedule.create", with(fine.clone(), "timezone", json!("Mars/Olympus")), 422, "invalid_argument", "args.timezone"),
            ("schedule.create", with(fine.clone(), "maxRetries", json!(21)), 422, "invalid_argument", "args.maxRetries"),
            ("schedule.create", with(fine.clone(), "contentVersionId", json!("x")), 422, "invalid_argument", "args.contentVersionId"),
            ("queue.pause", json!({ "queue": "control", "reason": "No." }), 422, "invalid_argument", "args.queue"),
            ("key.create", json!({ "name": "k", "scopes": [] }), 422, "invalid_argument", "args.scopes"),
            ("key.create", json!({ "name": "k", "scopes": ["read"], "secretHash": "00" }), 422, "invalid_argument", "args.secretHash"),
            ("connection.import", json!({ "platform": "TWITTER", "accessToken": " " }), 422, "invalid_argument", "args.accessToken"),
            ("connection.import", json!({ "platform": "MYSPACE", "accessToken": "t" }), 422, "invalid_argument", "args.platform"),
        ];
        let before = jobs_of(fleet, &tenant).await?;
        for (kind, args, status, code, field) in cases {
            let answer = tenant.api.ask(&Ask::new(kind, args.clone())).await?;
            is_problem(&answer, status, code, field).with_context(|| format!("{kind} {args}"))?;
        }
        ensure!(jobs_of(fleet, &tenant).await? == before, "something was stored");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_job_of_the_fleets_own_is_refused_to_everybody() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let args = json!({ "scheduleId": tenant.organization });
        for api in [tenant.api.clone(), fleet.operator().acting_for(&tenant.organization)] {
            let answer = api.ask(&Ask::new("post.publish", args.clone())).await?;
            ensure!(matches!(answer.status, 403 | 422), "{answer:?}");
            is_problem(&answer, answer.status, answer.code(), answer.field())?;
        }
        let args = json!({ "name": "Mine", "slug": "mine" });
        let answer = tenant.api.ask(&Ask::new("organization.create", args)).await?;
        ensure!(answer.status == 403, "{answer:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn another_organizations_rows_are_not_there() {
    shared(async |fleet| {
        let (owner, thief) = (Tenant::new(fleet).await?, Tenant::new(fleet).await?);
        let version = owner.write("Ours").await?;
        let planned = owner.plan("Ours too", &owner.account, 60_000).await?;
        let own_version = thief.write("Theirs").await?;
        let file = owner.api.upload("a.png", "image/png", picture::png()).await?;
        let attach =
            json!({ "contentVersionId": own_version, "fileId": file, "filename": "a.png" });
        let mixed = with(
            plan(&thief, &own_version),
            "platformConnectionId",
            json!(owner.account.connection),
        );
        let cases: Vec<(&str, Value, &str)> = vec![
            ("schedule.create", plan(&thief, &version), "args.contentVersionId"),
            ("schedule.create", mixed, "args.platformConnectionId"),
            ("schedule.cancel", json!({ "scheduleId": planned.id }), "args.scheduleId"),
            (
                "connection.disconnect",
                json!({ "connectionId": owner.account.connection }),
                "args.connectionId",
            ),
            ("key.revoke", json!({ "keyId": owner.key_id }), "args.keyId"),
            ("media.attach", attach, "args.fileId"),
        ];
        for (kind, args, field) in cases {
            let answer = thief.api.ask(&Ask::new(kind, args).wait(10)).await?;
            is_problem(&answer, 404, "not_found", field).context(kind)?;
        }
        let job = owner.api.items("/v1/jobs").await?.remove(0);
        let paths = [
            format!("/v1/schedules/{}", planned.id),
            format!("/v1/content-versions/{version}"),
            format!("/v1/connections/{}", owner.account.connection),
            format!("/v1/jobs/{}", job["id"].as_str().unwrap()),
        ];
        for path in paths {
            ensure!(owner.api.get(&path).await?.status == 200, "{path}");
            let answer = thief.api.get(&path).await?;
            is_problem(&answer, 404, "not_found", "").context(path)?;
        }
        for list in ["/v1/schedules", "/v1/jobs", "/v1/events", "/v1/connections", "/v1/keys"] {
            let seen = thief.api.items(list).await?;
            let strange =
                seen.iter().find(|row| row["organizationId"] == owner.organization.as_str());
            ensure!(strange.is_none(), "{list}: {strange:?}");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_key_without_the_scope_is_refused_by_the_scopes_name() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let reader = tenant.key_with(&["read"]).await?;
        let writer = tenant.key_with(&["content:write"]).await?;
        let version = json!({ "platform": "TWITTER", "text": "Fine" });
        let content = json!({ "title": "News", "versions": [version] });
        let lacks = |answer: &Answer, scope: &str| {
            is_problem(answer, 403, "forbidden", answer.field())?;
            ensure!(answer.body["detail"].as_str().unwrap().contains(scope), "{answer:?}");
            Ok(())
        };
        let answer = reader.ask(&Ask::new("content.create", content.clone())).await?;
        lacks(&answer, "content:write")?;
        let pause = json!({ "reason": "No." });
        lacks(&writer.ask(&Ask::new("queue.pause", pause)).await?, "jobs:write")?;
        lacks(&writer.get("/v1/schedules").await?, "read")?;
        ensure!(reader.get("/v1/schedules").await?.status == 200);
        writer.done("content.create", content).await?;
        let answer = reader.get("/v1/workers").await?;
        is_problem(&answer, 403, "forbidden", "")?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn media_of_a_wrong_type_or_size_is_refused() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let begin = |mime: &str, bytes: u64| {
            json!({ "filename": "a", "contentType": mime, "sizeBytes": bytes })
        };
        let answer = tenant.api.post("/v1/uploads", &begin("text/html", 10)).await?;
        is_problem(&answer, 415, "unsupported_media_type", "contentType")?;
        let answer = tenant.api.post("/v1/uploads", &begin("image/png", 1 << 40)).await?;
        is_problem(&answer, 413, "too_large", "sizeBytes")?;
        let page = b"<html>not an image</html>".to_vec();
        let error = tenant.api.upload("a.png", "image/png", page).await.unwrap_err();
        let answer = fleet_tests::api::refusal(&error).unwrap();
        is_problem(answer, 415, "unsupported_media_type", answer.field())?;
        let version = tenant.write("With an image").await?;
        let args = json!({
            "contentVersionId": version, "fileId": tenant.organization, "filename": "a.png",
        });
        let answer = tenant.api.ask(&Ask::new("media.attach", args).wait(10)).await?;
        is_problem(&answer, 404, "not_found", "args.fileId")?;
        Ok(())
    })
    .await;
}
