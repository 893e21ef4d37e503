//! Plans are never exceeded, and what did not happen is given back.

use anyhow::{Result, bail, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use fleet_tests::api::{Ask, refusal};
use fleet_tests::harness::{Fleet, Login, Tenant, in_ms, shared};
use fleet_tests::picture;
use fleet_tests::wait::{self, PATIENCE};
use futures::future::{join_all, try_join_all};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use super::{brief, used};
use crate::api::is_problem;

/// Allows the organization so many of something, whatever its plan says.
async fn allow(fleet: &Fleet, tenant: &Tenant, metric: &str, most: u32) -> Result<()> {
    let args = json!({ "organizationId": tenant.organization, "metric": metric, "most": most });
    let told = fleet.operator().done("usage.limit", args).await?;
    ensure!(told["limit"] == most, "{told}");
    Ok(())
}

/// Schedules a new text an hour from now; answers the schedule.
async fn schedule(tenant: &Tenant) -> Result<String> {
    let version = tenant.write(&tenant.text("In an hour")).await?;
    let made = tenant.schedule(&version, in_ms(3_600_000)).await?;
    Ok(made["scheduleId"].as_str().unwrap().to_owned())
}

/// Checks that an error is the plan's refusal.
fn is_exhausted<T>(outcome: Result<T>) -> Result<()> {
    let Err(error) = outcome else { bail!("the plan was exceeded") };
    let Some(answer) = refusal(&error) else { return Err(error) };
    is_problem(answer, 402, "usage_exhausted", "")
}

#[tokio::test]
async fn of_a_hundred_asked_at_once_exactly_ten_get_through() {
    shared(async |fleet| {
        let tenant = Tenant::on_plan(fleet, "starter").await?;
        let ask = |nth: usize| {
            let args = brief(&format!("One of a hundred {nth}"));
            let ask = Ask::new("content.generate", args).wait(30);
            let api = tenant.api.clone();
            async move { api.ask(&ask).await }
        };
        let answers = join_all((0..100).map(ask)).await;
        let (mut done, mut refused) = (0, 0);
        for answer in answers {
            let answer = answer?;
            match answer.status {
                200 => done += 1,
                402 => {
                    is_problem(&answer, 402, "usage_exhausted", "")?;
                    refused += 1;
                }
                other => bail!("{other}: {answer:?}"),
            }
        }
        ensure!((done, refused) == (10, 90), "{done} got through, {refused} were refused");
        ensure!(used(&tenant.api, "generations").await? == (10, 0));
        let requests = tenant.api.items("/v1/content-requests").await?;
        ensure!(requests.len() == 10, "{} requests", requests.len());
        // Now the API knows, too, and says until when.
        let answer = tenant.api.ask(&Ask::new("content.generate", brief("One more"))).await?;
        is_problem(&answer, 402, "usage_exhausted", "")?;
        let said = answer.body["detail"].as_str().unwrap();
        let usage = tenant.api.read("/v1/usage").await?;
        let end: DateTime<Utc> = usage["usage"][0]["periodEnd"].as_str().unwrap().parse()?;
        let until = end.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        ensure!(said.contains("10 generations") && said.contains(&until), "{said}");
        ensure!(usage["plan"] == "starter" && usage["usage"][0]["limit"] == 10, "{usage}");
        ensure!(usage["history"][0]["generationsCount"] == 10, "{usage}");
        // Another plan counts at once, and keeps what was used.
        let args = json!({ "organizationId": tenant.organization, "plan": "pro" });
        fleet.operator().done("plan.set", args).await?;
        tenant.api.done("content.generate", brief("One more")).await?;
        ensure!(used(&tenant.api, "generations").await? == (11, 0));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_schedule_gives_back_and_a_published_one_is_used() {
    shared(async |fleet| {
        let tenant = Tenant::on_plan(fleet, "starter").await?;
        allow(fleet, &tenant, "scheduledPosts", 2).await?;
        let first = schedule(&tenant).await?;
        schedule(&tenant).await?;
        ensure!(used(&tenant.api, "scheduledPosts").await? == (0, 2));
        is_exhausted(schedule(&tenant).await)?;
        tenant.api.done("schedule.cancel", json!({ "scheduleId": first })).await?;
        ensure!(used(&tenant.api, "scheduledPosts").await? == (0, 1));
        let planned = tenant.plan("Soon", &tenant.account, 1_000).await?;
        is_exhausted(schedule(&tenant).await)?;
        tenant.published(&planned).await?;
        ensure!(used(&tenant.api, "scheduledPosts").await? == (1, 1));
        is_exhausted(schedule(&tenant).await)?;
        // The exception ends: the plan counts again.
        let args = json!({ "organizationId": tenant.organization, "metric": "scheduledPosts" });
        let told = fleet.operator().done("usage.limit", args).await?;
        ensure!(told["limit"] == 30, "{told}");
        schedule(&tenant).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_schedule_that_failed_may_be_tried_again_and_counts_until_it_is_cancelled() {
    shared(async |fleet| {
        let tenant = Tenant::on_plan(fleet, "starter").await?;
        tenant.trap(&tenant.account, simulator::Action::status(400)).await?;
        let planned = tenant.plan("Fails", &tenant.account, 1_000).await?;
        tenant.api.schedule_is(&planned.id, "failed", PATIENCE).await?;
        ensure!(used(&tenant.api, "scheduledPosts").await? == (0, 1));
        let at = (Utc::now() + TimeDelta::hours(1)).format("%Y-%m-%dT%H:%M:%S").to_string();
        let again = json!({ "scheduleId": planned.id, "at": at, "timezone": "UTC" });
        tenant.api.done("schedule.update", again).await?;
        ensure!(used(&tenant.api, "scheduledPosts").await? == (0, 1), "it is the same one");
        tenant.api.done("schedule.cancel", json!({ "scheduleId": planned.id })).await?;
        ensure!(used(&tenant.api, "scheduledPosts").await? == (0, 0));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn files_count_once_and_never_beyond_the_plan() {
    shared(async |fleet| {
        let tenant = Tenant::on_plan(fleet, "starter").await?;
        allow(fleet, &tenant, "filesUploaded", 3).await?;
        let versions = try_join_all((0..6).map(|_| tenant.write("With a picture"))).await?;
        let upload = || tenant.api.upload("a.png", "image/png", picture::png());
        let files = try_join_all((0..6).map(|_| upload())).await?;
        let attach = async |version: &str, file: &str| -> Result<Value> {
            let args = json!({ "contentVersionId": version, "fileId": file, "filename": "a.png" });
            tenant.api.done("media.attach", args).await
        };
        let pairs = versions.iter().zip(&files);
        let told = join_all(pairs.map(|(version, file)| attach(version, file))).await;
        let attached: Vec<usize> =
            told.iter().enumerate().filter(|(_, told)| told.is_ok()).map(|(nth, _)| nth).collect();
        ensure!(attached.len() == 3, "{attached:?} were attached");
        for refused in told.into_iter().filter(Result::is_err) {
            is_exhausted(refused)?;
        }
        ensure!(used(&tenant.api, "filesUploaded").await? == (3, 0));
        // The same file once more, twice at once, is no other file.
        let (file, free) = (&files[attached[0]], &versions[attached[1]]);
        let (one, two) = tokio::join!(attach(free, file), attach(free, file));
        one?;
        two?;
        ensure!(used(&tenant.api, "filesUploaded").await? == (3, 0));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_file_that_is_first_attached_twice_at_once_counts_once() {
    shared(async |fleet| {
        let tenant = Tenant::on_plan(fleet, "starter").await?;
        let versions = [tenant.write("One").await?, tenant.write("Two").await?];
        tenant.attach_image(&versions[0]).await?;
        let file = tenant.api.upload("a.png", "image/png", picture::png()).await?;
        // Both have seen that nobody has attached the file, and wait for the count.
        let mut conn = fleet.database.connect(Login::Owner).await?;
        let of = format!("organization_id = '{}'", tenant.organization);
        let lock = format!("begin; select from usage_counts where {of} for update");
        sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut conn).await?;
        let mut jobs = Vec::new();
        for version in &versions {
            let args =
                json!({ "contentVersionId": version, "fileId": file, "filename": "a.png" });
            jobs.push(tenant.api.enqueue("media.attach", args).await?);
        }
        // The first waits for our transaction, the second one behind it.
        let behind = "select count(*) from pg_locks l join pg_database d on d.oid = l.database
                      where d.datname = current_database() and not l.granted and l.locktype = 'tuple'";
        wait::until("both wait for the count", PATIENCE, async || {
            Ok((fleet.database.text(behind).await? == "1").then_some(()))
        })
        .await?;
        sqlx::raw_sql("rollback").execute(&mut conn).await?;
        for job in &jobs {
            let job = tenant.api.job_ended(job, PATIENCE).await?;
            ensure!(job["state"] == "done", "{job}");
        }
        ensure!(used(&tenant.api, "filesUploaded").await? == (2, 0));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn plans_and_exceptions_are_for_operators_and_named_when_wrong() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let (organization, operator) = (&tenant.organization, fleet.operator());
        let plan = |plan: &str| json!({ "organizationId": organization, "plan": plan });
        let answer = tenant.api.ask(&Ask::new("plan.set", plan("pro"))).await?;
        is_problem(&answer, 403, "forbidden", "kind")?;
        let answer = operator.ask(&Ask::new("plan.set", plan("gold"))).await?;
        is_problem(&answer, 422, "invalid_argument", "args.plan")?;
        ensure!(answer.body["detail"].as_str().unwrap().contains("business, pro, starter"));
        let nobody = json!({ "organizationId": tenant.key_id, "plan": "pro" });
        let answer = operator.ask(&Ask::new("plan.set", nobody)).await?;
        is_problem(&answer, 404, "not_found", "args.organizationId")?;
        let both = json!({
            "organizationId": organization, "metric": "generations", "most": 1, "unlimited": true,
        });
        let answer = operator.ask(&Ask::new("usage.limit", both)).await?;
        is_problem(&answer, 422, "invalid_argument", "args.unlimited")?;
        let answer = operator.get("/v1/usage").await?;
        is_problem(&answer, 422, "invalid_argument", "Ezre-Organization")?;
        let usage = operator.acting_for(organization).read("/v1/usage").await?;
        ensure!(usage["plan"] == "business" && usage["usage"][0]["limit"].is_null(), "{usage}");
        let answer = tenant.api.get("/v1/usage?periods=0").await?;
        is_problem(&answer, 422, "invalid_argument", "periods")
    })
    .await;
}
