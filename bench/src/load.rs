//! Jobs to be measured with: no-op jobs with 200 bytes of arguments.
//!
//! **Invariant:** live jobs come through `store::ledger::enqueue`, the door that production uses.

use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::servers::Database;
use jobs::{JobId, Kind, NewJob, OrganizationId, Origin};
use store::{Login, Store};

/// So many jobs in one statement, and in one transaction.
const BATCH: usize = 1000;

/// Arguments that the API would accept: 200 bytes as JSON text.
pub(crate) fn payload() -> Value {
    let of = |text: &str| json!({ "title": "bench", "versions": [{ "platform": "TWITTER", "text": text }] });
    let empty = of("").to_string().len();
    of(&"x".repeat(200 - empty))
}

/// Organizations to spread jobs over.
pub(crate) fn organizations(count: usize) -> Vec<OrganizationId> {
    (0..count).map(|_| OrganizationId::new()).collect()
}

/// One job of an organization. `batch` is told apart by the actor.
pub(crate) fn job(organization: OrganizationId, batch: &str, args: &Value) -> NewJob {
    let mut job =
        NewJob::from_value(Origin::Worker, Some(organization), Kind::CreateContent, args.clone());
    job.actor = batch.to_owned();
    job
}

/// When jobs are to run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    /// Now.
    Now,
    /// All in one instant.
    At(DateTime<Utc>),
    /// Spread evenly over a day that begins in an hour.
    Later,
}

/// Enqueues jobs, going from organization to organization.
pub(crate) async fn enqueue(
    store: &Store,
    organizations: &[OrganizationId],
    batch: &str,
    count: usize,
    when: When,
) -> Result<()> {
    let args = payload();
    let in_an_hour = Utc::now() + TimeDelta::hours(1);
    let day = Duration::from_secs(86_400);
    let mut made = 0;
    while made < count {
        let end = count.min(made + BATCH);
        let jobs: Vec<NewJob> = (made..end)
            .map(|index| {
                let mut one = job(organizations[index % organizations.len()], batch, &args);
                one.run_at = match when {
                    When::Now => None,
                    When::At(at) => Some(at),
                    When::Later => {
                        let part = day.mul_f64(index as f64 / count as f64);
                        Some(in_an_hour + TimeDelta::from_std(part)?)
                    }
                };
                Ok(one)
            })
            .collect::<Result<_>>()?;
        let mut tx = store.begin().await?;
        store::ledger::enqueue(&mut tx, &jobs).await?;
        tx.commit().await?;
        made = end;
    }
    Ok(())
}

/// What a database holds before it is measured.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct Ballast {
    /// So many jobs scheduled for later lie in the ledger.
    #[arg(long, default_value_t = 0)]
    pub(crate) scheduled: usize,
    /// So many finished jobs lie in history.
    #[arg(long, default_value_t = 0)]
    pub(crate) history: usize,
}

impl Ballast {
    pub(crate) fn is_none(self) -> bool {
        self.scheduled == 0 && self.history == 0
    }

    /// Names what there is of it.
    pub(crate) fn describe(self, parameters: &mut Value) {
        for (name, count) in [("scheduled", self.scheduled), ("history", self.history)] {
            if count > 0 {
                parameters[name] = count.into();
            }
        }
    }

    /// Fills a database.
    pub(crate) async fn load(self, database: &Database) -> Result<()> {
        if self.scheduled > 0 {
            let store = database.store(Login::Worker, 2).await?;
            enqueue(&store, &organizations(100), "later", self.scheduled, When::Later).await?;
        }
        if self.history > 0 {
            self.fill_history(database).await?;
        }
        database.run("vacuum analyze").await
    }

    /// Ended jobs, all in the partition that new ones go to. Indexes are kept while they come in,
    /// as in production.
    async fn fill_history(self, database: &Database) -> Result<()> {
        const AT_ONCE: usize = 500_000;
        let mut made = 0;
        while made < self.history {
            let count = AT_ONCE.min(self.history - made);
            sqlx::query(
                "insert into job_history (id, organization_id, actor, origin, queue, kind, args_version, args,
                     outcome, priority, run_at, attempt, max_attempts, crashes, claim_no, worker, result,
                     errors, created_at, started_at, finished_at)
                 select encode(overlay(uuid_send(gen_random_uuid()) placing
                            substring(int8send((extract(epoch from moment.at) * 1000)::bigint) from 3) from 1 for 6),
                            'hex')::uuid,
                        ('00000000-0000-7000-8000-' || lpad(to_hex(1 + i % 100), 12, '0'))::uuid,
                        'before', 'worker', 'interactive', 'content.create', 1, $1, 'done', 0, moment.at,
                        0, 3, 0, 1, null, '{}', '[]', moment.at, moment.at, moment.at
                 from generate_series(1, $2::bigint) i
                 cross join lateral (select greatest(date_trunc('week', now()), now() - i * interval '1 ms')
                                     as at) moment",
            )
            .bind(payload())
            .bind(i64::try_from(count)?)
            .execute(&database.owner)
            .await?;
            made += count;
        }
        Ok(())
    }
}

/// A fresh id, for what must not meet anything else.
pub(crate) fn fresh() -> String {
    JobId::new().to_string()
}
