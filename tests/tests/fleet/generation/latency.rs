//! What the fleet adds to a model's own time. The figures are printed: to see them,
//! `bin/test -p fleet-tests latency --no-capture`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use fleet_tests::harness::{Setup, Tenant, on};
use serde_json::Value;
use simulator::Action;

use super::{asks, brief, trap};

/// How many generations are measured, one after the other.
const ROUNDS: usize = 40;

fn moment(job: &Value, field: &str) -> Result<DateTime<Utc>> {
    Ok(job[field].as_str().with_context(|| format!("no {field}: {job}"))?.parse()?)
}

/// From the moment the job was enqueued to its end, and how much of it the model took, as the provider
/// wrote it down.
async fn measured(tenant: &Tenant, about: &str, job: &Value) -> Result<(Duration, Duration)> {
    let whole = moment(job, "finishedAt")? - moment(job, "createdAt")?;
    let asks = asks(tenant, about).await?;
    ensure!(asks.len() == 1, "{asks:#?}");
    let model = asks[0].ended_at.context("an end")? - asks[0].at;
    Ok((whole.to_std()?, model.to_std()?))
}

#[tokio::test]
async fn the_fleet_adds_little_to_a_models_own_time() {
    on(Setup::default(), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let mut added = Vec::new();
        let mut models = Duration::ZERO;
        for _ in 0..ROUNDS {
            let about = tenant.text("Measured");
            trap(&tenant, &about, Action::SlowStream { ms: 20 }, 1).await?;
            let job = tenant.api.done_by("", "content.generate", brief(&about)).await?;
            let (whole, model) = measured(&tenant, &about, &job).await?;
            models += model;
            added.push(whole.checked_sub(model).context("the model took longer than the job")?);
        }
        added.sort_unstable();
        let rounds = u32::try_from(ROUNDS)?;
        let mean = added.iter().sum::<Duration>() / rounds;
        let at = |percent: usize| added[(ROUNDS * percent / 100).min(ROUNDS - 1)];
        #[expect(clippy::print_stderr, reason = "figures are for people")]
        {
            eprintln!(
                "generation latency: {ROUNDS} generations, the model's own time {:?} on average; the \
                 fleet adds p50 {:?}, p90 {:?}, p99 {:?}, mean {mean:?}",
                models / rounds,
                at(50),
                at(90),
                at(99)
            );
        }
        // Whatever else this machine does: what the fleet adds by itself, the quickest tell.
        ensure!(at(10) < Duration::from_millis(250), "the fleet adds {:?}", at(10));
        Ok(())
    })
    .await;
}
