#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::Login;
use crate::ledger::register;
use crate::testing::Scratch;
use jobs::WorkerId;
use serde_json::json;
use uuid::Uuid;

const ORGANIZATION: &str = "00000000-0000-0000-0000-00000000000a";

/// A job that was due so many seconds ago.
async fn insert(scratch: &Scratch, queue: &str, state: &str, due_secs: f64, keys: &[&str]) -> Uuid {
    let id = Uuid::now_v7();
    let sql = "insert into jobs (id, organization_id, origin, queue, kind, args, state, run_at,
                                 created_at, max_attempts, limit_keys, worker)
               values ($1, $2::uuid, 'worker', $3, 'poll.test', '{}', $4,
                       now() - make_interval(secs => $5), now() - interval '200 seconds', 1, $6,
                       case when $4 = 'running' then $1 end)";
    sqlx::query(sql)
        .bind(id)
        .bind(Uuid::parse_str(ORGANIZATION).unwrap())
        .bind(queue)
        .bind(state)
        .bind(due_secs)
        .bind(keys)
        .execute(&scratch.pool)
        .await
        .unwrap();
    id
}

async fn run(scratch: &Scratch, sql: &'static str) {
    sqlx::query(sql).execute(&scratch.pool).await.unwrap();
}

async fn heads_of(scratch: &Scratch) -> Vec<(Queue, Uuid)> {
    let mut tx = scratch.store.begin().await.unwrap();
    let heads = heads(&mut tx, 75).await.unwrap();
    heads.into_iter().map(|head| (head.queue, head.job_id.0)).collect()
}

#[tokio::test]
async fn the_head_of_a_queue_is_the_oldest_due_job_that_nothing_holds_back() {
    let scratch = Scratch::new().await;
    assert_eq!(heads_of(&scratch).await, []);
    insert(&scratch, "poll", "scheduled", -60.0, &[]).await;
    assert_eq!(heads_of(&scratch).await, [], "it is not due");
    let ready = insert(&scratch, "poll", "ready", 100.0, &["x:user:7:GET /2/tweets"]).await;
    let due = insert(&scratch, "poll", "scheduled", 50.0, &[]).await;
    assert_eq!(heads_of(&scratch).await, [(Queue::Poll, ready)]);

    run(&scratch, "insert into closed_keys values ('x:user:7:GET /2/tweets', now() + interval '1 hour', 'a test')").await;
    assert_eq!(heads_of(&scratch).await, [(Queue::Poll, due)], "its key is closed");
    let behind = insert(&scratch, "poll", "ready", 90.0, &[]).await;
    assert_eq!(heads_of(&scratch).await, [(Queue::Poll, behind)], "the next of the lane is free");
    run(&scratch, "update closed_keys set until = now() - interval '1 second'").await;
    assert_eq!(heads_of(&scratch).await, [(Queue::Poll, ready)], "it opened");

    for scope in ["null, '00000000-0000-0000-0000-00000000000a'", "'poll', null"] {
        let sql = format!("insert into pauses values (gen_random_uuid(), {scope}, 'why', 'who')");
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&scratch.pool).await.unwrap();
        assert_eq!(heads_of(&scratch).await, [], "paused: {scope}");
        run(&scratch, "delete from pauses").await;
    }

    for (late_secs, column) in [(100.0, "run_at"), (30.0, "created_at")] {
        let mut tx = scratch.store.begin().await.unwrap();
        let head = heads(&mut tx, 75).await.unwrap()[0];
        let late = late_secs..late_secs + 10.0;
        assert!(late.contains(&head.due_for.as_secs_f64()), "{column}: {head:?}");
        drop(tx);
        run(&scratch, "update jobs set created_at = now() - interval '30 seconds'").await;
    }
    scratch.drop().await;
}

#[tokio::test]
async fn an_organization_that_runs_its_share_is_held_back() {
    let scratch = Scratch::new().await;
    for name in ["a", "b"] {
        let queues = json!({ "poll": 4 });
        register(&scratch.store, WorkerId::new(), name, "here", "0", &queues).await.unwrap();
    }
    let due = insert(&scratch, "poll", "ready", 100.0, &[]).await;
    for _ in 0..5 {
        insert(&scratch, "poll", "running", 100.0, &[]).await;
    }
    assert_eq!(heads_of(&scratch).await, [(Queue::Poll, due)], "of 2 x 3 it runs 5");
    insert(&scratch, "poll", "running", 100.0, &[]).await;
    assert_eq!(heads_of(&scratch).await, []);
    scratch.drop().await;
}

#[tokio::test]
async fn queues_keys_and_pauses_are_counted() {
    let scratch = Scratch::new().await;
    let queues = json!({ "poll": 4, "control": 2 });
    register(&scratch.store, WorkerId::new(), "a", "here", "0", &queues).await.unwrap();
    register(&scratch.store, WorkerId::new(), "b", "here", "0", &json!({})).await.unwrap();
    run(&scratch, "update workers set seen_at = now() - interval '1 minute' where name = 'b'")
        .await;
    insert(&scratch, "poll", "ready", 1.0, &[]).await;
    insert(&scratch, "poll", "running", 1.0, &[]).await;
    insert(&scratch, "poll", "scheduled", -60.0, &[]).await;
    insert(&scratch, "poll", "scheduled", -60.0, &[]).await;
    run(&scratch, "update jobs set parked_by = 'x:app:POST /2/tweets' where state = 'scheduled'")
        .await;
    run(
        &scratch,
        "insert into closed_keys values
        ('x:app:POST /2/tweets', now() + interval '2 hours', 'a test'),
        ('x:user:8:POST /2/tweets', now() + interval '1 hour', 'a test'),
        ('x:user:9:POST /2/tweets', now() - interval '1 hour', 'it opened'),
        ('account:TWITTER:7', '9999-12-31', 'a person')",
    )
    .await;
    run(
        &scratch,
        "insert into pauses values
        (gen_random_uuid(), 'poll', null, 'why', 'who'),
        (gen_random_uuid(), 'poll', gen_random_uuid(), 'why', 'who'),
        (gen_random_uuid(), null, gen_random_uuid(), 'why', 'who')",
    )
    .await;

    // As the scheduler, who may not do everything.
    let store = scratch.log_in(Login::Scheduler).await;
    let mut tx = store.begin().await.unwrap();
    let all = queues_of(&mut tx).await;
    let poll = all.iter().find(|figures| figures.queue == Queue::Poll).unwrap();
    assert_eq!((poll.scheduled, poll.ready, poll.running, poll.slots), (2, 1, 1, 4));
    let control = all.iter().find(|figures| figures.queue == Queue::Control).unwrap();
    assert_eq!((control.ready, control.slots), (0, 2));
    assert_eq!(all.len(), Queue::ALL.len());

    let held = held(&mut tx).await.unwrap();
    let of = |class| held.iter().find(|held| held.class == class).unwrap();
    let app = of(KeyClass::AppCall);
    assert_eq!((app.keys, app.jobs), (1, 2));
    assert!((7_190.0..=7_200.0).contains(&app.longest_secs), "{app:?}");
    assert_eq!((of(KeyClass::AccountCall).keys, of(KeyClass::AccountCall).jobs), (1, 0));
    let account = of(KeyClass::Account);
    assert_eq!((account.keys, account.longest_secs), (1, 0.0), "a person opens it");
    assert_eq!(of(KeyClass::Other).keys, 0);

    let standing = standing(&mut tx, Duration::from_secs(10)).await.unwrap();
    assert_eq!(standing.workers, 1);
    assert_eq!((standing.paused_queues, standing.paused_organizations), (1, 2));
    let days = standing.history_ahead_secs / 86_400.0;
    assert!((14.0..=21.0).contains(&days), "partitions for {days} days");
    drop(tx);
    scratch.drop().await;
}

async fn queues_of(conn: &mut Conn) -> Vec<QueueFigures> {
    queues(conn).await.unwrap()
}

#[tokio::test]
async fn the_statement_and_the_program_class_keys_alike() {
    let scratch = Scratch::new().await;
    for key in [
        "account:TWITTER:7",
        "x:user:7:POST /2/tweets",
        "x:app:POST /2/tweets",
        "organization:0191:publish",
        "user",
        "",
    ] {
        sqlx::query("insert into closed_keys values ($1, now() + interval '1 hour', 'a test')")
            .bind(key)
            .execute(&scratch.pool)
            .await
            .unwrap();
        let mut tx = scratch.store.begin().await.unwrap();
        let held = held(&mut tx).await.unwrap();
        let class = held.iter().find(|held| held.keys == 1).unwrap().class;
        assert_eq!(class, KeyClass::of(key), "{key:?}");
        drop(tx);
        run(&scratch, "delete from closed_keys").await;
    }
    scratch.drop().await;
}

#[tokio::test]
async fn due_work_of_a_paused_organization_is_not_late() {
    let scratch = Scratch::new().await;
    insert(&scratch, "poll", "scheduled", 100.0, &[]).await;
    insert(&scratch, "poll", "ready", 200.0, &[]).await;
    assert_eq!(late(&scratch).await, Some(200));
    run(&scratch, "update jobs set organization_id = gen_random_uuid() where state = 'ready'")
        .await;
    run(
        &scratch,
        "insert into pauses select gen_random_uuid(), null, organization_id, 'why', 'who' from jobs
         where state = 'ready'",
    )
    .await;
    assert_eq!(late(&scratch).await, Some(100), "the due job of another is");
    run(&scratch, "update pauses set organization_id = '00000000-0000-0000-0000-00000000000a'")
        .await;
    assert_eq!(late(&scratch).await, Some(200), "the due job is paused, the ready one is not");
    run(&scratch, "update pauses set queue = 'publish'").await;
    assert_eq!(late(&scratch).await, Some(200), "of another queue");
    run(&scratch, "update pauses set organization_id = null, queue = 'poll'").await;
    assert_eq!(late(&scratch).await, Some(0), "the whole queue");
    run(&scratch, "update pauses set organization_id = gen_random_uuid(), queue = null").await;
    run(&scratch, "delete from jobs where state = 'ready'").await;
    assert_eq!(late(&scratch).await, Some(100), "of nobody who has work");
    run(&scratch, "update pauses set organization_id = '00000000-0000-0000-0000-00000000000a'")
        .await;
    assert_eq!(late(&scratch).await, Some(0));
    scratch.drop().await;
}

/// For how many seconds the oldest due job of the queue has been due.
async fn late(scratch: &Scratch) -> Option<i64> {
    let mut tx = scratch.store.begin().await.unwrap();
    let all = crate::ledger::oldest_due(&mut tx).await.unwrap();
    let (_, secs) = all.into_iter().find(|(queue, _)| *queue == Queue::Poll)?;
    Some((secs / 10.0).floor() as i64 * 10)
}
