//! An organization with posts on accounts, and what is recorded of them.

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use std::time::{Duration, Instant};
use uuid::Uuid;

use crate::analytics::{self, Added, Locked};
use crate::testing::Scratch;
use crate::{Login, Store, Tx};
use jobs::OrganizationId;
use platforms::EngagementType;

/// Something that was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// Which of the world's posts.
    pub(super) post: usize,
    pub(super) of: EngagementType,
    pub(super) count: i64,
    pub(super) at: DateTime<Utc>,
}

pub(super) struct World {
    pub(super) scratch: Scratch,
    pub(super) worker: Store,
    pub(super) organization: OrganizationId,
    pub(super) accounts: Vec<Uuid>,
    pub(super) posts: Vec<Uuid>,
}

impl World {
    /// An organization in a zone, with posts that take turns on its accounts.
    pub(super) async fn new(timezone: &str, accounts: usize, posts: usize) -> World {
        let scratch = Scratch::new().await;
        let worker = scratch.log_in(Login::Worker).await;
        let organization = OrganizationId::new();
        let ids = |count: usize| (0..count).map(|_| Uuid::now_v7()).collect::<Vec<_>>();
        let world =
            World { scratch, worker, organization, accounts: ids(accounts), posts: ids(posts) };
        let run = async |sql: &'static str| {
            sqlx::query(sql)
                .bind(organization.0)
                .bind(timezone)
                .bind(&world.accounts)
                .bind(&world.posts)
                .execute(&world.scratch.pool)
                .await
                .unwrap();
        };
        run(include_str!("world.sql")).await;
        world
    }

    /// On which account a post is.
    pub(super) fn account_of(&self, post: usize) -> Uuid {
        self.accounts[post % self.accounts.len()]
    }

    /// Records events as whoever polls does: the event and what waits of it together.
    pub(super) async fn record(&self, events: &[Event]) {
        record(&self.scratch.pool, self, events).await;
    }

    /// A transaction that holds the sums. One that was dropped before holds them a moment longer.
    pub(super) async fn locked(&self) -> (Tx, Locked) {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let mut tx = self.worker.begin().await.unwrap();
            let locked = analytics::try_lock(&mut tx, self.organization).await.unwrap();
            if let Some(locked) = locked {
                return (tx, locked);
            }
            assert!(Instant::now() < deadline, "the lock is not given back");
            tokio::task::yield_now().await;
        }
    }

    /// Adds up one batch.
    pub(super) async fn add(&self, limit: i64) -> Added {
        let (mut tx, locked) = self.locked().await;
        let added =
            analytics::add(&mut tx, self.organization, &locked.timezone, 0, limit).await.unwrap();
        tx.commit().await.unwrap();
        added
    }

    /// Makes all anew.
    pub(super) async fn rebuild(&self) -> i64 {
        let mut tx = self.worker.begin().await.unwrap();
        let rebuilt = analytics::rebuild(&mut tx, self.organization).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        rebuilt.events
    }

    pub(super) async fn waiting(&self) -> i64 {
        let mut conn = self.scratch.store.single().await.unwrap();
        analytics::waiting_events(&mut conn, 1_000_000).await.unwrap()
    }

    /// Every sum, as text, in order.
    pub(super) async fn sums(&self) -> Vec<String> {
        sqlx::query_scalar(
            "select format('%s %s %s %s: %s %s %s %s %s %s', scope, subject_id, grain,
                           extract(epoch from period_start)::bigint,
                           coalesce(likes::text, '-'), coalesce(comments::text, '-'),
                           coalesce(impressions::text, '-'), coalesce(clicks::text, '-'),
                           coalesce(shares::text, '-'), coalesce(saves::text, '-'))
             from analytics_aggregates where organization_id = $1
             order by 1",
        )
        .bind(self.organization.0)
        .fetch_all(&self.scratch.pool)
        .await
        .unwrap()
    }

    pub(super) async fn drop(self) {
        self.worker.hang_up().await;
        self.scratch.drop().await;
    }
}

pub(super) async fn record(pool: &PgPool, world: &World, events: &[Event]) {
    let posts: Vec<Uuid> = events.iter().map(|event| world.posts[event.post]).collect();
    let accounts: Vec<Uuid> = events.iter().map(|event| world.account_of(event.post)).collect();
    let types: Vec<&str> = events.iter().map(|event| event.of.as_str()).collect();
    let counts: Vec<i64> = events.iter().map(|event| event.count).collect();
    let times: Vec<DateTime<Utc>> = events.iter().map(|event| event.at).collect();
    sqlx::query(
        "with told as (
             select * from unnest($2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::timestamptz[])
                 as t (post, account, of, count, at)
         ),
         events as (
             insert into engagement_events (organization_id, published_post_id, event_type, count, occurred_at, source)
             select $1, post, of, count, at, 'poll' from told
         )
         insert into engagement_deltas (organization_id, published_post_id, platform_connection_id, event_type,
                                        count, occurred_at)
         select $1, post, account, of, count, at from told",
    )
    .bind(world.organization.0)
    .bind(posts)
    .bind(accounts)
    .bind(types)
    .bind(counts)
    .bind(times)
    .execute(pool)
    .await
    .unwrap();
}
