//! Machines whose clocks are wrong by ten minutes: nothing goes out earlier or later for it, nothing is refused,
//! nobody is taken for dead. Postgres and the network have the right time.

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use fleet_tests::api::refusal;
use fleet_tests::harness::{Fleet, Planned, Process, Setup, Tenant, ahead, in_ms, on};
use fleet_tests::wait::{self, PATIENCE};
use platforms::webhooks::stripe;
use reqwest::Method;
use serde_json::{Value, json};
use simulator::{Action, Rule};

use crate::accounts::{believes, refreshes};
use crate::billing::deliver;
use crate::publishing::nothing_at_network;
use crate::recurring::{Recurring, count};

/// How wrong the clocks are.
const WRONG: i64 = 600;
/// What is told of the right time may be told so much earlier or later.
const ABOUT: TimeDelta = TimeDelta::seconds(60);

#[tokio::test]
async fn an_api_ahead_of_the_database_and_everybody_else_on_either_side() {
    with_api(WRONG).await;
}

#[tokio::test]
async fn an_api_behind_the_database_and_everybody_else_on_either_side() {
    with_api(-WRONG).await;
}

/// Everything with an API whose clock is so far ahead; schedulers and workers are on both sides, and those on the
/// other side than the API come first.
async fn with_api(secs: i64) {
    let (Some(api), Some(same), Some(other)) = (ahead(secs), ahead(secs), ahead(-secs)) else {
        return;
    };
    on(Setup::default().schedulers(0).workers(0).with_api(api), async |fleet| {
        for settings in [other.clone(), same.clone()] {
            let scheduler = fleet.spawn_scheduler_with(settings.clone())?;
            let worker = fleet.spawn_worker_with(settings)?;
            scheduler.line("scheduler.started").await?;
            worker.line("worker.started").await?;
        }
        let tenant = Tenant::new(fleet).await?;
        are_wrong(fleet, &tenant, secs).await?;
        tokio::try_join!(
            series(&tenant),
            posts(&tenant),
            tokens(fleet, &tenant),
            late(fleet, &tenant),
            backoff(&tenant),
            shown(fleet, &tenant),
            webhooks(fleet),
        )?;
        nobody_was_lost(fleet).await
    })
    .await;
}

/// Without this the test would test nothing.
async fn are_wrong(fleet: &Fleet, tenant: &Tenant, secs: i64) -> Result<()> {
    let says = tenant.api.get("/health/live").await?;
    let says = DateTime::parse_from_rfc2822(says.header("date"))?;
    is_off("the API", says.to_utc(), secs)?;
    let written = |process: &Process| -> Result<DateTime<Utc>> {
        let log = process.log();
        let line: Value = serde_json::from_str(log.lines().last().context("no log")?)?;
        Ok(line["timestamp"].as_str().with_context(|| line.to_string())?.parse()?)
    };
    for processes in [fleet.schedulers(), fleet.workers()] {
        for (process, secs) in processes.iter().zip([-secs, secs]) {
            is_off(process.name(), written(process)?, secs)?;
        }
    }
    let database: DateTime<Utc> = now(fleet).await?;
    is_off("Postgres", database, 0)
}

fn is_off(who: &str, says: DateTime<Utc>, secs: i64) -> Result<()> {
    let off = says - TimeDelta::seconds(secs) - Utc::now();
    ensure!(off.abs() < ABOUT, "the clock of {who} says {says}");
    Ok(())
}

async fn now(fleet: &Fleet) -> Result<DateTime<Utc>> {
    let now = fleet.database.text("select to_json(clock_timestamp()) #>> '{}'").await?;
    now.parse().context(now)
}

/// A series of every two seconds, of which one is skipped.
async fn series(tenant: &Tenant) -> Result<()> {
    let series = Recurring::new(tenant, "*/2 * * * * *", 6, json!({ "count": 6 })).await?;
    let made = series.until(tenant, "six are made", PATIENCE, |seen| seen.len() == 6).await?;
    let skip = json!({ "scheduleId": made[5]["scheduleId"], "reason": "A holiday." });
    tenant.api.done("occurrence.skip", skip).await?;
    let is_over = |seen: &[Value]| count(seen, "published") == 5 && count(seen, "skipped") == 1;
    let seen = series.until(tenant, "five are out", PATIENCE * 2, is_over).await?;
    series.each_is_out_once(tenant, &seen[..5]).await?;
    tenant.api.schedule_is(&series.id, "ended", PATIENCE).await.map(drop)
}

/// Posts that are soon due, and one that was before.
async fn posts(tenant: &Tenant) -> Result<()> {
    let account = tenant.another_account().await?;
    let soon = [("Soon", &account, 0), ("A little later", &account, 2_000)];
    for planned in tenant.plan_together(&soon, 2_500).await? {
        tenant.published(&planned).await?;
    }
    let version = tenant.write(&tenant.text("Long ago")).await?;
    let before = in_ms(-WRONG * 500);
    let refused = tenant.schedule_on(&version, &account, before).await;
    let refused = refused.err().context("what is past is taken")?;
    let refused = refusal(&refused).with_context(|| format!("{refused:#}"))?;
    ensure!(refused.status == 422 && refused.body["field"] == "args.at", "{refused:?}");
    Ok(())
}

/// An account connected by consent, whose access token ends soon.
async fn tokens(fleet: &Fleet, tenant: &Tenant) -> Result<()> {
    let account = tenant.connected_account().await?;
    let ends = async || -> Result<TimeDelta> {
        let sql = format!(
            "select to_json(token_expires_at) #>> '{{}}' from platform_connections where id = '{}'",
            account.connection
        );
        let ends: DateTime<Utc> = fleet.database.text(&sql).await?.parse()?;
        Ok(ends - now(fleet).await?)
    };
    let hours = TimeDelta::hours(2);
    let life = ends().await?;
    ensure!((life - hours).abs() < ABOUT, "a new token lives {life}");
    // Far from its end by the right clock.
    ensure!(refreshes(tenant, &account).await?.is_empty(), "refreshed at once");
    believes(fleet, &account, 5).await?;
    wait::until_right("the token is new", PATIENCE, ends, |life| (*life - hours).abs() < ABOUT)
        .await?;
    ensure!(refreshes(tenant, &account).await?.len() == 1, "refreshed more than once");
    let planned = tenant.plan("With new tokens", &account, 1_500).await?;
    tenant.published(&planned).await.map(drop)
}

/// What an outage made late: a little too late, and just in time.
async fn late(fleet: &Fleet, tenant: &Tenant) -> Result<()> {
    let account = tenant.another_account().await?;
    let both = [("Too late", &account, 0), ("Late", &account, 0)];
    let planned: Vec<Planned> = tenant.plan_together(&both, 3_600_000).await?;
    for (planned, minutes) in planned.iter().zip([62, 58]) {
        let ago = format!(
            "update schedules set scheduled_at = now() - interval '{minutes} minutes' where id = '{}'",
            planned.id
        );
        fleet.database.run(&ago).await?;
    }
    tenant.api.schedule_is(&planned[0].id, "missed", PATIENCE).await?;
    tenant.api.schedule_is(&planned[1].id, "published", PATIENCE).await?;
    nothing_at_network(tenant, &planned[0]).await
}

/// Calls that fail at first: one by a 503, one by a 429 that names a moment of the network's own clock.
async fn backoff(tenant: &Tenant) -> Result<()> {
    let (who, args) = tenant.newcomer().await?;
    let down = Rule::on("GET", "/2/users/me", Action::status(503)).user(&who.id).times(2);
    tenant.network.fault(down).await?;
    tenant.api.done("connection.import", args).await?;
    // Several, so that workers on both sides meet one.
    let mut accounts = Vec::new();
    let reset_in_ms = 3_000;
    for _ in 0..6 {
        let account = tenant.another_account().await?;
        tenant.trap(&account, Action::RateLimited { reset_in_ms }).await?;
        accounts.push(account);
    }
    let limited: Vec<_> = accounts.iter().map(|account| ("Limited", account, 0)).collect();
    for planned in tenant.plan_together(&limited, 1_000).await? {
        tenant.published(&planned).await?;
        let opens = planned.at + TimeDelta::milliseconds(i64::try_from(reset_in_ms)?);
        let post = tenant.posts(&planned).await?.remove(0);
        ensure!(post.created_at >= opens, "{} is before {opens}", post.created_at);
    }
    Ok(())
}

/// What the API shows where nobody says since when, and until when an upload may begin.
async fn shown(fleet: &Fleet, tenant: &Tenant) -> Result<()> {
    let rule = json!({ "pattern": "cron", "expression": "* * * * * *", "seconds": true });
    let asked = json!({ "recurrence": rule, "timezone": "UTC", "count": 1 });
    let answer = tenant.api.post("/v1/schedules/preview", &asked).await?;
    let first = moment(&answer.body["items"][0]["at"])?;
    ensure!((first - now(fleet).await?).abs() < ABOUT, "{answer:?}");

    let account = tenant.another_account().await?;
    let args = json!({
        "contentVersionId": tenant.write("Every minute").await?,
        "platformConnectionId": account.connection, "timezone": "UTC",
        "recurrence": { "rule": { "pattern": "cron", "expression": "*/3 * * * *" } },
    });
    let made = tenant.api.done("schedule.create", args).await?;
    let id = made["scheduleId"].as_str().context("no schedule")?;
    let path = format!("/v1/schedules/{id}/occurrences?limit=2");
    let next = moment(&tenant.api.read(&path).await?["items"][0]["scheduledAt"])?;
    let ahead = next - now(fleet).await?;
    ensure!(
        ahead.abs() < TimeDelta::minutes(4),
        "the next one of every three minutes is at {next}"
    );
    tenant.api.done("schedule.cancel", json!({ "scheduleId": id })).await?;

    let file = json!({ "filename": "bread.png", "contentType": "image/png", "sizeBytes": 10 });
    let begun = tenant.api.request(Method::POST, "/v1/uploads").json(&file);
    let begun = tenant.api.send(begun).await?;
    let ends = moment(&begun.body["expiresAt"])? - now(fleet).await?;
    ensure!((ends - TimeDelta::minutes(15)).abs() < ABOUT, "{begun:?}");
    let version = tenant.write("With an image").await?;
    tenant.attach_image(&version).await.map(drop)
}

fn moment(value: &Value) -> Result<DateTime<Utc>> {
    let text = value.as_str().context("no moment")?;
    Ok(DateTime::parse_from_rfc3339(text)?.to_utc())
}

/// A signature is as old as it is by the database's clock.
async fn webhooks(fleet: &Fleet) -> Result<()> {
    let secret = fleet.secrets.stripe_webhook.as_bytes();
    for (ago, expected) in [(0, 200), (WRONG, 401), (-WRONG, 401)] {
        let event = json!({ "id": format!("evt_clock{ago}"), "type": "a.test", "created": 1 });
        let body = event.to_string().into_bytes();
        let at = now(fleet).await?.timestamp() - ago;
        let signature = stripe::sign(&[secret], &body, at);
        let (status, answer) = deliver(fleet, body, &signature).await?;
        ensure!(status == expected, "signed {ago} s ago: {status} {answer}");
    }
    Ok(())
}

/// No worker was taken for dead, no job crashed, and nothing was missed but what was too late.
async fn nobody_was_lost(fleet: &Fleet) -> Result<()> {
    for (what, sql) in [
        ("workers lost", "select count(*) from workers where lost_at is not null"),
        ("crashes", "select coalesce(sum(crashes), 0) from job_history"),
        ("crashes of live jobs", "select coalesce(sum(crashes), 0) from jobs"),
        ("dead jobs", "select count(*) from job_history where outcome = 'dead'"),
        (
            "people asked to connect again",
            "select count(*) from events where type = 'connection.reconnect_needed'",
        ),
        ("posts missed, but for one", "select count(*) - 1 from schedules where status = 'missed'"),
    ] {
        let found = fleet.database.text(sql).await?;
        ensure!(found == "0", "{what}: {found}");
    }
    Ok(())
}
