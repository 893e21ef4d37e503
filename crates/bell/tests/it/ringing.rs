//! Rings and those who listen for them.

use std::time::Duration;

use bell::{Heard, TOKENS_KEPT, TOKENS_PER_RING};
use tokio::time::timeout;

use crate::server::{Tower, eventually, prefix};

const SOON: Duration = Duration::from_secs(10);
const BRIEFLY: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_ring_is_heard() {
    let tower = Tower::shared();
    let (api, worker) = (tower.bell().await, tower.bell().await);
    let mut listener = worker.listen("publish");
    assert!(api.ring("publish", 1));
    assert_eq!(listener.heard(8, SOON).await, Heard::Bell(1));
    assert_eq!(listener.heard(8, BRIEFLY).await, Heard::Timeout);
}

#[tokio::test]
async fn one_ring_wakes_one_worker() {
    let tower = Tower::private();
    let bell = tower.bell().await;
    let mut workers: Vec<_> = (0..3)
        .map(|_| {
            let mut listener = bell.listen("publish");
            tokio::spawn(async move { (listener.heard(8, SOON).await, listener) })
        })
        .collect();
    eventually("all three block", async || tower.blocked().await == 3).await;

    bell.ring("publish", 1);
    eventually("one has been woken", async || workers.iter().any(|w| w.is_finished())).await;
    let woken: Vec<_> = workers.extract_if(.., |worker| worker.is_finished()).collect();
    assert_eq!(woken.len(), 1);
    eventually("two still block", async || tower.blocked().await == 2).await;

    bell.ring("publish", 2);
    for worker in workers {
        assert_eq!(worker.await.unwrap().0, Heard::Bell(1));
    }
}

#[tokio::test]
async fn a_queue_does_not_hear_the_rings_of_another() {
    let tower = Tower::shared();
    let bell = tower.bell().await;
    bell.ring("generate", 3);
    eventually("the ring is there", async || tower.tokens("generate").await == 3).await;
    assert_eq!(bell.listen("publish").heard(1, BRIEFLY).await, Heard::Timeout);
    let elsewhere = bell::Bell::connect(Some(&tower.url), &prefix()).unwrap();
    assert_eq!(elsewhere.listen("generate").heard(1, BRIEFLY).await, Heard::Timeout);
}

#[tokio::test]
async fn a_worker_takes_no_more_tokens_than_it_has_room() {
    let tower = Tower::shared();
    let bell = tower.bell().await;
    bell.ring("publish", 10);
    let mut listener = bell.listen("publish");
    eventually("the ring is there", async || tower.tokens("publish").await == 10).await;
    assert_eq!(listener.heard(4, SOON).await, Heard::Bell(4));
    assert_eq!(listener.heard(1, SOON).await, Heard::Bell(1));
    assert_eq!(listener.heard(100, SOON).await, Heard::Bell(5));
}

#[tokio::test]
async fn a_thousand_rings_are_one_round_trip() {
    let tower = Tower::private();
    let bell = tower.bell().await;
    let calls = async || {
        let info = redis::cmd("INFO").arg("commandstats").clone();
        let info: String = info.query_async(&mut tower.raw().await).await.unwrap();
        let line = info.lines().find(|line| line.starts_with("cmdstat_rpush:"));
        line.map(|line| line.split(['=', ',']).nth(1).unwrap().to_owned())
    };
    for _ in 0..1000 {
        bell.ring("publish", 1);
    }
    eventually("it has rung", async || calls().await.is_some()).await;
    assert_eq!(calls().await.as_deref(), Some("1"));
    assert_eq!(tower.tokens("publish").await, TOKENS_PER_RING);
}

#[tokio::test]
async fn unheard_rings_do_not_pile_up() {
    let tower = Tower::shared();
    let bell = tower.bell().await;
    for round in 1..=8 {
        let expected = (round * TOKENS_PER_RING).min(TOKENS_KEPT);
        bell.ring("publish", 1_000_000);
        eventually("the round is there", async || tower.tokens("publish").await == expected).await;
    }
    let key = format!("{}:bell:publish", tower.prefix);
    let left: i64 = redis::cmd("PTTL").arg(key).query_async(&mut tower.raw().await).await.unwrap();
    assert!(left > 0, "unheard rings must expire: {left}");
}

#[tokio::test]
async fn giving_up_half_way_loses_no_ring() {
    let tower = Tower::shared();
    let bell = tower.bell().await;
    let mut listener = bell.listen("publish");
    let given_up = timeout(BRIEFLY, listener.heard(1, SOON)).await;
    assert!(given_up.is_err());
    bell.ring("publish", 1);
    assert_eq!(listener.heard(1, SOON).await, Heard::Bell(1));
}

#[tokio::test]
async fn a_hushed_listener_leaves_the_ring_to_others() {
    let tower = Tower::private();
    let bell = tower.bell().await;
    let mut busy = bell.listen("publish");
    tokio::select! {
        heard = busy.heard(1, SOON) => panic!("nobody has rung: {heard:?}"),
        () = eventually("it blocks", async || tower.blocked().await == 1) => {}
    }
    busy.hush();
    eventually("nobody blocks", async || tower.blocked().await == 0).await;
    bell.ring("publish", 1);
    assert_eq!(bell.listen("publish").heard(1, SOON).await, Heard::Bell(1));
    assert_eq!(busy.heard(1, BRIEFLY).await, Heard::Timeout);
}

#[tokio::test]
async fn forgetting_deletes_the_keys_of_one_prefix_only() {
    let tower = Tower::shared();
    let (ours, other) = (tower.bell().await, Tower::shared());
    let theirs = other.bell().await;
    for bell in [&ours, &theirs] {
        bell.ring("publish", 2);
        bell.take("key", 5, Duration::from_secs(60)).await;
    }
    eventually("both have rung", async || {
        tower.tokens("publish").await == 2 && other.tokens("publish").await == 2
    })
    .await;
    assert_eq!(ours.forget_all().await.unwrap(), 2);
    assert_eq!(tower.tokens("publish").await, 0);
    assert_eq!(other.tokens("publish").await, 2);
    assert_eq!(ours.take("key", 5, Duration::from_secs(60)).await.remaining, 4);
    theirs.forget_all().await.unwrap();
}
