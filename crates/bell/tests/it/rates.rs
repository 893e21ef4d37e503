//! Rates, shared and alone.

use std::time::Duration;

use bell::Bell;

use crate::server::{Tower, eventually};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_limit_holds_across_processes() {
    let tower = Tower::shared();
    let (here, there) = (tower.bell().await, tower.bell().await);
    let mut allowed = 0;
    for n in 0..20 {
        let rate = if n % 2 == 0 { &here } else { &there }.take("key", 7, HOUR).await;
        assert!(rate.shared, "Redis is up");
        allowed += u32::from(rate.allowed);
        assert_eq!(rate.remaining, 7 - allowed);
        assert_eq!(rate.retry_after.is_zero(), rate.allowed);
        assert!(rate.reset_after <= HOUR);
    }
    assert_eq!(allowed, 7);
    assert!(here.take("another key", 7, HOUR).await.allowed);
}

#[tokio::test]
async fn many_at_once_get_no_more_than_the_limit() {
    let tower = Tower::shared();
    let bell = tower.bell().await;
    let takers: Vec<_> = (0..50)
        .map(|_| {
            let bell = bell.clone();
            tokio::spawn(async move { bell.take("key", 10, HOUR).await })
        })
        .collect();
    let mut allowed = 0;
    for taker in takers {
        allowed += u32::from(taker.await.unwrap().allowed);
    }
    assert_eq!(allowed, 10);
}

#[tokio::test]
async fn an_account_fills_again_evenly() {
    let tower = Tower::shared();
    for bell in [tower.bell().await, Bell::silent()] {
        let per = Duration::from_millis(600);
        while bell.take("key", 3, per).await.allowed {}
        let refused = bell.take("key", 3, per).await;
        assert!(refused.retry_after <= per / 3, "one use comes back in a third: {refused:?}");
        eventually("a use is allowed again", async || bell.take("key", 3, per).await.allowed).await;
    }
}

#[tokio::test]
async fn redis_and_the_fallback_count_alike() {
    let tower = Tower::shared();
    let (shared, alone) = (tower.bell().await, Bell::silent());
    for (limit, per) in [(1, HOUR), (7, HOUR), (600, Duration::from_secs(60)), (3, HOUR * 24 * 30)]
    {
        let key = format!("{limit}");
        for _ in 0..10 {
            let one = shared.take(&key, limit, per).await;
            let two = alone.take(&key, limit, per).await;
            assert!(one.shared && !two.shared);
            assert_eq!((one.allowed, one.limit), (two.allowed, two.limit));
            assert!(one.remaining.abs_diff(two.remaining) <= 1, "{one:?} {two:?}");
            assert!(one.reset_after.abs_diff(two.reset_after) < Duration::from_secs(5));
            assert!(one.retry_after.abs_diff(two.retry_after) < Duration::from_secs(5));
        }
    }
}

#[tokio::test]
async fn senseless_terms_are_survived() {
    let tower = Tower::shared();
    for bell in [tower.bell().await, Bell::silent()] {
        for (limit, per) in [
            (0, HOUR),
            (u32::MAX, Duration::from_nanos(1)),
            (5, Duration::ZERO),
            (1, Duration::MAX),
        ] {
            assert!(bell.take(&format!("{limit} {per:?}"), limit, per).await.allowed);
        }
    }
}
