//! Promote, claim, finish and rescue on the real table at size: 1,000,000 jobs of 1,000
//! organizations, a tenth of them due. Run by `bin/spike`, which keeps its figures honest by
//! using a private server with full durability; figures go to `docs/decisions.md`.

#![expect(clippy::print_stdout, reason = "a report for people")]

use anyhow::Context;
use serde_json::json;
use std::time::{Duration, Instant};
use store::ledger::{self, Finish, Window};
use store::{Claim, Login, Store};

use jobs::{Queue, WorkerId};

const FILL: &str = "
    insert into jobs (id, organization_id, origin, queue, kind, args, state, run_at, max_attempts)
    select gen_random_uuid(), ('00000000-0000-7000-8000-' || lpad(to_hex(1 + i / 10 % 1000), 12, '0'))::uuid,
           'scheduler', 'publish', 'post.publish', jsonb_build_object('pad', repeat('x', 170)), 'scheduled',
           case when i % 10 = 0 then now() - interval '1 second'
                else now() + interval '1 hour' + i * interval '1 ms' end, 4
    from generate_series(1, 1000000) i";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = std::env::var("WORKER_DATABASE_URL")
        .context("WORKER_DATABASE_URL, as bin/spike sets it")?;
    let pool = sqlx::PgPool::connect(&url).await?;
    sqlx::query(FILL).execute(&pool).await?;
    let store = Store::new(&url, Login::Worker, 4)?;
    store.verify().await?;
    let worker = WorkerId::new();
    ledger::register(&store, worker, "spike", "here", "0", &json!({})).await?;

    let mut promoted = Timing::new("make ready, 500 at once");
    loop {
        let mut nothing = Window::default();
        let claims = promoted
            .time(ledger::claim(&mut *store.single().await?, Queue::Publish, worker, &mut nothing))
            .await?;
        if claims.promoted == 0 {
            break;
        }
        promoted.rows += claims.promoted as u64;
    }
    promoted.print();
    for window in [8, 64, 500] {
        let mut claims = Timing::new(&format!("claim, window {window}"));
        let mut finishes = Timing::new(&format!("finish, group of {window}"));
        let mut at = Window { jobs: window, per_lane: 1000, ..Window::default() };
        for _ in 0..60 {
            let jobs = claims
                .time(ledger::claim(&mut *store.single().await?, Queue::Publish, worker, &mut at))
                .await?
                .jobs;
            claims.rows += jobs.len() as u64;
            let runs: Vec<_> = jobs
                .iter()
                .map(|job| {
                    (Claim { job_id: job.id, claim_no: job.claim_no }, Finish::Done(json!({})))
                })
                .collect();
            let ended = finishes
                .time(async {
                    let mut tx = store.begin().await?;
                    let ended = ledger::finish(&mut tx, &runs).await?;
                    tx.commit().await?;
                    Ok(ended)
                })
                .await?;
            anyhow::ensure!(ended.len() == runs.len(), "every run is ended");
            finishes.rows += ended.len() as u64;
        }
        claims.print();
        finishes.print();
    }
    let mut at = Window { jobs: 500, per_lane: 1000, ..Window::default() };
    ledger::claim(&mut *store.single().await?, Queue::Publish, worker, &mut at).await?;
    sqlx::query("update workers set seen_at = now() - interval '1 minute'").execute(&pool).await?;
    let mut rescue = Timing::new("rescue of 500 jobs");
    let rescued =
        rescue.time(ledger::rescue(&store, Duration::from_secs(10), Duration::ZERO, 1000)).await?;
    rescue.rows = rescued.len() as u64;
    rescue.print();
    let mut idle = Timing::new("rescue with nothing to do");
    for _ in 0..100 {
        idle.time(ledger::rescue(&store, Duration::from_secs(10), Duration::ZERO, 1000)).await?;
    }
    idle.print();
    Ok(())
}

struct Timing {
    what: String,
    calls: Vec<Duration>,
    rows: u64,
}

impl Timing {
    fn new(what: &str) -> Self {
        Self { what: what.to_owned(), calls: Vec::new(), rows: 0 }
    }

    async fn time<T>(&mut self, call: impl Future<Output = store::Result<T>>) -> store::Result<T> {
        let begun = Instant::now();
        let answer = call.await;
        self.calls.push(begun.elapsed());
        answer
    }

    fn print(mut self) {
        self.calls.sort();
        let at = |part: usize| self.calls[(self.calls.len() - 1) * part / 100].as_secs_f64() * 1e3;
        let total: Duration = self.calls.iter().sum();
        println!(
            "| {} | {} | {:.2} | {:.2} | {:.0} |",
            self.what,
            self.calls.len(),
            at(50),
            at(99),
            self.rows as f64 / total.as_secs_f64()
        );
    }
}
