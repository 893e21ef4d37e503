//! Redis lost, hung, emptied, or never there.

use std::time::{Duration, Instant};

use bell::{Bell, DEADLINE, Error, Heard, Waited};
use uuid::Uuid;

use crate::server::{Tower, eventually};

const SOON: Duration = Duration::from_secs(10);
const BRIEFLY: Duration = Duration::from_millis(100);
const HOUR: Duration = Duration::from_secs(3600);

/// Slack for a busy machine, on top of a deadline.
const SLACK: Duration = Duration::from_secs(2);

/// Everything that a bell does, without a Redis: prompt, harmless.
async fn does_without(bell: &Bell) {
    assert!(!bell.is_up());
    assert!(!bell.ring("publish", 1), "somebody must be told to ring elsewhere");
    assert!(!bell.ended(Uuid::new_v4()));
    let start = Instant::now();
    for _ in 0..1000 {
        assert!(!bell.take("key", 5, HOUR).await.shared);
    }
    let mut wait = bell.wait_end(Uuid::new_v4()).await;
    assert!(start.elapsed() < SLACK, "an open circuit costs nobody a deadline");

    let mut listener = bell.listen("publish");
    let start = Instant::now();
    assert_eq!(listener.heard(8, BRIEFLY).await, Heard::Timeout);
    assert_eq!(wait.wait(BRIEFLY).await, Waited::Timeout);
    assert!(start.elapsed() >= BRIEFLY * 2, "callers poll: they must not spin");
    assert!(start.elapsed() < BRIEFLY * 2 + SLACK);
    assert!(matches!(bell.forget_all().await, Err(Error::Down)));
}

/// Everything that a bell does, with a Redis.
async fn works(bell: &Bell) {
    let job = Uuid::new_v4();
    let mut listener = bell.listen("publish");
    eventually("rings are heard", async || {
        bell.ring("publish", 1) && listener.heard(8, BRIEFLY).await != Heard::Timeout
    })
    .await;
    eventually("ends are told", async || {
        let mut wait = bell.wait_end(job).await;
        bell.ended(job) && wait.wait(BRIEFLY).await == Waited::Ended
    })
    .await;
    eventually("rates are shared", async || bell.take("key", 5, HOUR).await.shared).await;
}

#[tokio::test]
async fn a_silent_bell_does_nothing() {
    does_without(&Bell::silent()).await;
    does_without(&Bell::connect(None, "test").unwrap()).await;
}

#[tokio::test]
async fn a_redis_that_is_down_at_the_start_may_come_later() {
    let mut tower = Tower::private();
    tower.server().kill();
    let bell = Bell::connect(Some(&tower.url), &tower.prefix).unwrap();
    assert!(!bell.take("key", 5, HOUR).await.shared);
    eventually("it knows", async || !bell.ring("publish", 1)).await;
    does_without(&bell).await;
    tower.server().restart();
    works(&bell).await;
}

#[tokio::test]
async fn a_killed_redis_is_done_without_and_found_again() {
    let mut tower = Tower::private();
    let bell = tower.bell().await;
    works(&bell).await;

    let mut wait = bell.wait_end(Uuid::new_v4()).await;
    let mut listener = bell.listen("publish");
    let listening = tokio::spawn(async move { (listener.heard(8, SOON).await, listener) });
    eventually("it blocks", async || tower.blocked().await == 1).await;
    tower.server().kill();
    eventually("it knows", async || !bell.is_up()).await;
    does_without(&bell).await;

    tower.server().restart();
    // The listener blocks again by itself, within the time that it was granted.
    eventually("the bell is up", async || bell.ring("publish", 1)).await;
    let (heard, _) = listening.await.unwrap();
    assert_ne!(heard, Heard::Timeout);
    works(&bell).await;
    assert_eq!(wait.wait(BRIEFLY).await, Waited::Timeout, "its job has not ended");
    bell.ended(wait.job_id());
    assert_eq!(wait.wait(SOON).await, Waited::Ended, "a wait outlives an outage");
}

#[tokio::test]
async fn a_hanging_redis_costs_one_deadline() {
    let mut tower = Tower::private();
    let bell = tower.bell().await;
    works(&bell).await;
    let mut listener = bell.listen("publish");
    assert_eq!(listener.heard(8, BRIEFLY).await, Heard::Timeout);

    tower.server().freeze();
    let start = Instant::now();
    assert!(!bell.take("key", 5, HOUR).await.shared);
    assert!(start.elapsed() < DEADLINE + SLACK);
    eventually("it knows", async || !bell.is_up()).await;
    let start = Instant::now();
    assert_eq!(listener.heard(8, BRIEFLY).await, Heard::Timeout);
    assert!(start.elapsed() < BRIEFLY + SLACK);
    does_without(&bell).await;

    tower.server().thaw();
    works(&bell).await;
}

#[tokio::test]
async fn an_outage_does_not_begin_with_a_new_burst() {
    let mut tower = Tower::private();
    let bell = tower.bell().await;
    while bell.take("key", 5, HOUR).await.allowed {}
    tower.server().kill();
    let rate = bell.take("key", 5, HOUR).await;
    assert!(!rate.shared && !rate.allowed, "{rate:?}");
}

#[tokio::test]
async fn an_emptied_redis_goes_on() {
    let tower = Tower::private();
    let bell = tower.bell().await;
    works(&bell).await;
    for command in ["FLUSHALL", "SCRIPT FLUSH"] {
        let mut words = command.split(' ');
        let mut flush = redis::cmd(words.next().unwrap());
        flush.arg(words.collect::<Vec<_>>());
        flush.query_async::<()>(&mut tower.raw().await).await.unwrap();
    }
    works(&bell).await;
    assert!(bell.is_up());
}

#[tokio::test]
async fn a_malformed_url_is_an_error_and_shows_no_secret() {
    for url in ["", "postgres://user:hunter2@host", "redis://user:hunter2@:port", "hunter2"] {
        let error = Bell::connect(Some(url), "test").unwrap_err();
        assert!(matches!(error, Error::MalformedUrl(_)), "{url}: {error:?}");
        assert!(!format!("{error:?} {error}").contains("hunter2"), "{error:?}");
    }
}

#[test]
fn a_bell_outside_a_runtime_is_an_error() {
    let outcome = Bell::connect(Some("redis://127.0.0.1:1/0"), "test");
    assert!(matches!(outcome, Err(Error::NoRuntime)));
}

#[tokio::test]
async fn an_encrypted_url_does_not_panic() {
    let bell = Bell::connect(Some("rediss://127.0.0.1:1/0"), "test").unwrap();
    eventually("it knows", async || !bell.ring("publish", 1)).await;
    does_without(&bell).await;
}
