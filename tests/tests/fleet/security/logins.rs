//! What the processes' logins may not do, tried with SQL: as if a process had a bug, or somebody
//! had got hold of its password.

use anyhow::{Context, Result, bail, ensure};
use fleet_tests::harness::{Fleet, Login, Tenant, shared};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection, Row};

/// Postgres' word for "this login may not do that".
const FORBIDDEN: &str = "42501";

async fn code(conn: &mut PgConnection, sql: &str) -> Result<Option<String>> {
    match sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(conn).await {
        Ok(_) => Ok(None),
        Err(sqlx::Error::Database(error)) => Ok(error.code().map(|code| code.into_owned())),
        Err(error) => Err(error).context(sql.to_owned()),
    }
}

async fn is_forbidden(conn: &mut PgConnection, sql: &str) -> Result<()> {
    match code(conn, sql).await? {
        Some(code) if code == FORBIDDEN => Ok(()),
        Some(code) => bail!("failed with {code} and not for want of rights: {sql}"),
        None => bail!("was allowed: {sql}"),
    }
}

async fn count(conn: &mut PgConnection, sql: &str) -> Result<i64> {
    let counted = format!("select count(*) from ({sql}) as counted");
    Ok(sqlx::raw_sql(AssertSqlSafe(counted)).fetch_one(conn).await?.try_get(0)?)
}

/// A tenant with a row in every table that has an organization.
async fn furnished(fleet: &Fleet) -> Result<Tenant> {
    let tenant = Tenant::new(fleet).await?;
    let version = tenant.write("Furnished").await?;
    tenant.attach_image(&version).await?;
    let brief = json!({ "brief": "Furnished by a model", "platforms": ["TWITTER"] });
    tenant.api.done("content.generate", brief).await?;
    let shown = tenant.api.read(&format!("/v1/content-versions/{version}")).await?;
    let approve = json!({ "contentRequestId": shown["contentRequestId"] });
    tenant.api.done("content.approve", approve).await?;
    let edit = json!({ "contentVersionId": version, "text": "Furnished anew" });
    tenant.api.done("version.edit", edit).await?;
    let comment = json!({ "contentVersionId": version, "comment": "Nice." });
    tenant.api.done("comment.add", comment).await?;
    let planned = tenant.plan("Furnished too", &tenant.account, 1_000).await?;
    tenant.published(&planned).await?;
    tenant.plan("Not yet", &tenant.account, 3_600_000).await?;
    Ok(tenant)
}

fn insert(organization: &str, kind: &str, state: &str, origin: &str) -> String {
    format!(
        "insert into jobs (id, organization_id, actor, origin, queue, kind, args_version, args, state,
                           priority, run_at, max_attempts, notify_end)
         values (gen_random_uuid(), {organization}, 'mallory', '{origin}', 'interactive', '{kind}', 1,
                 '{{}}', '{state}', 0, now(), 1, false)"
    )
}

#[tokio::test]
async fn the_apis_login_may_only_enqueue_and_read_its_organizations_rows() {
    shared(async |fleet| {
        let (own, other) = (furnished(fleet).await?, furnished(fleet).await?);
        let mut api = fleet.database.connect(Login::Api).await?;
        let tables = [
            "jobs", "job_history", "files", "content_requests", "content_versions", "media_attachments",
            "content_reviews", "content_edit_history", "content_comments", "schedules", "publish_intents",
            "published_posts", "events", "generations", "usage_counts",
        ];
        // Without an organization there is nothing to see.
        for table in tables.into_iter().chain(["organizations", "idempotency_keys"]) {
            let seen = count(&mut api, &format!("select 1 from {table}")).await?;
            ensure!(seen == 0, "{seen} rows of {table} without an organization");
        }
        let act = format!("set ezre.organization_id = '{}'", own.organization);
        ensure!(code(&mut api, &act).await?.is_none());
        for table in tables {
            let others = format!("select 1 from {table} where organization_id = '{}'", other.organization);
            ensure!(count(&mut api, &others).await? == 0, "another organization's {table}");
            let strange = format!("select 1 from {table} where organization_id <> '{}'", own.organization);
            ensure!(count(&mut api, &strange).await? == 0, "another organization's {table}");
            if table != "jobs" {
                let own = count(&mut api, &format!("select 1 from {table}")).await?;
                ensure!(own > 0, "nothing of {table} was there to be hidden");
            }
        }
        ensure!(count(&mut api, "select 1 from organizations").await? == 1);

        // Tokens and hashes of keys are not even readable.
        for sql in [
            "select access_token from platform_connections",
            "select refresh_token from platform_connections",
            "select * from platform_connections",
            "select secret_hash from api_keys",
            "select * from api_keys",
            "select 1 from platform_connections where access_token like 'v1%'",
        ] {
            is_forbidden(&mut api, sql).await?;
        }
        ensure!(count(&mut api, "select account_name from platform_connections").await? == 1);
        ensure!(count(&mut api, "select prefix from api_keys").await? >= 1);

        // It may not change or delete anything.
        for table in tables.into_iter().chain([
            "organizations", "api_keys", "platform_connections", "idempotency_keys", "pauses",
            "closed_keys", "workers", "job_kinds",
        ]) {
            is_forbidden(&mut api, &format!("delete from {table}")).await?;
            is_forbidden(&mut api, &format!("truncate {table}")).await?;
        }
        for sql in [
            "update jobs set state = 'ready'",
            "update jobs set claim_no = claim_no + 1",
            "update schedules set status = 'published'",
            "update organizations set plan = 'business'",
            "update organizations set billing_hold_at = null, billing_hold_reason = null",
            "update stripe_subscriptions set status = 'active'",
            "select told from stripe_subscription_events",
            "insert into plan_prices values ('price_mine', 'business')",
            "update usage_counts set used = 0",
            "update plan_limits set most = null",
            "insert into organization_limits (organization_id, metric, most, set_by)
             values (gen_random_uuid(), 'generations', null, 'mallory')",
            "delete from usage_reservations",
            "update api_keys set scopes = array['admin']",
            "update platform_connections set is_active = false",
            "insert into schedules (id) values (gen_random_uuid())",
            "insert into events (organization_id, type, subject_type, subject_id, message)
             values (gen_random_uuid(), 'a', 'b', gen_random_uuid(), 'c')",
            "insert into job_kinds values ('post.publish', 'organization')",
            "insert into pauses (id, queue, reason, paused_by) values (gen_random_uuid(), 'publish', 'x', 'y')",
            "create table mine (id int)",
            "select ledger_drop_partitions('1 day')",
            "set role ezre_worker",
            "set role ezre_scheduler",
        ] {
            is_forbidden(&mut api, sql).await?;
        }

        // It may enqueue, but only what callers may, as callers do, and for its organization.
        let own_id = format!("'{}'", own.organization);
        let other_id = format!("'{}'", other.organization);
        for (organization, kind, state, origin) in [
            (&own_id, "post.publish", "ready", "api"),
            (&own_id, "post.reconcile", "ready", "api"),
            (&own_id, "ledger.prune", "ready", "api"),
            (&own_id, "organization.create", "ready", "api"),
            (&own_id, "thing.of_tomorrow", "ready", "api"),
            (&own_id, "content.create", "running", "api"),
            (&own_id, "content.create", "ready", "worker"),
            (&own_id, "content.create", "ready", "operator"),
            (&other_id, "content.create", "ready", "api"),
            (&"null".to_owned(), "content.create", "ready", "api"),
        ] {
            is_forbidden(&mut api, &insert(organization, kind, state, origin)).await?;
        }
        for column in ["claim_no", "attempt", "crashes", "worker", "errors", "cancel_requested"] {
            let value = if column == "worker" { "gen_random_uuid()" } else { "default" };
            let sql = insert(&own_id, "content.create", "ready", "api")
                .replace("notify_end)", &format!("notify_end, {column})"))
                .replace("false)", &format!("false, {value})"));
            is_forbidden(&mut api, &sql).await?;
        }
        // The same insert, as it should be: the attack above was refused for its own sake.
        let fine = insert(&own_id, "content.create", "scheduled", "api").replace("now()", "now() + interval '1 day'");
        ensure!(code(&mut api, &format!("begin; {fine}; rollback")).await?.is_none());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_operators_reads_show_no_token_either() {
    shared(async |fleet| {
        let tenant = furnished(fleet).await?;
        let mut api = fleet.database.connect(Login::Api).await?;
        ensure!(code(&mut api, "set role ezre_operator").await?.is_none());
        let seen =
            format!("select 1 from schedules where organization_id = '{}'", tenant.organization);
        ensure!(count(&mut api, &seen).await? > 0, "an operator sees all organizations");
        for sql in [
            "select access_token from platform_connections",
            "select secret_hash from api_keys",
            "update jobs set state = 'ready'",
            "delete from jobs",
            "delete from workers",
            &insert("null", "post.publish", "ready", "operator"),
            &insert("null", "queue.pause", "running", "operator"),
            &insert("null", "queue.pause", "ready", "api"),
        ] {
            is_forbidden(&mut api, sql).await?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_schedulers_login_sees_no_token_and_writes_no_content() {
    shared(async |fleet| {
        furnished(fleet).await?;
        let mut scheduler = fleet.database.connect(Login::Scheduler).await?;
        for sql in [
            "select access_token from platform_connections",
            "select refresh_token from platform_connections",
            "select * from platform_connections",
            "select * from api_keys",
            "select text from content_versions",
            "select brief from content_requests",
            "update content_requests set brief = 'other'",
            "select model from generations",
            "update plan_limits set most = null",
            "select comment from content_comments",
            "update schedules set awaits_approval = false, scheduled_at = now()",
            "select status from stripe_subscriptions",
            "update organizations set billing_hold_at = null, billing_hold_reason = null",
            "update platform_connections set is_active = false",
            "update schedules set published_post_id = '1'",
            "update schedules set scheduled_at = now()",
            "update publish_intents set state = 'absent'",
            "insert into published_posts (id) values (gen_random_uuid())",
            "delete from schedules",
            "delete from job_history",
            "delete from events",
            "create table mine (id int)",
            "set role ezre_worker",
        ] {
            is_forbidden(&mut scheduler, sql).await?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_workers_login_changes_neither_the_schema_nor_the_past() {
    shared(async |fleet| {
        furnished(fleet).await?;
        let mut worker = fleet.database.connect(Login::Worker).await?;
        for sql in [
            "create table mine (id int)",
            "drop table jobs",
            "alter table jobs disable row level security",
            "update job_history set outcome = 'done'",
            "delete from job_history",
            "delete from schedules",
            "delete from published_posts",
            "update content_reviews set decided_by = 'mallory'",
            "delete from content_edit_history",
            "update events set message = 'nothing happened'",
            "insert into job_kinds values ('post.publish', 'organization')",
            "set role ezre_api",
        ] {
            is_forbidden(&mut worker, sql).await?;
        }
        // Postgres takes this from anybody, warns, and grants nothing.
        code(&mut worker, "grant all on jobs to ezre_api").await?;
        let mut api = fleet.database.connect(Login::Api).await?;
        is_forbidden(&mut api, "update jobs set state = 'ready'").await
    })
    .await;
}

#[tokio::test]
async fn tokens_rest_sealed_and_travel_sealed() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let id = &tenant.account.connection;
        let stored = format!("select access_token from platform_connections where id = '{id}'");
        let stored = fleet.database.text(&stored).await?;
        ensure!(
            stored.starts_with("v1.k2.") && !stored.contains(&tenant.account.token),
            "{stored}"
        );
        let jobs = tenant.api.items("/v1/jobs?kind=connection.import").await?;
        ensure!(
            jobs[0]["args"]
                == json!({
                    "platform": "TWITTER", "accessToken": "[sealed]", "scopes": [],
                }),
            "{jobs:?}"
        );
        let travelled = format!(
            "select args ->> 'accessToken' from job_history where id = '{}'",
            jobs[0]["id"].as_str().unwrap()
        );
        ensure!(fleet.database.text(&travelled).await?.starts_with("v1.k1."));
        Ok(())
    })
    .await;
}
