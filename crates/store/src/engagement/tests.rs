//! The sums, through the worker's own login, whatever comes first, twice or at the same time.

#![expect(clippy::unwrap_used, reason = "tests")]

use chrono::{SubsecRound as _, TimeDelta};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::sync::Arc;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::*;
use crate::testing::Scratch;
use crate::webhook_events::{self, Arrived, Outcome};
use crate::{Login, Store};
use jobs::kinds::{AddComment, IngestEngagement};
use jobs::{NewJob, Origin, WebhookEventId};

/// Posts of one account, each of an organization of its own choice.
struct Stage {
    scratch: Scratch,
    worker: Store,
    connection: ConnectionId,
    posts: Vec<PostId>,
    began: DateTime<Utc>,
}

impl Stage {
    async fn new(posts: usize) -> Stage {
        let scratch = Scratch::new().await;
        let worker = scratch.log_in(Login::Worker).await;
        // As exact as Postgres keeps it.
        let began = Utc::now().trunc_subsecs(6);
        let connection = ConnectionId(add_account(&scratch, "acme").await);
        let mut stage = Stage { scratch, worker, connection, posts: Vec::new(), began };
        for nth in 0..posts {
            let post = stage.publish(connection, &nth.to_string()).await;
            stage.posts.push(post);
        }
        stage
    }

    /// A post with this id at the network went out a moment ago.
    async fn publish(&self, connection: ConnectionId, platform_post_id: &str) -> PostId {
        let id = Uuid::now_v7();
        for statement in [
            "insert into schedules (id, organization_id, content_version_id, platform_connection_id,
                 scheduled_at, wall_time, timezone, created_by)
             select $1, c.organization_id, v.id, c.id, now(), now(), 'UTC', 'ann'
             from platform_connections c join content_versions v using (organization_id) where c.id = $2",
            "insert into published_posts (id, organization_id, schedule_id, content_version_id,
                 platform_connection_id, platform_post_id, platform_post_url, published_at)
             select id, organization_id, id, content_version_id, $2, $3, 'u', now() from schedules where id = $1",
        ] {
            let query = sqlx::query(statement).bind(id).bind(connection.0);
            let query = if statement.contains("$3") { query.bind(platform_post_id) } else { query };
            query.execute(&self.scratch.pool).await.unwrap();
        }
        let mut tx = self.worker.begin().await.unwrap();
        begin(&mut tx, PostId(id)).await.unwrap();
        tx.commit().await.unwrap();
        PostId(id)
    }

    fn at(&self, second: i64) -> DateTime<Utc> {
        self.began + TimeDelta::seconds(second)
    }

    async fn hear(&self, happened: &[Happened]) -> usize {
        let mut tx = self.worker.begin().await.unwrap();
        let new = hear(&mut tx, happened).await.unwrap();
        tx.commit().await.unwrap();
        new
    }

    async fn look(&self, at: DateTime<Utc>, seen: &[(PostId, Seen)]) -> usize {
        let mut tx = self.worker.begin().await.unwrap();
        let changed = look(&mut tx, Platform::Twitter, at, seen).await.unwrap();
        plan(&mut tx, self.connection).await.unwrap();
        tx.commit().await.unwrap();
        changed
    }

    /// The post's total of a type by its row, by its events, and by what waits to be added up.
    async fn sums(&self, post: PostId, of: EngagementType) -> [Option<i64>; 3] {
        let sum = |table: &str| {
            format!(
                "(select sum(count)::bigint from {table} where published_post_id = $1 and event_type = $2)"
            )
        };
        let statement = format!(
            "select {}, {}, {} from post_engagement where published_post_id = $1",
            of.total(),
            sum("engagement_events"),
            sum("engagement_deltas")
        );
        let row: (Option<i64>, Option<i64>, Option<i64>) =
            sqlx::query_as(sqlx::AssertSqlSafe(statement))
                .bind(post.0)
                .bind(of.as_str())
                .fetch_one(&self.scratch.pool)
                .await
                .unwrap();
        [row.0, row.1, row.2]
    }

    async fn next_poll(&self, post: PostId) -> Option<DateTime<Utc>> {
        sqlx::query_scalar("select next_poll_at from post_engagement where published_post_id = $1")
            .bind(post.0)
            .fetch_one(&self.scratch.pool)
            .await
            .unwrap()
    }
}

/// An organization with an account and a text; answers the account.
async fn add_account(scratch: &Scratch, slug: &str) -> Uuid {
    let id = Uuid::now_v7();
    for statement in [
        "insert into organizations (id, name, slug) values ($1, $2, $2)",
        "insert into platform_connections (id, organization_id, platform, account_id, account_name,
             access_token, created_by) values ($1, $1, 'TWITTER', '7', $2, 't', 'ann')",
        "insert into content_requests (id, organization_id, title, platforms, status, created_by)
         values ($1, $1, $2, '{TWITTER}', 'in_review', 'ann')",
        "insert into content_versions (id, organization_id, content_request_id, platform, text, created_by)
         values ($1, $1, $1, 'TWITTER', $2, 'ann')",
    ] {
        sqlx::query(statement).bind(id).bind(slug).execute(&scratch.pool).await.unwrap();
    }
    id
}

fn like(post: PostId, nth: i64, at: DateTime<Utc>) -> Happened {
    Happened { post, of: EngagementType::Like, id: format!("like:{nth}"), at }
}

fn likes(total: i64) -> Seen {
    let mut totals = Totals::default();
    totals[EngagementType::Like] = Some(total);
    Seen::Totals(totals)
}

#[derive(Clone, Debug)]
enum Act {
    /// These likes are told, by their numbers; the n-th was given at second n.
    Hear(Vec<i64>),
    /// The network is asked at this second.
    Look(i64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        3 => prop::collection::vec(1i64..30, 1..8).prop_map(Act::Hear),
        1 => (0i64..40).prop_map(Act::Look),
    ];
    prop::collection::vec(act, 1..12)
}

#[test]
fn the_sum_of_events_is_the_total_after_every_step() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let stage = runtime.block_on(Stage::new(1));
    let mut runner =
        TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let ran = runner.run(&acts(), |acts| {
        runtime.block_on(async {
            // A post of its own for each history.
            let post = stage.publish(stage.connection, &Uuid::now_v7().to_string()).await;
            let (mut known, mut last, mut total) = (BTreeSet::new(), None, None);
            for act in acts {
                match act {
                    Act::Hear(numbers) => {
                        let told: Vec<_> =
                            numbers.iter().map(|nth| like(post, *nth, stage.at(*nth))).collect();
                        let fresh: BTreeSet<i64> =
                            numbers.into_iter().filter(|nth| !known.contains(nth)).collect();
                        prop_assert_eq!(
                            stage.hear(&told).await,
                            fresh.len(),
                            "what is known is not new"
                        );
                        let later =
                            fresh.iter().filter(|nth| last.is_none_or(|last| **nth > last)).count();
                        total = Some(total.unwrap_or(0) + later as i64);
                        known.extend(fresh);
                    }
                    Act::Look(second) => {
                        let told = (second * 7) % 31;
                        stage.look(stage.at(second), &[(post, likes(told))]).await;
                        if last.is_none_or(|last| second > last) {
                            (last, total) = (Some(second), Some(told));
                        }
                    }
                }
                prop_assert_eq!(stage.sums(post, EngagementType::Like).await, [total; 3]);
            }
            Ok(())
        })
    });
    ran.unwrap();
    runtime.block_on(stage.scratch.drop());
}

#[tokio::test]
async fn whoever_tells_at_the_same_time_tells_once() {
    let stage = Arc::new(Stage::new(3).await);
    let mut tellers = JoinSet::new();
    for teller in 0..8i64 {
        let stage = stage.clone();
        tellers.spawn(async move {
            for round in 0..6i64 {
                // Every teller tells all that the others tell, in another order of posts.
                let mut told: Vec<Happened> = stage
                    .posts
                    .iter()
                    .enumerate()
                    .map(|(nth, post)| like(*post, round, stage.at(round + nth as i64)))
                    .collect();
                told.rotate_left(teller as usize % 3);
                if teller % 2 == 0 {
                    told.reverse();
                }
                stage.hear(&told).await;
                if teller == 0 {
                    let seen: Vec<_> =
                        stage.posts.iter().rev().map(|post| (*post, likes(round + 1))).collect();
                    stage.look(stage.at(round), &seen).await;
                }
            }
        });
    }
    while let Some(told) = tellers.join_next().await {
        told.unwrap();
    }
    let seen: Vec<_> = stage.posts.iter().map(|post| (*post, likes(6))).collect();
    stage.look(stage.at(100), &seen).await;
    for post in &stage.posts {
        assert_eq!(stage.sums(*post, EngagementType::Like).await, [Some(6); 3]);
        assert_eq!(
            stage.sums(*post, EngagementType::Click).await,
            [None; 3],
            "unknown is not zero"
        );
    }
    Arc::into_inner(stage).unwrap().scratch.drop().await;
}

#[tokio::test]
async fn a_post_is_looked_at_again_sooner_when_something_happens_and_never_when_it_is_gone() {
    let stage = Stage::new(2).await;
    let [busy, gone] = stage.posts[..] else { unreachable!() };
    for second in [1, 2, 3] {
        stage.look(stage.at(second), &[(busy, likes(0)), (gone, likes(0))]).await;
    }
    let rare = stage.next_poll(busy).await.unwrap();
    assert!(rare > Utc::now() + TimeDelta::minutes(9), "5 minutes, twice as slow: {rare}");
    stage.hear(&[like(busy, 1, stage.at(10))]).await;
    let soon = stage.next_poll(busy).await.unwrap();
    assert!(soon < Utc::now() + TimeDelta::minutes(6), "{soon}");
    let account: DateTime<Utc> = sqlx::query_scalar("select next_at from engagement_polls")
        .fetch_one(&stage.scratch.pool)
        .await
        .unwrap();
    assert_eq!(account, soon, "its account is asked as soon");

    stage.look(stage.at(20), &[(gone, Seen::Gone)]).await;
    assert_eq!(stage.next_poll(gone).await, None);
    stage.hear(&[like(gone, 1, stage.at(21))]).await;
    assert_eq!(stage.next_poll(gone).await, None, "a like does not bring it back");
    let mut tx = stage.worker.begin().await.unwrap();
    stop(&mut tx, busy).await.unwrap();
    plan(&mut tx, stage.connection).await.unwrap();
    let none = due_polls(&mut tx, std::time::Duration::ZERO, 10).await.unwrap();
    assert!(none.is_empty(), "{none:?}");
    drop(tx);
    stage.scratch.drop().await;
}

#[tokio::test]
async fn an_account_is_taken_once_and_posts_that_are_nearly_due_come_along() {
    let stage = Stage::new(3).await;
    let scheduler = stage.scratch.log_in(Login::Scheduler).await;
    let take = async || {
        let mut tx = scheduler.begin().await.unwrap();
        let due = due_polls(&mut tx, std::time::Duration::from_secs(600), 10).await.unwrap();
        tx.commit().await.unwrap();
        due.iter().map(|due| due.connection_id).collect::<Vec<_>>()
    };
    assert_eq!(take().await, [], "nothing is due");
    let late = "update engagement_polls set next_at = now() - interval '1 second'";
    sqlx::query(late).execute(&stage.scratch.pool).await.unwrap();
    assert_eq!(take().await, [stage.connection]);
    assert_eq!(take().await, [], "it was taken");
    sqlx::query(late).execute(&stage.scratch.pool).await.unwrap();
    sqlx::query("update platform_connections set is_active = false, inactive_reason = 'r'")
        .execute(&stage.scratch.pool)
        .await
        .unwrap();
    assert_eq!(take().await, [], "it cannot be used");

    let [due_now, nearly, not_yet] = stage.posts[..] else { unreachable!() };
    for (post, ago, ahead) in [(due_now, 100, 0), (nearly, 80, 20), (not_yet, 70, 30)] {
        sqlx::query("update post_engagement set polled_at = now() - make_interval(secs => $2),
                         next_poll_at = now() + make_interval(secs => $3) where published_post_id = $1")
            .bind(post.0).bind(f64::from(ago)).bind(f64::from(ahead))
            .execute(&stage.scratch.pool).await.unwrap();
    }
    let mut tx = stage.worker.begin().await.unwrap();
    let posts: Vec<PostId> =
        due(&mut tx, stage.connection, 100).await.unwrap().iter().map(|due| due.post).collect();
    assert_eq!(posts, [due_now, nearly]);
    drop(tx);
    stage.scratch.drop().await;
}

#[tokio::test]
async fn a_post_in_two_organizations_is_found_in_both() {
    let stage = Stage::new(1).await;
    let other = ConnectionId(add_account(&stage.scratch, "other").await);
    let theirs = stage.publish(other, "0").await;
    let mut tx = stage.worker.begin().await.unwrap();
    let found = posts(&mut tx, Platform::Twitter, &["0".into(), "nobody's".into()]).await.unwrap();
    drop(tx);
    let found: BTreeSet<PostId> = found["0"].iter().copied().collect();
    assert_eq!(found, BTreeSet::from([stage.posts[0], theirs]));
    let told: Vec<_> = found.iter().map(|post| like(*post, 1, stage.at(1))).collect();
    assert_eq!(stage.hear(&told).await, 2);
    for post in found {
        assert_eq!(stage.sums(post, EngagementType::Like).await, [Some(1); 3]);
    }
    stage.scratch.drop().await;
}

#[tokio::test]
async fn the_api_keeps_an_event_once_with_one_job_and_can_do_nothing_else() {
    let stage = Stage::new(0).await;
    let api = stage.scratch.log_in(Login::Api).await;
    let arrived = |event_id: &str| Arrived {
        id: WebhookEventId::new(),
        event_id: event_id.to_owned(),
        event_type: None,
        body: "{}".to_owned(),
    };
    let job = || NewJob::new(Origin::Network, None, &IngestEngagement { webhook_events: vec![] });
    let events = [arrived("1"), arrived("2"), arrived("1")];
    assert_eq!(webhook_events::receive(&api, "x", &events, &job()).await.unwrap(), 2);
    assert_eq!(webhook_events::receive(&api, "x", &events, &job()).await.unwrap(), 0);
    assert_eq!(
        webhook_events::receive(&api, "y", &[arrived("1")], &job()).await.unwrap(),
        1,
        "another sender"
    );
    let jobs: Vec<(String, serde_json::Value)> =
        sqlx::query_as("select kind, args from jobs order by id")
            .fetch_all(&stage.scratch.pool)
            .await
            .unwrap();
    let kept: Vec<usize> = jobs
        .iter()
        .map(|(kind, args)| {
            let args: IngestEngagement = serde_json::from_value(args.clone()).unwrap();
            assert_eq!(kind, "engagement.ingest");
            args.webhook_events.len()
        })
        .collect();
    assert_eq!(kept, [2, 1], "no job for what was known");

    let comment = AddComment {
        content_version_id: jobs::ContentVersionId::new(),
        comment: "hi".to_owned(),
        parent_comment_id: None,
    };
    let foreign = NewJob::new(Origin::Network, None, &comment);
    let refused = webhook_events::receive(&api, "x", &[arrived("3")], &foreign).await;
    assert!(matches!(refused, Err(crate::Error::Forbidden(_))), "{refused:?}");
    let mut conn = api.single().await.unwrap();
    for statement in [
        "select body from webhook_events",
        "delete from webhook_events",
        "select * from engagement_deltas",
    ] {
        assert!(sqlx::query(statement).fetch_all(&mut *conn).await.is_err(), "{statement}");
    }
    drop(conn);

    let mut tx = stage.worker.begin().await.unwrap();
    let ids: Vec<WebhookEventId> = events.iter().map(|event| event.id).collect();
    let new = webhook_events::new_ones(&mut tx, &ids).await.unwrap();
    assert_eq!(new.len(), 2);
    webhook_events::conclude(
        &mut tx,
        &[(new[0].id, Outcome::Applied, None), (new[1].id, Outcome::Unmatched, Some("42"))],
    )
    .await
    .unwrap();
    assert_eq!(webhook_events::new_ones(&mut tx, &ids).await.unwrap().len(), 0);
    assert_eq!(webhook_events::reopen(&mut tx, "x", "41").await.unwrap(), []);
    assert_eq!(webhook_events::reopen(&mut tx, "x", "42").await.unwrap(), [new[1].id]);
    assert_eq!(webhook_events::prune(&mut tx, 10).await.unwrap(), 0, "they are young");
    tx.commit().await.unwrap();
    sqlx::query(
        "update webhook_events set received_at = now() - interval '31 days' where event_id = '1'",
    )
    .execute(&stage.scratch.pool)
    .await
    .unwrap();
    let mut tx = stage.worker.begin().await.unwrap();
    assert_eq!(webhook_events::prune(&mut tx, 10).await.unwrap(), 2);
    drop(tx);
    stage.scratch.drop().await;
}
