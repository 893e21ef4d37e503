//! What became of the generations of a round.
//!
//! **Invariant:** what is counted is read where it is kept: asks at the provider, versions and
//! reservations in the tables.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sqlx::Row as _;

use super::fates::Generated;
use super::round::Round;
use super::stage::Stage;

const SETTLE: Duration = Duration::from_secs(60);

const MOVING: &str = "select count(*) from jobs where args ->> 'brief' = any ($1)";
const ENDS: &str = "select r.brief, count(distinct r.id), count(v.id), max(r.status),
        (select string_agg(h.outcome, ' ') from job_history h
         where h.kind = 'content.generate' and h.args ->> 'brief' = r.brief)
    from content_requests r left join content_versions v on v.content_request_id = r.id
    where r.brief = any ($1) group by r.brief";

/// Generations that the organization has used, and reserved.
pub(super) async fn usage(stage: &Stage) -> Result<(i64, i64)> {
    let usage = stage.scene.tenant.api.read("/v1/usage").await?;
    let entries = usage["usage"].as_array().context("no usage")?;
    let entry = entries.iter().find(|entry| entry["metric"] == "generations");
    let entry = entry.context("no generations in the usage")?;
    let number = |name: &str| entry[name].as_i64().with_context(|| format!("no {name}: {entry}"));
    Ok((number("used")?, number("reserved")?))
}

/// How many jobs are dead.
pub(super) async fn dead(stage: &Stage) -> Result<i64> {
    let sql = "select count(*) from job_history where outcome = 'dead'";
    stage.scene.eyes.number(sql, &[]).await
}

impl Round<'_> {
    /// Waits for the end of every generation, and tells what became of them.
    pub(super) async fn generated(&self) -> Result<Generated> {
        let (scene, most) = (&self.stage.scene, self.plan.generation.most_asks());
        scene.see_within(SETTLE, MOVING, &self.briefs, 0).await?;
        let rows = scene.eyes.rows(ENDS, &self.briefs).await?;
        ensure!(rows.len() == self.briefs.len(), "{} requests", rows.len());
        let journal = scene.network.journal(self.before.request).await?;
        let mut generated = Generated::default();
        for row in rows {
            let brief: &str = row.get(0);
            let asks = journal.iter().filter(|entry| {
                let body = entry.body.as_ref().map(Value::to_string).unwrap_or_default();
                entry.path.starts_with("/v1/") && body.contains(brief)
            });
            let (requests, versions): (i64, i64) = (row.get(1), row.get(2));
            let (status, ends): (&str, Option<&str>) = (row.get(3), row.get(4));
            generated.add(
                (requests, versions),
                (status, ends.unwrap_or("lost")),
                asks.count(),
                most,
            );
        }
        let (used, reserved) = usage(self.stage).await?;
        generated.counted(used - self.before.used, reserved, self.briefs.len());
        Ok(generated)
    }
}
