//! `/health/work` fails when due work does not move, and only then.

use std::sync::Arc;

use anyhow::{Result, ensure};
use fleet_tests::harness::{Fleet, Process, Setup, Tenant, on};
use fleet_tests::wait::{self, PATIENCE};
use serde_json::{Value, json};

use super::{insert, scrape_process, work};

/// One worker, which leaves the queue `poll` out; work may stand still for a second.
fn setup() -> Setup {
    let queues = "control=2,interactive=2,publish=2,connect=2,maintenance=1";
    Setup::default().workers(1).with("WORKER_QUEUES", queues).with("WORK_HEALTH_MAX_AGE_MS", "1000")
}

fn processes(fleet: &Fleet) -> Vec<Arc<Process>> {
    fleet.workers().into_iter().chain(fleet.schedulers()).collect()
}

/// Waits until scheduler and worker answer this status; answers the last body.
async fn all_say(fleet: &Fleet, status: u16, why: &str) -> Result<Value> {
    let mut last = Value::Null;
    for process in processes(fleet) {
        let what = format!("{why}: {} says {status}", process.name());
        let see = async || work(&process).await;
        (_, last) = wait::until_right(&what, PATIENCE, see, |(said, _)| *said == status).await?;
    }
    Ok(last)
}

/// How long the oldest due job of the queue has been due, as the process last saw it.
async fn oldest_due(process: &Process) -> Result<Option<f64>> {
    let seen = scrape_process(process).await?;
    Ok(seen.sum("queue_oldest_due_seconds", &[r#"queue="poll""#]))
}

/// Every process looks, as it does whenever it is asked, and finds that nothing is due which may run.
async fn held_back(fleet: &Fleet, why: &str) -> Result<()> {
    for process in processes(fleet) {
        let what = format!("{why}: {} sees nothing due", process.name());
        let see = async || {
            let (status, said) = work(&process).await?;
            // A look that was under way before says of another moment.
            ensure!(status == 200, "{why}: {} says {said}", process.name());
            oldest_due(&process).await
        };
        wait::until_right(&what, PATIENCE, see, |age| *age == Some(0.0)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn work_that_nobody_does_is_named_until_it_is_gone() {
    on(setup(), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        all_say(fleet, 200, "an idle fleet").await?;
        let id = insert(fleet, &tenant.organization, ("poll", "poll.test"), 0, &[]).await?;
        let said = all_say(fleet, 503, "a job of a queue that nobody serves").await?;
        ensure!(said["status"] == "failing", "{said}");
        ensure!(said["reason"].as_str().unwrap().contains("the queue poll"), "{said}");
        let queues = said["queues"].as_array().unwrap();
        ensure!(queues.len() == 1 && queues[0]["queue"] == "poll", "{said}");
        ensure!(queues[0]["jobId"] == id.as_str(), "{said}");
        for age in ["oldestDueSecs", "stuckSecs"] {
            ensure!((1.0..300.0).contains(&queues[0][age].as_f64().unwrap()), "{said}");
        }
        // Other queues go on, and do not hide it.
        tenant.write("Meanwhile").await?;
        all_say(fleet, 503, "others go on").await?;
        tenant.api.done("job.cancel", json!({ "jobId": id })).await?;
        all_say(fleet, 200, "the job is gone").await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn what_a_pause_or_a_closed_key_holds_back_is_not_stuck() {
    on(setup(), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let operator = fleet.operator();
        let pause = json!({ "queue": "poll", "reason": "A look." });
        operator.done("queue.pause", pause).await?;
        let key = "x:user:7:GET";
        let organization = &tenant.organization;
        let id = insert(fleet, organization, ("poll", "poll.test"), 600, &[key]).await?;
        held_back(fleet, "paused").await?;
        let close = format!(
            "insert into closed_keys values ('{key}', now() + interval '1 hour', 'a test')"
        );
        fleet.database.run(&close).await?;
        operator.done("queue.resume", json!({ "queue": "poll" })).await?;
        held_back(fleet, "its key is closed").await?;
        fleet.database.run("delete from closed_keys").await?;
        let said = all_say(fleet, 503, "nothing holds it back").await?;
        ensure!(said["queues"][0]["jobId"] == id.as_str(), "{said}");
        ensure!(said["queues"][0]["oldestDueSecs"].as_f64().unwrap() > 600.0, "{said}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_said_to_be() {
    on(setup().can_be_cut(), async |fleet| {
        all_say(fleet, 200, "an idle fleet").await?;
        fleet.postgres.as_ref().unwrap().cut();
        let said = all_say(fleet, 503, "Postgres is away").await?;
        ensure!(said["reason"].as_str().unwrap().contains("database"), "{said}");
        ensure!(said["queues"].is_null(), "{said}");
        fleet.postgres.as_ref().unwrap().mend();
        all_say(fleet, 200, "Postgres is back").await.map(drop)
    })
    .await;
}
