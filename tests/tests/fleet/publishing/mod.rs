//! A scheduled post goes out exactly once, whatever happens.

mod crashes;
mod on_time;
mod people;
mod refusals;
mod unclear;
mod without_redis;

use anyhow::{Result, ensure};
use fleet_tests::harness::{Planned, Tenant};
use serde_json::Value;

/// The outcomes in a schedule's attempt log, oldest first.
pub(crate) fn outcomes(schedule: &Value) -> Vec<String> {
    let log = schedule["attemptLog"].as_array().cloned().unwrap_or_default();
    let word = |entry: &Value| entry["outcome"].as_str().unwrap_or_default().to_owned();
    log.iter().map(word).collect()
}

/// How many calls to publish this the network has had.
pub(crate) async fn calls(tenant: &Tenant, planned: &Planned) -> Result<usize> {
    let journal = tenant.network.journal(0).await?;
    let is_call = |entry: &&simulator::Entry| {
        entry.method == "POST"
            && entry.path == "/2/tweets"
            && entry.body.as_ref().is_some_and(|body| body["text"] == planned.text.as_str())
    };
    Ok(journal.iter().filter(is_call).count())
}

/// Checks that the network has had so many calls to publish this.
pub(crate) async fn called(tenant: &Tenant, planned: &Planned, times: usize) -> Result<()> {
    let calls = calls(tenant, planned).await?;
    ensure!(calls == times, "the network was called {calls} times, not {times}");
    Ok(())
}

/// Checks that the network holds no post of this.
pub(crate) async fn nothing_at_network(tenant: &Tenant, planned: &Planned) -> Result<()> {
    let posts = tenant.posts(planned).await?;
    ensure!(posts.is_empty(), "the network holds {posts:#?}");
    Ok(())
}
