//! Workers that die, or sleep past their lease, in the middle of a call.

use anyhow::ensure;
use fleet_tests::harness::{Setup, Tenant, on};
use fleet_tests::wait::{self, PATIENCE};
use simulator::{Action, Outcome, When};

use super::{called, outcomes};

/// Long enough for a test to find the worker that makes a call, and short enough for what waits until no
/// answer can come.
fn unhurried() -> Setup {
    Setup::default().with("PUBLISH_REQUEST_TIMEOUT_MS", "5000")
}

#[tokio::test]
async fn a_worker_killed_between_call_and_record_publishes_nothing_twice() {
    on(unhurried(), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        tenant.trap(&tenant.account, Action::hold("call", When::After)).await?;
        let planned = tenant.plan("Killed", &tenant.account, 1_000).await?;
        tenant.network.wait_hold("call", PATIENCE).await?;
        let job = fleet.job_of("post.publish", &planned.id).await?;
        let id = job["id"].as_str().unwrap();
        fleet.worker_of(id).await?.kill().await?;
        tenant.network.release_as("call", Outcome::Drop).await?;
        let schedule = tenant.published(&planned).await?;
        called(&tenant, &planned, 1).await?;
        ensure!(outcomes(&schedule) == ["unconfirmed", "published"], "{schedule}");
        let job = tenant.api.job(id).await?;
        ensure!(job["crashes"] == 1 && job["attempt"] == 0, "a crash is no attempt: {job}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_worker_killed_before_the_network_acted_publishes_after_a_look() {
    on(unhurried(), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        tenant.trap(&tenant.account, Action::hold("call", When::Before)).await?;
        let planned = tenant.plan("Killed early", &tenant.account, 1_000).await?;
        tenant.network.wait_hold("call", PATIENCE).await?;
        let job = fleet.job_of("post.publish", &planned.id).await?;
        fleet.worker_of(job["id"].as_str().unwrap()).await?.kill().await?;
        tenant.network.release_as("call", Outcome::Drop).await?;
        tenant.published(&planned).await?;
        called(&tenant, &planned, 2).await
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_wakes_up_after_its_lease_changes_nothing_that_is_not_its_own() {
    on(unhurried(), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        tenant.trap(&tenant.account, Action::hold("call", When::After)).await?;
        let planned = tenant.plan("Asleep", &tenant.account, 1_000).await?;
        tenant.network.wait_hold("call", PATIENCE).await?;
        let job = fleet.job_of("post.publish", &planned.id).await?;
        let id = job["id"].as_str().unwrap();
        let sleeper = fleet.worker_of(id).await?;
        sleeper.freeze()?;
        wait::until("the job is somebody else's", PATIENCE, async || {
            let job = tenant.api.job(id).await?;
            Ok((job["crashes"] == 1).then_some(()))
        })
        .await?;
        tenant.network.release("call").await?;
        sleeper.thaw()?;
        sleeper.line("was declared lost").await?;
        tenant.published(&planned).await?;
        called(&tenant, &planned, 1).await?;
        // Whoever slept works on, as a new incarnation.
        let next = tenant.plan("Awake", &tenant.account, 1_000).await?;
        tenant.published(&next).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn a_lookup_in_the_hands_of_a_dying_worker_is_done_by_another() {
    on(unhurried(), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        tenant.trap(&tenant.account, Action::DropAfter {}).await?;
        let look = Action::hold("look", When::Before);
        let rule = simulator::Rule::on("GET", "/2/users/*", look).user(&tenant.account.id);
        tenant.network.fault(rule).await?;
        let planned = tenant.plan("Looked up", &tenant.account, 1_000).await?;
        tenant.network.wait_hold("look", PATIENCE).await?;
        let job = fleet.job_of("post.reconcile", &planned.id).await?;
        fleet.worker_of(job["id"].as_str().unwrap()).await?.kill().await?;
        tenant.network.release_as("look", Outcome::Drop).await?;
        tenant.published(&planned).await?;
        called(&tenant, &planned, 1).await
    })
    .await;
}
