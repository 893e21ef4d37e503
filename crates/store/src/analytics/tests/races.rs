//! Many record, several add up and somebody makes all anew, at the same time: nothing is lost, and nothing
//! is counted twice.

use chrono::{DateTime, Duration, Utc};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use super::world::{Event, World, record};
use crate::analytics::{self, Locked};
use platforms::EngagementType;

const WRITERS: usize = 4;
const WRITES: usize = 60;
/// Fewer than are written meanwhile, so that some always wait.
const SOME: i64 = 2;

#[tokio::test]
async fn whoever_records_meanwhile_is_counted_once() {
    let world = World::new("Europe/Berlin", 2, 4).await;
    let (writing, added) = (AtomicUsize::new(WRITERS), AtomicI64::new(0));
    let is_written = || writing.load(Ordering::SeqCst) == 0;
    let write = async |writer: usize| {
        let start: DateTime<Utc> = "2026-10-20T00:00:00Z".parse().unwrap();
        for nth in 0..WRITES {
            let events: Vec<Event> = (0..5)
                .map(|more| Event {
                    post: (writer + more) % 4,
                    of: EngagementType::ALL[(nth + more) % 6],
                    count: (nth % 3) as i64,
                    at: start + Duration::minutes((nth * 397 + writer * 31 + more) as i64),
                })
                .collect();
            record(&world.scratch.pool, &world, &events).await;
        }
        writing.fetch_sub(1, Ordering::SeqCst);
    };
    let add = async || {
        while !is_written() || world.waiting().await > 0 {
            let mut tx = world.worker.begin().await.unwrap();
            // Somebody else is at it.
            if let Some(locked) = analytics::try_lock(&mut tx, world.organization).await.unwrap() {
                let zone = &locked.timezone;
                let some =
                    analytics::add(&mut tx, world.organization, zone, 0, SOME).await.unwrap();
                added.fetch_add(some.events, Ordering::SeqCst);
            }
            tx.commit().await.unwrap();
        }
    };
    // All anew, and once more as soon as somebody has added to it.
    let anew = async || {
        let mut times = 0;
        while !is_written() {
            let seen = added.load(Ordering::SeqCst);
            world.rebuild().await;
            times += 1;
            while !is_written() && added.load(Ordering::SeqCst) == seen {
                tokio::task::yield_now().await;
            }
        }
        times
    };
    let (.., times) = tokio::join!(write(0), write(1), write(2), write(3), add(), add(), anew());
    let recorded = (WRITERS * WRITES * 5) as i64;
    let added = added.into_inner();
    assert!(times > 2 && added > 0 && added < recorded, "{times} times, {added} of {recorded}");
    let sums = world.sums().await;
    assert_eq!(world.rebuild().await, recorded);
    assert_eq!(world.sums().await, sums);
    world.drop().await;
}

#[tokio::test]
async fn while_somebody_makes_all_anew_nobody_adds_up() {
    let world = World::new("Asia/Tokyo", 1, 1).await;
    let try_lock = async || {
        let mut tx = world.worker.begin().await.unwrap();
        analytics::try_lock(&mut tx, world.organization).await.unwrap()
    };
    let mut first = world.worker.begin().await.unwrap();
    analytics::place(&mut first, world.organization).await.unwrap();
    first.commit().await.unwrap();
    let mut holder = world.worker.begin().await.unwrap();
    analytics::rebuild(&mut holder, world.organization).await.unwrap().unwrap();
    assert_eq!(try_lock().await, None);
    drop(holder);
    // Whoever adds up does so in the zone of the sums, and sees that it is not the organization's any more.
    sqlx::query("update organizations set timezone = 'UTC'")
        .execute(&world.scratch.pool)
        .await
        .unwrap();
    let (timezone, wanted) = ("Asia/Tokyo".to_owned(), "UTC".to_owned());
    let (tx, seen) = world.locked().await;
    assert_eq!(seen, Locked { timezone, wanted });
    drop(tx);
    let mut tx = world.worker.begin().await.unwrap();
    let nobody = jobs::OrganizationId::new();
    assert_eq!(analytics::rebuild(&mut tx, nobody).await.unwrap(), None);
    drop(tx);
    world.drop().await;
}

#[tokio::test]
async fn organizations_that_wait_are_found_and_no_others() {
    let world = World::new("UTC", 1, 1).await;
    let mut conn = world.scratch.store.single().await.unwrap();
    assert!(analytics::waiting(&mut conn, 10).await.unwrap().is_empty());
    let at = Utc::now();
    let like = |count| Event { post: 0, of: EngagementType::Like, count, at };
    world.record(&[like(1), like(2)]).await;
    let (before, behind) = (uuid::Uuid::from_u128(1), uuid::Uuid::max());
    for other in [before, behind] {
        sqlx::query(
            "insert into engagement_deltas (organization_id, published_post_id, platform_connection_id, event_type,
                                            count, occurred_at) values ($1, $1, $1, 'like', 1, now())",
        )
        .bind(other)
        .execute(&world.scratch.pool)
        .await
        .unwrap();
    }
    let waiting = analytics::waiting(&mut conn, 10).await.unwrap();
    assert_eq!(waiting, [before.into(), world.organization, behind.into()]);
    assert_eq!(analytics::waiting(&mut conn, 2).await.unwrap().len(), 2);
    assert_eq!(world.waiting().await, 4);
    // A batch is cut where it is told, and the next one goes on there.
    assert_eq!(world.add(1).await.events, 1);
    assert_eq!(world.add(10).await.events, 1);
    assert_eq!(analytics::waiting(&mut conn, 10).await.unwrap(), [before.into(), behind.into()]);
    drop(conn);
    world.drop().await;
}
