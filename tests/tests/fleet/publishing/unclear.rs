//! Calls that end without a clear answer: looked up, and published again only when they are not
//! there.

use anyhow::{Result, ensure};
use fleet_tests::harness::{Fleet, Setup, Tenant, on, shared};
use simulator::{Action, Rule, SettingsPatch};

use super::{called, outcomes};

/// The network does this to the first call; then so many calls are needed.
async fn survives(fleet: &Fleet, action: Action, calls: usize) -> Result<()> {
    let tenant = Tenant::new(fleet).await?;
    tenant.trap(&tenant.account, action).await?;
    let planned = tenant.plan("Unclear", &tenant.account, 1_000).await?;
    let schedule = tenant.published(&planned).await?;
    called(&tenant, &planned, calls).await?;
    let outcomes = outcomes(&schedule);
    ensure!(outcomes.first().map(String::as_str) == Some("unconfirmed"), "{schedule}");
    ensure!(outcomes.last().map(String::as_str) == Some("published"), "{schedule}");
    // Only what was really not there was an attempt that failed.
    ensure!(schedule["retryCount"] == calls - 1, "{schedule}");
    tenant.api.told(&planned.id, &["post.unconfirmed", "post.published"]).await?;
    Ok(())
}

#[tokio::test]
async fn a_line_dropped_before_the_network_acts_is_looked_up_and_published_again() {
    shared(async |fleet| survives(fleet, Action::DropBefore {}, 2).await).await;
}

#[tokio::test]
async fn a_line_dropped_after_the_network_accepted_is_looked_up_and_not_published_again() {
    shared(async |fleet| survives(fleet, Action::DropAfter {}, 1).await).await;
}

#[tokio::test]
async fn a_503_is_looked_up_and_published_again() {
    shared(async |fleet| survives(fleet, Action::status(503), 2).await).await;
}

#[tokio::test]
async fn a_503_after_the_network_acted_is_looked_up_and_not_published_again() {
    let action = Action::Status {
        status: 503,
        headers: [("retry-after".to_owned(), "1".to_owned())].into(),
        body: None,
        act: true,
    };
    shared(async |fleet| survives(fleet, action, 1).await).await;
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_looked_up() {
    shared(async |fleet| survives(fleet, Action::Malformed {}, 1).await).await;
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_looked_up() {
    let delay = Action::Delay { ms: 4_000, when: simulator::When::After };
    shared(async |fleet| survives(fleet, delay, 1).await).await;
}

#[tokio::test]
async fn a_look_up_that_lags_behind_publishes_nothing_twice() {
    // Three looks, the last one later than the lag.
    let setup = Setup::default().with("RECONCILE_WAIT_MS", "1200");
    on(setup, async |fleet| {
        let lag = SettingsPatch { lookup_lag_ms: Some(4_500), ..SettingsPatch::default() };
        fleet.simulator().change(&lag).await?;
        survives(fleet, Action::DropAfter {}, 1).await
    })
    .await;
}

#[tokio::test]
async fn a_look_up_that_fails_now_and_then_still_finds_the_post() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        tenant.trap(&tenant.account, Action::DropAfter {}).await?;
        let look_up = Rule::on("GET", "/2/users/*", Action::status(503)).user(&tenant.account.id);
        tenant.network.fault(look_up.times(2)).await?;
        let planned = tenant.plan("Found at last", &tenant.account, 1_000).await?;
        tenant.published(&planned).await?;
        called(&tenant, &planned, 1).await
    })
    .await;
}
