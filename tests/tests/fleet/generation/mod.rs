//! Content and images are generated within the plan, and nothing counts or costs twice.

mod cancels;
mod deaths;
mod images;
mod latency;
mod limits;
mod refusals;
mod usage;
mod writes;

use anyhow::{Context, Result};
use fleet_tests::api::Api;
use fleet_tests::harness::Tenant;
use fleet_tests::wait::{self, PATIENCE};
use serde_json::{Value, json};
use simulator::{Action, Entry, Note, Rule};

/// Arguments that ask for a post about this.
pub(crate) fn brief(about: &str) -> Value {
    json!({ "brief": about, "platforms": ["TWITTER"] })
}

/// The same with one of the arguments changed.
pub(crate) fn with(mut args: Value, name: &str, value: Value) -> Value {
    args[name] = value;
    args
}

/// Sets a trap for the next asks about this.
pub(crate) async fn trap(tenant: &Tenant, about: &str, action: Action, times: u64) -> Result<()> {
    let rule = Rule::on("POST", "/v1/*", action).text_contains(about).times(times);
    tenant.network.fault(rule).await?;
    Ok(())
}

/// The asks about this that the provider has had.
pub(crate) async fn asks(tenant: &Tenant, about: &str) -> Result<Vec<Entry>> {
    let mut journal = tenant.network.journal(0).await?;
    journal.retain(|entry| {
        let body = entry.body.as_ref().map(Value::to_string).unwrap_or_default();
        entry.path.starts_with("/v1/") && body.contains(about)
    });
    Ok(journal)
}

/// The tokens that the provider counted for these asks: read and written.
pub(crate) fn tokens(asks: &[Entry]) -> (u64, u64) {
    let counted = asks.iter().map(|entry| match &entry.note {
        Some(Note::Model { input_tokens, output_tokens, .. }) => (*input_tokens, *output_tokens),
        _ => (0, 0),
    });
    counted.fold((0, 0), |(read, written), (r, w)| (read + r, written + w))
}

/// What the organization has used and reserved of something in its present period.
pub(crate) async fn used(api: &Api, metric: &str) -> Result<(i64, i64)> {
    let usage = api.read("/v1/usage").await?;
    let entries = usage["usage"].as_array().context("no usage")?;
    let entry = entries.iter().find(|entry| entry["metric"] == metric).context("no such metric")?;
    let number = |name: &str| entry[name].as_i64().with_context(|| format!("no {name}: {entry}"));
    Ok((number("used")?, number("reserved")?))
}

/// Each run of the job that asked a model, oldest first.
pub(crate) async fn runs(api: &Api, job: &str) -> Result<Vec<Value>> {
    let mut runs = api.items(&format!("/v1/generations?jobId={job}")).await?;
    runs.sort_by_key(|run| run["startedAt"].as_str().unwrap_or_default().to_owned());
    Ok(runs)
}

/// How each of them ended; `none` where nobody told.
pub(crate) fn outcomes(runs: &[Value]) -> Vec<&str> {
    runs.iter().map(|run| run["outcome"].as_str().unwrap_or("none")).collect()
}

/// Waits until it is told how far the job's answer is.
pub(crate) async fn is_told(api: &Api, job: &str) -> Result<()> {
    let told = |job: &Value| job["progress"]["characters"].as_u64().is_some_and(|n| n > 0);
    wait::until_right("progress is told", PATIENCE, async || api.job(job).await, told).await?;
    Ok(())
}

/// The one content request that was made about this.
pub(crate) async fn request(api: &Api, about: &str) -> Result<Value> {
    let mut requests = api.items("/v1/content-requests").await?;
    requests.retain(|request| request["brief"].as_str().is_some_and(|text| text.contains(about)));
    anyhow::ensure!(requests.len() == 1, "{} requests about {about}: {requests:?}", requests.len());
    requests.pop().context("one")
}

/// The versions of a request.
pub(crate) async fn versions(api: &Api, request: &Value) -> Result<Vec<Value>> {
    let id = request["id"].as_str().context("an id")?;
    api.items(&format!("/v1/content-versions?contentRequestId={id}")).await
}
