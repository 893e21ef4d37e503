//! A change or a rejection in the very moment in which the post goes out: one of both comes first,
//! and both sides say so.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use fleet_tests::api::text;
use fleet_tests::harness::{Login, Planned, Tenant, in_ms, shared};
use fleet_tests::wait::{self, PATIENCE};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Row};

use super::{ANN, BOB, Written, require_approval, written};
use crate::publishing::calls;

/// Within the budget of the smallest plan.
const AT_ONCE: usize = 20;

/// From so long before a post's moment to so long after it somebody objects.
const BEFORE_MS: i64 = 40;
const APART_MS: i64 = 14;

/// How often each side came first.
#[derive(Debug, Default)]
struct Tally {
    stopped: usize,
    out: BTreeMap<&'static str, usize>,
}

/// How a schedule and the objection to it ended.
struct Ended {
    schedule: Value,
    objection: Value,
}

async fn ended(tenant: &Tenant, planned: &Planned, job: &str) -> Result<Ended> {
    let objection = tenant.api.job_ended(job, PATIENCE).await?;
    let what = format!("the end of the schedule {}", planned.id);
    let is_over = |schedule: &Value| {
        matches!(schedule["status"].as_str(), Some("published" | "on_hold" | "failed"))
    };
    let see = async || tenant.api.schedule(&planned.id).await;
    let schedule = wait::until_right(&what, PATIENCE, see, is_over).await?;
    Ok(Ended { schedule, objection })
}

/// Judges one race: what the objector was told, what the schedule says and what the network holds must
/// be the same story.
async fn judge(tenant: &Tenant, planned: &Planned, ended: &Ended, tally: &mut Tally) -> Result<()> {
    let Ended { schedule, objection } = ended;
    let posts = tenant.posts(planned).await?;
    let calls = calls(tenant, planned).await?;
    let story = format!("{objection}\n{schedule}\n{posts:#?}\n{calls} calls");
    let was_out = match objection["state"].as_str() {
        Some("done") => {
            // Done, and yet there is a post: only when that was there before, and was told.
            let on_hold = objection["result"]["schedulesOnHold"].as_i64();
            match (schedule["status"].as_str(), on_hold) {
                (Some("on_hold"), Some(1)) => None,
                (Some("published"), Some(0)) => Some("before"),
                _ => anyhow::bail!("two stories: {story}"),
            }
        }
        Some("dead") => {
            let error = &objection["errors"].as_array().context("errors")?[0];
            ensure!(error["code"] == "conflict", "{story}");
            // On a busy machine the network's answer may come too late to be heard.
            let message = error["message"].as_str().unwrap_or_default();
            let why = ["being published right now", "may be published"];
            ensure!(why.iter().any(|why| message.contains(why)), "{story}");
            ensure!(schedule["status"] == "published", "refused, and yet not out: {story}");
            Some("meanwhile")
        }
        _ => anyhow::bail!("no end: {story}"),
    };
    let Some(when) = was_out else {
        ensure!(posts.is_empty() && calls == 0, "stopped, and yet it went out: {story}");
        tally.stopped += 1;
        return Ok(());
    };
    ensure!(posts.len() == 1 && calls >= 1, "out, and yet not once: {story}");
    let objected: DateTime<Utc> =
        objection["finishedAt"].as_str().context("finishedAt")?.parse()?;
    let is_later = posts[0].created_at > objected;
    ensure!(when == "meanwhile" || !is_later, "it went out after the objection: {story}");
    *tally.out.entry(when).or_default() += 1;
    Ok(())
}

/// Schedules `AT_ONCE` posts for one moment; objects to each around it.
async fn round(
    tenant: &Tenant,
    object: impl Fn(&Written) -> (&'static str, &'static str, Value),
    tally: &mut Tally,
) -> Result<()> {
    let mut contents = Vec::new();
    let began = Instant::now();
    let texts: Vec<String> = (0..AT_ONCE).map(|_| tenant.text("Raced")).collect();
    let new = |text: &String| json!({ "title": "Raced", "versions": [{ "platform": "TWITTER", "text": text }] });
    let made = tenant.api.all_done("content.create", texts.iter().map(new).collect()).await?;
    for (made, text) in made.iter().zip(texts) {
        let version = made["contentVersionIds"][0].as_str().context("a version")?.to_owned();
        contents.push(Written { request: self::text(made, "contentRequestId")?, version, text });
    }
    let approve = |content: &Written| json!({ "contentRequestId": content.request });
    tenant.api.all_done("content.approve", contents.iter().map(approve).collect()).await?;
    // As many jobs again are done in this time, on a slow machine too.
    let took = i64::try_from(began.elapsed().as_millis())?;
    let lead = (took * 3).clamp(2_500, 20_000);
    let at = in_ms(lead);
    let wall_time = at.format("%Y-%m-%dT%H:%M:%S%.3f").to_string();
    let plan = |content: &Written| {
        json!({
            "contentVersionId": content.version, "timezone": "UTC", "at": wall_time,
            "platformConnectionId": tenant.account.connection,
        })
    };
    let made = tenant.api.all_done("schedule.create", contents.iter().map(plan).collect()).await?;
    let objections: Vec<Value> = (0i64..)
        .zip(&contents)
        .map(|(n, content)| {
            let (actor, kind, args) = object(content);
            let run_at = at + TimeDelta::milliseconds(n * APART_MS - BEFORE_MS);
            json!({ "kind": kind, "args": args, "actor": actor, "runAt": run_at })
        })
        .collect();
    let asked = tenant.api.post("/v1/jobs", &json!(objections)).await?;
    ensure!(asked.status == 202, "{asked:?}");
    let mut raced = Vec::new();
    for (n, content) in contents.into_iter().enumerate() {
        let planned = Planned {
            id: text(&made[n], "scheduleId")?,
            at,
            text: content.text,
            username: tenant.account.username.clone(),
        };
        raced.push((planned, text(&asked.body[n], "id")?));
    }
    for (planned, job) in &raced {
        let ended = ended(tenant, planned, job).await?;
        judge(tenant, planned, &ended, tally).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_rejection_and_a_post_never_both_happen_unexplained() {
    shared(async |fleet| {
        let mut tally = Tally::default();
        for n in 0..5 {
            let tenant = Tenant::new(fleet).await?;
            // A no is a no, whether a yes is required or not.
            if n % 2 == 0 {
                require_approval(&tenant, true).await?;
            }
            let object = |content: &Written| {
                let args = json!({ "contentRequestId": content.request, "reason": "Stop" });
                (ANN, "content.reject", args)
            };
            round(&tenant, object, &mut tally).await?;
        }
        told(&tally, "rejections")
    })
    .await;
}

#[tokio::test]
async fn an_edit_and_a_post_of_what_was_before_never_both_happen_unexplained() {
    shared(async |fleet| {
        let mut tally = Tally::default();
        for _ in 0..3 {
            let tenant = Tenant::new(fleet).await?;
            require_approval(&tenant, true).await?;
            let object = |content: &Written| {
                let text = format!("{} edited", content.text);
                let args = json!({ "contentVersionId": content.version, "text": text });
                (BOB, "version.edit", args)
            };
            round(&tenant, object, &mut tally).await?;
        }
        told(&tally, "edits")
    })
    .await;
}

#[tokio::test]
async fn who_publishes_or_schedules_waits_for_a_decision_that_is_being_written() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let (content, other) = (written(&tenant, "Decided").await?, written(&tenant, "Too").await?);
        let planned = content.schedule(&tenant, in_ms(3_000)).await?;
        let mut reviewer = fleet.database.connect(Login::Owner).await?;
        let mut run = async |sql: &str| -> Result<i64> {
            let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(&mut reviewer).await?;
            Ok(rows.first().map_or(Ok(0), |row| row.try_get(0))?)
        };
        let both = format!("id in ('{}', '{}')", content.request, other.request);
        run("begin").await?;
        run(&format!("select 1::bigint from content_requests where {both} for no key update")).await?;
        let plan = json!({
            "contentVersionId": other.version, "platformConnectionId": tenant.account.connection,
            "at": "2100-01-01T00:00:00", "timezone": "UTC",
        });
        let creating = tenant.api.enqueue("schedule.create", plan).await?;
        wait::until("both wait for the decision", PATIENCE, async || {
            let waiting = "select count(*) from pg_locks
                           where not granted and transactionid = pg_current_xact_id()::xid";
            Ok((run(waiting).await? == 2).then_some(()))
        })
        .await?;
        run(&format!(
            "update content_requests set status = 'rejected', rejected_by = 'ann', rejected_at = now(),
                 rejection_reason = 'No.' where {both}"
        ))
        .await?;
        run("commit").await?;
        let schedule = tenant.api.schedule_is(&planned.id, "on_hold", PATIENCE).await?;
        ensure!(schedule["awaitsApproval"] == true, "{schedule}");
        let created = tenant.api.job_ended(&creating, PATIENCE).await?;
        ensure!(created["errors"][0]["code"] == "not_approved", "{created}");
        ensure!(calls(&tenant, &planned).await? == 0);
        Ok(())
    })
    .await;
}

/// A race that one side always wins proves nothing.
#[expect(clippy::print_stderr, reason = "for the person who wants to know how close it was")]
fn told(tally: &Tally, what: &str) -> Result<()> {
    eprintln!("{what} raced against posts: {tally:?}");
    let out: usize = tally.out.values().sum();
    ensure!(tally.stopped > 0 && out > 0, "no race: {tally:?}");
    Ok(())
}
