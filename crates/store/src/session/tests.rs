//! The fence of [`Store::claimed`]: whoever lost its claim gets no transaction, and whoever has one
//! keeps the job's row until it is over.

#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use uuid::Uuid;

use super::*;
use crate::ledger::{self, Finish, Window};
use crate::testing::Scratch;
use jobs::{Code, Kind, NewJob, Origin, Problem, Queue, Wait, WorkerId};

const SILENCE: Duration = Duration::from_secs(10);

/// A ledger with one job, seen through a worker's own login.
struct Stage {
    scratch: Scratch,
    store: Store,
    job: JobId,
}

/// How a claim is lost.
#[derive(Clone, Copy, Debug)]
enum Loss {
    Rescued,
    HandedBack,
    Done,
    Dead,
    Retried,
    Snoozed,
    CancelledByItsWorker,
    CancelledAndHandedBack,
    CancelledAndRescued,
}

impl Stage {
    async fn new() -> Stage {
        let scratch = Scratch::new().await;
        let store = scratch.log_in(Login::Worker).await;
        let mut stage = Stage { scratch, store, job: JobId::new() };
        stage.enqueue().await;
        stage
    }

    /// Another job takes the stage.
    async fn enqueue(&mut self) {
        let args = json!({});
        let organization = Some(OrganizationId(Uuid::from_u128(1)));
        let job = NewJob::from_value(Origin::Worker, organization, Kind::PublishPost, args);
        self.job = job.id;
        let mut conn = self.store.single().await.unwrap();
        ledger::enqueue(&mut conn, &[job]).await.unwrap();
    }

    /// A new worker claims the job, which may wait for its moment.
    async fn claim(&self) -> Claim {
        self.run("update jobs set run_at = now()").await;
        let worker = WorkerId::new();
        ledger::register(&self.store, worker, "w", "here", "0", &json!({})).await.unwrap();
        let mut window = Window { jobs: 1, per_lane: 1, ..Window::default() };
        let mut conn = self.store.single().await.unwrap();
        let claims = ledger::claim(&mut conn, Queue::Publish, worker, &mut window).await.unwrap();
        assert_eq!(claims.jobs[0].id, self.job);
        Claim { job_id: self.job, claim_no: claims.jobs[0].claim_no }
    }

    async fn cancel(&self) {
        let mut conn = self.store.single().await.unwrap();
        ledger::cancel(&mut conn, None, self.job, "not wanted").await.unwrap();
    }

    async fn hand_back(&self, claim: Claim) -> u64 {
        let mut conn = self.store.single().await.unwrap();
        ledger::hand_back(&mut conn, &[claim]).await.unwrap()
    }

    async fn finish(&self, claim: Claim, how: Finish) -> usize {
        let mut conn = self.store.single().await.unwrap();
        ledger::finish(&mut conn, &[(claim, how)]).await.unwrap().len()
    }

    /// Every worker falls silent; says how many jobs were taken from them.
    async fn rescue(&self) -> usize {
        self.run("update workers set seen_at = now() - interval '1 minute'").await;
        ledger::rescue(&self.store, SILENCE, Duration::ZERO, 100).await.unwrap().len()
    }

    async fn lose(&self, claim: Claim, loss: Loss) {
        let problem = Problem::new(Code::Unavailable, "a test");
        let wait = Wait { code: "retry".into(), message: "a test".into(), key: None };
        let lost = match loss {
            Loss::Rescued => self.rescue().await,
            Loss::HandedBack => self.hand_back(claim).await as usize,
            Loss::Done => self.finish(claim, Finish::Done(json!({}))).await,
            Loss::Dead => self.finish(claim, Finish::Dead(problem)).await,
            Loss::Retried => self.finish(claim, Finish::Retry(problem, SILENCE)).await,
            Loss::Snoozed => self.finish(claim, Finish::SnoozeFor(SILENCE, wait)).await,
            Loss::CancelledByItsWorker => {
                self.cancel().await;
                self.may_write(claim, "asked to stop, it has the job until it says that it did")
                    .await;
                self.finish(claim, Finish::Cancelled(problem)).await
            }
            Loss::CancelledAndHandedBack => {
                self.cancel().await;
                self.hand_back(claim).await as usize
            }
            Loss::CancelledAndRescued => {
                self.cancel().await;
                self.rescue().await
            }
        };
        assert_eq!(lost, 1, "{loss:?}");
    }

    /// Everything that the ledger knows of the job.
    async fn row(&self) -> Vec<Value> {
        sqlx::query_scalar(
            "select to_jsonb(j) from jobs j where id = $1
             union all select to_jsonb(h) from job_history h where id = $1",
        )
        .bind(self.job.0)
        .fetch_all(&self.scratch.pool)
        .await
        .unwrap()
    }

    async fn may_write(&self, claim: Claim, why: &str) {
        let told = json!({ "claim": claim.claim_no, "why": why });
        let mut tx = self.store.claimed(claim).await.unwrap();
        ledger::progress(&mut tx, &told).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(self.row().await[0]["progress"], told, "{why}");
    }

    async fn may_not_write(&self, claim: Claim, why: &str) {
        let before = self.row().await;
        match self.store.claimed(claim).await {
            Err(Error::ClaimLost(job)) => assert_eq!(job, self.job),
            Err(error) => panic!("{why}: {error}"),
            Ok(mut tx) => {
                ledger::progress(&mut tx, &json!("stale")).await.unwrap();
                tx.commit().await.unwrap();
                panic!("{why}: it wrote {:?} over {before:?}", self.row().await);
            }
        }
        assert_eq!(self.row().await, before, "{why}");
    }

    async fn run(&self, sql: &'static str) {
        sqlx::query(sql).execute(&self.scratch.pool).await.unwrap();
    }

    async fn drop(self) {
        self.scratch.drop().await;
    }
}

/// Returns when somebody waits for a lock that this connection has, or the task is over.
async fn someone_waits(stage: &Stage, conn: &mut Conn, task: impl Fn() -> bool) -> bool {
    let pid: i32 =
        sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut *conn).await.unwrap();
    let blocked = "select exists (select from pg_locks where $1 = any (pg_blocking_pids(pid)))";
    let deadline = Instant::now() + Duration::from_secs(10);
    while !task() {
        assert!(Instant::now() < deadline, "nobody waits, and nothing is over");
        let waits: bool =
            sqlx::query_scalar(blocked).bind(pid).fetch_one(&stage.scratch.pool).await.unwrap();
        if waits {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

#[tokio::test]
async fn a_lost_claim_writes_nothing_and_the_next_one_does() {
    let mut stage = Stage::new().await;
    for loss in [
        Loss::Rescued,
        Loss::HandedBack,
        Loss::Retried,
        Loss::Snoozed,
        Loss::Done,
        Loss::Dead,
        Loss::CancelledByItsWorker,
        Loss::CancelledAndHandedBack,
        Loss::CancelledAndRescued,
    ] {
        let lost = stage.claim().await;
        stage.may_write(lost, "it has the job").await;
        stage.lose(lost, loss).await;
        stage.may_not_write(lost, &format!("{loss:?}")).await;
        // Cancelled and handed back: ended, and nobody has it any more.
        if stage.row().await[0]["outcome"].is_null() {
            let holder = stage.claim().await;
            stage.may_not_write(lost, &format!("{loss:?}, and claimed again")).await;
            stage.may_write(holder, "the claim is its own").await;
            stage
                .may_not_write(
                    Claim { claim_no: holder.claim_no + 1, ..holder },
                    "nobody has that claim yet",
                )
                .await;
            stage.finish(holder, Finish::Done(json!({}))).await;
        }
        stage.enqueue().await;
    }
    stage.drop().await;
}

#[tokio::test]
async fn while_a_handler_writes_its_job_is_not_rescued() {
    let stage = Stage::new().await;
    let claim = stage.claim().await;
    let mut tx = stage.store.claimed(claim).await.unwrap();
    assert_eq!(stage.rescue().await, 0, "its row is locked");
    ledger::progress(&mut tx, &json!("in time")).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(stage.row().await[0]["progress"], "in time");
    assert_eq!(stage.rescue().await, 1, "the next round takes it");
    stage.may_not_write(claim, "rescued").await;
    stage.drop().await;
}

#[tokio::test]
async fn whoever_ends_a_job_waits_until_its_handler_has_written() {
    let mut stage = Stage::new().await;
    for turn in 0..3 {
        let claim = stage.claim().await;
        let mut tx = stage.store.claimed(claim).await.unwrap();
        let end = async {
            match turn {
                0 => drop(stage.hand_back(claim).await),
                1 => stage.cancel().await,
                _ => drop(stage.finish(claim, Finish::Done(json!({}))).await),
            }
        };
        let over = AtomicBool::new(false);
        let end = async {
            end.await;
            over.store(true, Ordering::Release);
        };
        let write = async {
            let waits = someone_waits(&stage, &mut tx, || over.load(Ordering::Acquire)).await;
            assert!(waits, "turn {turn}: it did not wait for the handler");
            ledger::progress(&mut tx, &json!(turn)).await.unwrap();
            tx.commit().await.unwrap();
        };
        tokio::join!(end, write);
        let row = stage.row().await.remove(0);
        let found = (&row["state"], &row["cancel_requested"], &row["outcome"]);
        match turn {
            0 => assert_eq!(found.0, "ready", "{row}"),
            1 => assert_eq!(found, (&json!("running"), &json!(true), &Value::Null), "{row}"),
            _ => assert_eq!(found.2, "done", "{row}"),
        }
        if turn < 2 {
            assert_eq!(row["progress"], turn, "what the handler wrote is there: {row}");
            stage.run("delete from jobs").await;
        }
        stage.enqueue().await;
    }
    stage.drop().await;
}

#[tokio::test]
async fn a_handler_waits_for_whoever_takes_its_claim_and_finds_it_lost() {
    let stage = Stage::new().await;
    for taken in [false, true] {
        let claim = stage.claim().await;
        let mut taker = stage.store.begin().await.unwrap();
        assert_eq!(ledger::hand_back(&mut taker, &[claim]).await.unwrap(), 1);
        let over = AtomicBool::new(false);
        let write = async {
            let got = stage.store.claimed(claim).await;
            over.store(true, Ordering::Release);
            got
        };
        let take = async {
            let waits = someone_waits(&stage, &mut taker, || over.load(Ordering::Acquire)).await;
            assert!(waits, "it did not wait for whoever takes its claim");
            if taken { taker.commit().await.unwrap() } else { drop(taker) }
        };
        match tokio::join!(write, take).0 {
            Ok(tx) if !taken => drop(tx),
            Err(Error::ClaimLost(job)) if taken => assert_eq!(job, stage.job),
            other => panic!("taken: {taken}, {other:?}"),
        }
        if !taken {
            assert_eq!(stage.hand_back(claim).await, 1);
        }
    }
    stage.drop().await;
}

#[tokio::test]
async fn who_is_cut_while_beginning_leaves_no_transaction_open() {
    let scratch = Scratch::new().await;
    let store = scratch.log_in(Login::Worker).await;
    let all = async || {
        let mut connections = Vec::new();
        for _ in 0..4 {
            connections.push(store.single().await.unwrap());
        }
        connections
    };
    drop(all().await);
    // Cut after so many polls: somewhere among them the server has begun and nobody knows.
    for polls in 1..4 {
        for _ in 0..20 {
            let mut begun = Box::pin(store.begin());
            for _ in 0..polls {
                if futures::poll!(&mut begun).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        // On every connection, what is written is committed.
        for conn in &mut all().await {
            let job = NewJob::from_value(Origin::Worker, None, Kind::PruneLedger, json!({}));
            ledger::enqueue(conn, &[job]).await.unwrap();
        }
        let seen: i64 =
            sqlx::query_scalar("select count(*) from jobs").fetch_one(&scratch.pool).await.unwrap();
        assert_eq!(seen, 4 * polls, "cut after {polls} polls");
    }
    scratch.drop().await;
}
