//! The fleet as Prometheus and its operators see it: metrics, alerts, health.

mod health;
mod metrics;
mod names;

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use fleet_tests::harness::{Fleet, Process};
use serde_json::Value;

/// What a process answers at `/metrics`.
#[derive(Debug, Default)]
struct Exposition {
    text: String,
    /// The type of each metric.
    types: BTreeMap<String, String>,
}

impl Exposition {
    fn new(text: String) -> Self {
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        let types = types.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect();
        Self { text, types }
    }

    /// The sum of all series of this name with these labels, written as `label="value"`; `None`
    /// when there is none.
    fn sum(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let series = self.text.lines().filter_map(|line| {
            let (head, value) = line.rsplit_once(' ')?;
            let (own, all) = head.split_once('{').unwrap_or((head, ""));
            let wanted = own == name && labels.iter().all(|label| all.contains(label));
            wanted.then(|| value.parse::<f64>().ok()).flatten()
        });
        series.fold(None, |sum: Option<f64>, value| Some(sum.unwrap_or(0.0) + value))
    }
}

/// The inner port of a scheduler or worker.
async fn admin(process: &Process) -> Result<String> {
    Ok(format!("http://{}", process.address("admin.listening").await?))
}

async fn scrape(base_url: &str) -> Result<Exposition> {
    let answer = reqwest::get(format!("{base_url}/metrics")).await?;
    Ok(Exposition::new(answer.error_for_status()?.text().await?))
}

async fn scrape_process(process: &Process) -> Result<Exposition> {
    scrape(&admin(process).await?).await
}

/// What `/health/work` of a process says: the status and the body.
async fn work(process: &Process) -> Result<(u16, Value)> {
    let answer = reqwest::get(format!("{}/health/work", admin(process).await?)).await?;
    let status = answer.status().as_u16();
    Ok((status, answer.json().await.context("not JSON")?))
}

/// Puts a ready job of the organization into the ledger, due since so many seconds; answers its id.
async fn insert(
    fleet: &Fleet,
    organization: &str,
    (queue, kind): (&str, &str),
    due_secs: u32,
    keys: &[&str],
) -> Result<String> {
    let id = fleet.database.text("select gen_random_uuid()").await?;
    let keys = keys.join(",");
    let sql = format!(
        "insert into jobs (id, organization_id, origin, queue, kind, args, state, run_at, created_at,
                           max_attempts, limit_keys)
         values ('{id}', '{organization}', 'worker', '{queue}', '{kind}', '{{\"x\": 1}}', 'ready',
                 now() - interval '{due_secs} seconds', now() - interval '{due_secs} seconds',
                 3, '{{{keys}}}')"
    );
    fleet.database.run(&sql).await?;
    Ok(id)
}
