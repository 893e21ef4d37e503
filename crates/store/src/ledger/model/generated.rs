//! Generated jobs in a ledger of their own, and the comparison with what the protocol says of them.

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::json;
use std::collections::HashMap;
use uuid::Uuid;

use crate::Single;
use crate::ledger::register;
use crate::testing::Scratch;
use jobs::WorkerId;
use jobs::protocol::{Event, Job, Outcome, State, next};

/// How many jobs each statement is tried on.
pub(super) const JOBS: usize = 400;

/// A job in the ledger: what the protocol knows, and the key it needs.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) job: Job,
    pub(super) key: &'static str,
}

fn any_job(now: DateTime<Utc>) -> impl Strategy<Value = Job> {
    let state = prop_oneof![Just(State::Scheduled), Just(State::Ready), Just(State::Running)];
    (
        state,
        prop_oneof![-100i64..=0, 60i64..160],
        0u32..4,
        1u32..5,
        0u32..3,
        0u64..1000,
        any::<bool>(),
    )
        .prop_map(move |(state, due, attempt, more, crashes, claim_no, cancel)| Job {
            state,
            run_at: now + TimeDelta::seconds(due),
            attempt,
            max_attempts: attempt + more,
            crashes,
            claim_no,
            // A job that waits is cancelled at once; only a running one can have been asked.
            cancel_requested: cancel && state == State::Running,
            // Some of those that crashed before still wait to be alone.
            begun: state == State::Running && (crashes == 0 || claim_no.is_multiple_of(2)),
        })
}

pub(super) struct Fixture {
    pub(super) scratch: Scratch,
    pub(super) worker: WorkerId,
    pub(super) now: DateTime<Utc>,
    pub(super) before: Vec<Row>,
}

impl Fixture {
    /// A connection on which each statement is a transaction of its own.
    pub(super) async fn conn(&self) -> Single {
        self.scratch.store.single().await.unwrap()
    }

    /// Generated jobs, inserted as they are, held by one live worker where they run.
    pub(super) async fn new() -> Fixture {
        let scratch = Scratch::new().await;
        let now: DateTime<Utc> =
            sqlx::query_scalar("select now()").fetch_one(&scratch.pool).await.unwrap();
        let now = now.with_nanosecond(now.nanosecond() / 1000 * 1000).unwrap();
        let worker = WorkerId::new();
        register(&scratch.store, worker, "model", "here", "0", &json!({})).await.unwrap();
        let mut runner = TestRunner::deterministic();
        let strategy = (any_job(now), prop_oneof![Just("open"), Just("closed")]);
        let mut before = Vec::new();
        for _ in 0..JOBS {
            let (job, key) = strategy.new_tree(&mut runner).unwrap().current();
            let row = Row { id: Uuid::now_v7(), job, key };
            insert(&scratch, &row, worker).await;
            before.push(row);
        }
        Fixture { scratch, worker, now, before }
    }

    pub(super) fn running(&self) -> impl Iterator<Item = &Row> {
        self.before.iter().filter(|row| row.job.state == State::Running)
    }

    /// Compares the ledger with what the protocol says of each job's event, and drops the database.
    pub(super) async fn expect(self, event: impl Fn(&Row) -> Option<Event>) {
        self.expect_all(|row| event(row).into_iter().collect()).await;
    }

    /// The same for several events, one after the other.
    pub(super) async fn expect_all(self, events: impl Fn(&Row) -> Vec<Event>) {
        let after = read(&self.scratch).await;
        assert_eq!(after.len(), self.before.len(), "no job is lost or doubled");
        for row in &self.before {
            let expected = events(row)
                .into_iter()
                .fold(row.job.clone(), |job, event| next(&job, event, self.now).unwrap_or(job));
            let found = after.get(&row.id).unwrap();
            assert_eq!(found.state, expected.state, "{row:?}");
            assert_eq!(found.attempt, expected.attempt, "{row:?}");
            assert_eq!(found.crashes, expected.crashes, "{row:?}");
            assert_eq!(found.claim_no, expected.claim_no, "{row:?}");
            assert_eq!(found.begun, expected.begun, "{row:?}");
            let late = found.run_at - expected.run_at;
            // The database reads its own clock a little later than the test did, and adds jitter.
            assert!((0..10_000).contains(&late.num_milliseconds()), "{late} late: {row:?}");
        }
        self.scratch.drop().await;
    }
}

async fn insert(scratch: &Scratch, row: &Row, worker: WorkerId) {
    let state = match row.job.state {
        State::Scheduled => "scheduled",
        State::Ready => "ready",
        State::Running => "running",
        State::Ended(_) => unreachable!("only live jobs are generated"),
    };
    let held_by = (row.job.state == State::Running).then_some(worker.0);
    sqlx::query(
        "insert into jobs (id, organization_id, origin, queue, kind, args, state, run_at, attempt, max_attempts,
                           crashes, claim_no, worker, cancel_requested, limit_keys, started_at)
         values ($1, $2, 'api', 'publish', 'post.publish', '{}', $3, $4, $5, $6, $7, $8, $9, $10, array[$11], $12)",
    )
    .bind(row.id)
    .bind(Uuid::from_u128(row.id.as_u128() % 7))
    .bind(state)
    .bind(row.job.run_at)
    .bind(i32::try_from(row.job.attempt).unwrap())
    .bind(i32::try_from(row.job.max_attempts).unwrap())
    .bind(i32::try_from(row.job.crashes).unwrap())
    .bind(i64::try_from(row.job.claim_no).unwrap())
    .bind(held_by)
    .bind(row.job.cancel_requested)
    .bind(row.key)
    .bind(row.job.begun.then_some(row.job.run_at))
    .execute(&scratch.pool)
    .await
    .unwrap();
}

type Found = (Uuid, String, DateTime<Utc>, i32, i32, i32, i64, bool, bool);

async fn read(scratch: &Scratch) -> HashMap<Uuid, Job> {
    let rows: Vec<Found> = sqlx::query_as(
        "select id, state, run_at, attempt, max_attempts, crashes, claim_no, cancel_requested,
                state = 'running' and started_at is not null from jobs
         union all select id, outcome, run_at, attempt, max_attempts, crashes, claim_no, false, false from job_history",
    )
    .fetch_all(&scratch.pool)
    .await
    .unwrap();
    rows.into_iter()
        .map(
            |(
                id,
                state,
                run_at,
                attempt,
                max_attempts,
                crashes,
                claim_no,
                cancel_requested,
                begun,
            )| {
                let state = match state.as_str() {
                    "scheduled" => State::Scheduled,
                    "ready" => State::Ready,
                    "running" => State::Running,
                    "done" => State::Ended(Outcome::Done),
                    "dead" => State::Ended(Outcome::Dead),
                    "cancelled" => State::Ended(Outcome::Cancelled),
                    other => panic!("unknown state {other}"),
                };
                let job = Job {
                    state,
                    run_at,
                    attempt: u32::try_from(attempt).unwrap(),
                    max_attempts: u32::try_from(max_attempts).unwrap(),
                    crashes: u32::try_from(crashes).unwrap(),
                    claim_no: u64::try_from(claim_no).unwrap(),
                    cancel_requested,
                    begun,
                };
                (id, job)
            },
        )
        .collect()
}
