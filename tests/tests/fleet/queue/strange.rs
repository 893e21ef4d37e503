//! Jobs that this build cannot run: parked with an alert, never dropped.

use anyhow::{Result, ensure};
use fleet_tests::harness::{Fleet, Tenant, on, shared};
use fleet_tests::wait::{self, PATIENCE};
use serde_json::{Value, json};

use super::patient;

/// Puts a job into the ledger as a newer build would; answers its id.
async fn insert(fleet: &Fleet, tenant: &Tenant, kind: &str, version: u32) -> Result<String> {
    let (tenant, fleet) = (&tenant.organization, &fleet.database);
    let id = fleet.text("select gen_random_uuid()").await?;
    let sql = format!(
        "insert into jobs (id, organization_id, origin, queue, kind, args_version, args, state, max_attempts)
         values ('{id}', '{tenant}', 'worker', 'interactive', '{kind}', {version}, '{{\"x\": 1}}', 'ready', 3)"
    );
    fleet.run(&sql).await?;
    Ok(id)
}

async fn parked(fleet: &Fleet, tenant: &Tenant, id: &str, code: &str) -> Result<Value> {
    let is_parked = |job: &Value| job["waiting"]["code"] == code;
    let see = async || fleet.operator().job(id).await;
    let job = wait::until_right(&format!("{code}: parked"), PATIENCE, see, is_parked).await?;
    ensure!(job["state"] == "scheduled" && job["attempt"] == 0, "{job}");
    ensure!(job["organizationId"] == tenant.organization.as_str(), "{job}");
    Ok(job)
}

#[tokio::test]
async fn a_job_of_an_unknown_kind_or_version_is_parked_with_an_alert() {
    on(patient().workers(1), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let unknown = insert(fleet, &tenant, "thing.of_tomorrow", 1).await?;
        let newer = insert(fleet, &tenant, "content.create", 99).await?;
        parked(fleet, &tenant, &unknown, "unknown_kind").await?;
        parked(fleet, &tenant, &newer, "unreadable_arguments").await?;
        let worker = fleet.workers().remove(0);
        worker.line("parked").await?;
        let metrics = worker.address("admin.listening").await?;
        let see =
            async || Ok(reqwest::get(format!("http://{metrics}/metrics")).await?.text().await?);
        let is_counted = |metrics: &String| {
            let mut lines = metrics.lines();
            lines
                .any(|line| line.starts_with("queue_parked_total") && line.contains("unknown_kind"))
        };
        wait::until_right("it is counted", PATIENCE, see, is_counted).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn a_job_whose_arguments_do_not_decode_is_dead() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let id = insert(fleet, &tenant, "content.create", 1).await?;
        let job = tenant.api.job_ended(&id, PATIENCE).await?;
        ensure!(job["state"] == "dead", "{job}");
        ensure!(job["errors"][0]["code"] == "invalid_argument", "{job}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_job_that_a_killed_api_acknowledged_is_done() {
    on(patient().workers(0), async |fleet| {
        let operator = fleet.operator();
        let args = json!({ "name": "A shop", "slug": "a-shop" });
        let id = operator.enqueue("organization.create", args).await?;
        fleet.api_process().kill().await?;
        fleet.start_worker().await?;
        let sql = format!("select outcome from job_history where id = '{id}'");
        wait::until("the job is done", PATIENCE, async || {
            Ok(fleet.database.text(&sql).await.ok().filter(|outcome| outcome == "done"))
        })
        .await?;
        ensure!(fleet.database.text("select slug from organizations").await? == "a-shop");
        Ok(())
    })
    .await;
}
