//! A handler that panics: an attempt that failed, and nothing else. The queue's own runtime with a handler
//! of the test's, since none of the product's panics.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bell::Bell;
use fleet_tests::harness::{Database, Login};
use fleet_tests::wait::{self, PATIENCE};
use jobs::Queue;
use queue::{End, Handler, Settings, Stop};
use serde_json::json;
use store::Store;
use store::ledger::ClaimedJob;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Panics at its first runs.
struct Panics {
    left: AtomicUsize,
}

impl Handler for Panics {
    async fn handle(&self, _: ClaimedJob, _: Stop) -> End {
        let take = |left: usize| left.checked_sub(1);
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take);
        assert!(left.is_err(), "on purpose");
        End::Done(json!({ "done": true }))
    }
}

fn settings() -> Settings {
    Settings {
        name: "panics".to_owned(),
        host: "here".to_owned(),
        version: "0".to_owned(),
        // One slot: a panic that kept it would be the end.
        queues: vec![(Queue::Interactive, 1)],
        organization_percent: 100,
        renew: Duration::from_millis(300),
        ttl: Duration::from_secs(10),
        grace: Duration::from_secs(10),
        shutdown_timeout: Duration::from_secs(5),
    }
}

#[tokio::test]
async fn a_panic_is_a_failed_attempt_and_frees_its_slot() {
    let database = Database::new().await.unwrap();
    let url = database.url(Login::Worker, None).unwrap();
    let store = || Store::new(&url, store::Login::Worker, 4).unwrap();
    let (work, lease) = (store(), store());
    work.verify().await.unwrap();
    lease.verify().await.unwrap();
    for number in 0..3 {
        let insert = "insert into jobs (id, origin, queue, kind, args, state, max_attempts)
                      values (gen_random_uuid(), 'worker', 'interactive', 'content.create'";
        database.run(&format!("{insert}, '{{\"n\": {number}}}', 'ready', 3)")).await.unwrap();
    }
    let handler = Arc::new(Panics { left: AtomicUsize::new(2) });
    let shutdown = CancellationToken::new();
    let tracker = TaskTracker::new();
    let bell = Bell::silent();
    let running = queue::run(work, lease, bell, settings(), handler, tracker, shutdown.clone());
    let running = tokio::spawn(running);
    let done = "select count(*) from job_history where outcome = 'done'";
    wait::until("all jobs are done", PATIENCE, async || {
        Ok((database.text(done).await? == "3").then_some(()))
    })
    .await
    .unwrap();
    let spent = "select sum(attempt) || ' attempts, ' || sum(crashes) || ' crashes, ' ||
                        (select string_agg(distinct e ->> 'code', ' ')
                         from job_history, jsonb_array_elements(errors) e)
                 from job_history";
    assert_eq!(database.text(spent).await.unwrap(), "2 attempts, 0 crashes, internal");
    shutdown.cancel();
    running.await.unwrap().unwrap();
}
