//! What the metrics of the real processes say after some work.

use anyhow::{Result, ensure};
use fleet_tests::harness::{Fleet, Process, Tenant, on};
use fleet_tests::wait::{self, PATIENCE};
use nix::sys::signal::Signal;
use simulator::{Action, Rule};

use super::{insert, scrape_process};
use crate::queue::patient;

/// Waits until a metric of the process has this value.
async fn becomes(process: &Process, name: &str, labels: &[&str], value: f64) -> Result<()> {
    let what = format!("{}: {name} {labels:?} is {value}", process.name());
    let see = async || Ok(scrape_process(process).await?.sum(name, labels));
    wait::until_right(&what, PATIENCE, see, |seen| *seen == Some(value)).await.map(drop)
}

/// The sum over all schedulers and workers that run.
async fn in_all(fleet: &Fleet, name: &str, labels: &[&str]) -> Result<f64> {
    let mut sum = 0.0;
    for process in fleet.workers().into_iter().chain(fleet.schedulers()) {
        if process.ended().is_none() {
            sum += scrape_process(&process).await?.sum(name, labels).unwrap_or(0.0);
        }
    }
    Ok(sum)
}

async fn becomes_in_all(fleet: &Fleet, name: &str, labels: &[&str], value: f64) -> Result<()> {
    let what = format!("all together: {name} {labels:?} is {value}");
    let see = async || in_all(fleet, name, labels).await;
    wait::until_right(&what, PATIENCE, see, |seen| *seen == value).await.map(drop)
}

#[tokio::test]
async fn what_becomes_of_runs_is_counted_by_kind_and_problem() {
    on(patient().workers(1), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let worker = fleet.workers().remove(0);
        let before = scrape_process(&worker).await?;
        let create = r#"job_kind="content.create""#;
        for outcome in ["done", "dead", "retried", "fenced"] {
            let label = format!("outcome=\"{outcome}\"");
            let runs = before.sum("queue_runs_total", &[create, &label]);
            ensure!(runs == Some(0.0), "{outcome} runs start at {runs:?}");
        }

        tenant.write("Seen").await?;
        becomes(&worker, "queue_runs_total", &[create, r#"outcome="done""#], 1.0).await?;
        becomes(&worker, "queue_wait_duration_seconds_count", &[create], 1.0).await?;
        becomes(&worker, "queue_end_to_end_duration_seconds_count", &[create], 1.0).await?;
        becomes(&worker, "messaging_process_duration_seconds_count", &[create], 1.0).await?;
        let seen = scrape_process(&worker).await?;
        let longest = seen.sum("queue_end_to_end_duration_seconds_sum", &[create]);
        ensure!(longest.is_some_and(|secs| (0.0..60.0).contains(&secs)), "{longest:?}");

        let organization = &tenant.organization;
        let undecodable = ("interactive", "content.create");
        insert(fleet, organization, undecodable, 0, &[]).await?;
        becomes(&worker, "queue_runs_total", &[create, r#"outcome="dead""#], 1.0).await?;
        let dead = [create, r#"error_type="invalid_argument""#];
        becomes(&worker, "messaging_process_duration_seconds_count", &dead, 1.0).await?;

        // It was due long ago.
        let late = insert(fleet, organization, undecodable, 500, &[]).await?;
        tenant.api.job_ended(&late, PATIENCE).await?;
        let early = [create, r#"le="180""#];
        becomes(&worker, "queue_wait_duration_seconds_bucket", &early, 2.0).await?;
        becomes(&worker, "queue_wait_duration_seconds_count", &[create], 3.0).await?;

        // A kind that a newer build knows is no label.
        insert(fleet, organization, ("interactive", "thing.of_tomorrow"), 0, &[]).await?;
        let unknown = r#"job_kind="unknown""#;
        becomes(&worker, "queue_runs_total", &[unknown, r#"outcome="parked""#], 1.0).await?;
        becomes(&worker, "queue_parked_total", &[r#"reason="unknown_kind""#], 1.0).await?;

        // The network fails once.
        let (who, args) = tenant.newcomer().await?;
        let away = Rule::on("GET", "/2/users/me", Action::status(503)).user(&who.id);
        tenant.network.fault(away).await?;
        tenant.api.done("connection.import", args).await?;
        let import = r#"job_kind="connection.import""#;
        becomes(&worker, "queue_retries_total", &[import, r#"error_type="unavailable""#], 1.0)
            .await?;
        becomes(&worker, "queue_retries_total", &[import], 1.0).await?;
        becomes(&worker, "queue_runs_total", &[import, r#"outcome="retried""#], 1.0).await?;

        // A limit holds a job back.
        let key = format!("x:user:{}:GET", tenant.account.id);
        let close = format!(
            "insert into closed_keys values ('{key}', now() + interval '1 hour', 'a test')"
        );
        fleet.database.run(&close).await?;
        let limited = insert(fleet, organization, undecodable, 0, &[&key]).await?;
        becomes(&worker, "queue_limiter_waits_total", &[r#"queue="interactive""#], 1.0).await?;
        let scheduler = fleet.schedulers().remove(0);
        let class = [r#"key_class="account_call""#];
        becomes(&scheduler, "queue_closed_keys", &class, 1.0).await?;
        becomes(&scheduler, "queue_limited_jobs", &class, 1.0).await?;
        let ready = [r#"queue="interactive""#, r#"state="scheduled""#];
        becomes(&scheduler, "queue_depth", &ready, 2.0).await?;

        for process in [&worker, &scheduler] {
            let text = scrape_process(process).await?.text;
            for secret in [&tenant.organization, &tenant.account.id, &limited, &late] {
                ensure!(!text.contains(secret.as_str()), "{} names {secret}", process.name());
            }
            ensure!(!text.contains("thing.of_tomorrow"), "a row chose a label");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_dies_and_one_that_stands_still_are_counted() {
    on(patient(), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let scheduler = fleet.schedulers().remove(0);
        becomes(&scheduler, "queue_workers_alive", &[], 2.0).await?;
        ensure!(in_all(fleet, "queue_leases_lost_total", &[]).await? == 0.0);

        let job = tenant.held_job("stands-still", 2).await?;
        let frozen = fleet.worker_of(&job).await?;
        frozen.freeze()?;
        let connect = [r#"queue="connect""#];
        let other = fleet.workers().into_iter().find(|worker| worker.pid() != frozen.pid());
        let others = [other.unwrap(), scheduler.clone()];
        wait::until("the job is taken from the worker that stands still", PATIENCE, async || {
            let mut rescued = 0.0;
            for process in &others {
                let seen = scrape_process(process).await?;
                rescued += seen.sum("queue_rescued_total", &connect).unwrap_or(0.0);
            }
            Ok((rescued == 1.0).then_some(()))
        })
        .await?;
        becomes(&scheduler, "queue_workers_alive", &[], 1.0).await?;
        frozen.thaw()?;
        becomes(&frozen, "queue_leases_lost_total", &[], 1.0).await?;
        becomes(&scheduler, "queue_workers_alive", &[], 2.0).await?;
        tenant.network.release("stands-still").await?;
        tenant.api.job_ended(&job, PATIENCE).await?;
        ensure!(in_all(fleet, "queue_quarantined_total", &[]).await? == 0.0);

        let job = tenant.held_job("kills", 1).await?;
        let victim = fleet.worker_of(&job).await?;
        fleet.database.run(&format!("update jobs set crashes = 2 where id = '{job}'")).await?;
        victim.signal(Signal::SIGKILL)?;
        victim.end(PATIENCE).await?;
        becomes_in_all(fleet, "queue_quarantined_total", &connect, 1.0).await
    })
    .await;
}
