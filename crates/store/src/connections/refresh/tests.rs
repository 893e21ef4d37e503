//! The lease to refresh, and what may still be written by whoever lost it.

#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use std::sync::Arc;
use tokio::task::JoinSet;

use super::*;
use crate::connections::{self, SealedTokens};
use crate::organizations;
use crate::testing::Scratch;
use crate::{Login, Store};
use jobs::{Kind, NewJob, Origin};

const LENGTH: Duration = Duration::from_secs(60);

/// An organization with one connected account, seen through a worker's own login.
struct Stage {
    scratch: Scratch,
    store: Store,
    connection: ConnectionId,
    organization: OrganizationId,
}

impl Stage {
    async fn new() -> Stage {
        let scratch = Scratch::new().await;
        let store = scratch.log_in(Login::Worker).await;
        let organization = OrganizationId::new();
        let connection = ConnectionId::new();
        let mut tx = store.begin().await.unwrap();
        let new = organizations::NewOrganization {
            id: organization,
            name: "Acme",
            slug: "acme",
            plan: "starter",
            timezone: "UTC",
        };
        organizations::insert(&mut tx, new).await.unwrap();
        tx.commit().await.unwrap();
        let stage = Stage { scratch, store, connection, organization };
        stage.connect().await;
        stage
    }

    /// A person connects the account, or connects it again.
    async fn connect(&self) {
        let mut tx = self.store.begin().await.unwrap();
        let (organization, twitter) = (self.organization, Platform::Twitter);
        let id = ConnectionId::new();
        let id = if self.exists().await { id } else { self.connection };
        let placed = connections::place(&mut tx, id, organization, twitter, "7", "acme", "ann");
        assert_eq!(placed.await.unwrap(), self.connection, "the id stays");
        let tokens = SealedTokens {
            access: "access 0".into(),
            refresh: Some("refresh 0".into()),
            expires_at: Some(Utc::now() + chrono::TimeDelta::hours(2)),
            scopes: vec!["tweet.read".into()],
            metadata: json!({}),
        };
        connections::activate(&mut tx, self.connection, &tokens).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn exists(&self) -> bool {
        let mut conn = self.store.single().await.unwrap();
        connections::get(&mut conn, self.connection).await.unwrap().is_some()
    }

    async fn version(&self) -> i64 {
        let mut conn = self.store.single().await.unwrap();
        let sealed = connections::sealed_access_token(&mut conn, self.connection).await.unwrap();
        sealed.unwrap().version
    }

    async fn lease(&self, version: i64) -> Taken {
        let mut conn = self.store.single().await.unwrap();
        lease(&mut conn, self.connection, version, Uuid::now_v7(), LENGTH).await.unwrap()
    }

    async fn leased(&self, version: i64) -> Lease {
        match self.lease(version).await {
            Taken::Leased(lease) => lease,
            other => panic!("not leased: {other:?}"),
        }
    }

    async fn release(&self, lease: &Lease, ended: Ended) -> bool {
        let mut conn = self.store.single().await.unwrap();
        release(&mut conn, lease, ended).await.unwrap()
    }

    async fn rotate(&self, version: i64) -> Option<i64> {
        let tokens = Rotated {
            access: format!("access {version}"),
            refresh: Some(format!("refresh {version}")),
            expires_in: Some(Duration::from_secs(7200)),
            scopes: None,
        };
        let mut conn = self.store.single().await.unwrap();
        rotate(&mut conn, self.connection, version, &tokens).await.unwrap()
    }

    async fn give_up(&self, version: i64) -> GaveUp {
        let mut tx = self.store.begin().await.unwrap();
        let gave_up = give_up(&mut tx, self.connection, version, "gone").await.unwrap();
        tx.commit().await.unwrap();
        gave_up
    }

    async fn deactivate(&self, version: i64) -> bool {
        let mut conn = self.store.single().await.unwrap();
        connections::deactivate(&mut conn, self.connection, version, "refused").await.unwrap()
    }

    /// What only time does.
    async fn run(&self, sql: &'static str) {
        sqlx::query(sql).execute(&self.scratch.pool).await.unwrap();
    }

    async fn let_the_lease_run_out(&self) {
        self.run("update platform_connections set refresh_until = now() - interval '1 second'")
            .await;
    }

    async fn let_the_token_end(&self) {
        self.run("update platform_connections set token_expires_at = now() - interval '1 second'")
            .await;
    }

    async fn is_active(&self) -> bool {
        let mut conn = self.store.single().await.unwrap();
        connections::get(&mut conn, self.connection).await.unwrap().unwrap().is_active
    }

    async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.scratch.pool).await.unwrap()
    }

    async fn told(&self) -> i64 {
        self.count("select count(*) from events where type = 'connection.reconnect_needed'").await
    }

    async fn end(self) {
        self.scratch.drop().await;
    }
}

#[tokio::test]
async fn of_a_hundred_that_want_to_refresh_one_does() {
    let stage = Arc::new(Stage::new().await);
    let mut version = stage.version().await;
    for _ in 0..3 {
        let mut takers = JoinSet::new();
        for _ in 0..100 {
            let stage = Arc::clone(&stage);
            takers.spawn(async move { stage.lease(version).await });
        }
        let taken = takers.join_all().await;
        let leases: Vec<&Lease> = taken
            .iter()
            .filter_map(|taken| match taken {
                Taken::Leased(lease) => Some(lease),
                Taken::Busy { .. } => None,
                other => panic!("neither leased nor busy: {other:?}"),
            })
            .collect();
        assert_eq!(leases.len(), 1);
        let next = stage.rotate(version).await.expect("its tokens are current");
        assert!(matches!(stage.lease(version).await, Taken::Changed), "nobody refreshes again");
        version = next;
    }
    Arc::into_inner(stage).unwrap().end().await;
}

#[tokio::test]
async fn what_is_late_about_old_tokens_changes_nothing() {
    let stage = Stage::new().await;
    let old = stage.version().await;
    stage.leased(old).await;
    let new = stage.rotate(old).await.unwrap();
    assert!(!stage.deactivate(old).await, "a late 401");
    assert_eq!(stage.give_up(old).await, GaveUp::Nothing, "a late refusal");
    assert_eq!(stage.rotate(old).await, None, "late tokens");
    assert!(stage.is_active().await);

    stage.connect().await;
    assert!(!stage.deactivate(new).await, "a 401 from before the account was connected again");
    assert_eq!(stage.give_up(new).await, GaveUp::Nothing);
    assert_eq!(stage.rotate(new).await, None, "the tokens of a grant that was replaced");
    let newest = stage.version().await;
    assert!(stage.deactivate(newest).await && !stage.is_active().await);
    assert_eq!(stage.told().await, 0);
    stage.end().await;
}

#[tokio::test]
async fn new_tokens_are_kept_although_the_lease_ran_out() {
    let stage = Stage::new().await;
    let version = stage.version().await;
    let first = stage.leased(version).await;
    stage.let_the_lease_run_out().await;
    let second = stage.leased(version).await;
    assert_eq!(second.lost, 1, "the first may have called");
    assert!(!stage.release(&first, Ended::Untouched).await, "the lease is another's");
    assert!(stage.rotate(version).await.is_some(), "the first's answer came after all");
    assert_eq!(stage.give_up(version).await, GaveUp::Nothing, "the second was refused, of course");
    assert!(stage.is_active().await);
    stage.end().await;
}

#[tokio::test]
async fn a_dead_grant_is_told_once_and_its_jobs_wait_until_it_is_connected_again() {
    let stage = Stage::new().await;
    let version = stage.version().await;
    let mut job =
        NewJob::from_value(Origin::Worker, Some(stage.organization), Kind::PublishPost, json!({}));
    job.limit_keys = vec![connection_key(stage.connection)];
    let mut conn = stage.store.single().await.unwrap();
    ledger::enqueue(&mut conn, &[job]).await.unwrap();
    stage.leased(version).await;
    assert_eq!(stage.give_up(version).await, GaveUp::Disconnected);
    assert_eq!(stage.give_up(version).await, GaveUp::Nothing, "once");
    assert_eq!(stage.told().await, 1);
    assert!(matches!(stage.lease(version).await, Taken::Unusable));
    let keys = [connection_key(stage.connection)];
    assert!(ledger::closed(&mut conn, &keys).await.unwrap().is_some());
    // As the claim leaves it.
    stage
        .run(
            "update jobs set state = 'scheduled', run_at = '9999-12-31',
                 parked_by = limit_keys[1]",
        )
        .await;
    stage.connect().await;
    assert!(stage.is_active().await);
    assert_eq!(ledger::closed(&mut conn, &keys).await.unwrap(), None);
    assert_eq!(stage.count("select count(*) from jobs where run_at <= now()").await, 1);
    drop(conn);
    stage.end().await;
}

#[tokio::test]
async fn a_lost_answer_is_tried_once_more_and_then_the_access_token_is_used_up() {
    let stage = Stage::new().await;
    let version = stage.version().await;
    let lease = stage.leased(version).await;
    assert!(stage.release(&lease, Ended::Lost).await);
    let again = stage.leased(version).await;
    assert_eq!(again.lost, 1);
    let GaveUp::WorksUntil(_) = stage.give_up(version).await else { panic!("still good") };
    assert!(stage.is_active().await && stage.told().await == 0);
    assert!(matches!(stage.lease(version).await, Taken::Spent { ends_at: Some(_) }));
    stage.let_the_token_end().await;
    assert!(matches!(stage.lease(version).await, Taken::Spent { .. }));
    assert_eq!(stage.give_up(version).await, GaveUp::Disconnected);
    assert_eq!(stage.told().await, 1);
    stage.end().await;
}

#[tokio::test]
async fn two_lost_answers_spend_the_refresh_token_and_failures_do_not() {
    let stage = Stage::new().await;
    let version = stage.version().await;
    for ended in [Ended::Failed, Ended::Untouched, Ended::Failed, Ended::Lost, Ended::Failed] {
        let lease = stage.leased(version).await;
        assert!(stage.release(&lease, ended).await);
    }
    stage.leased(version).await;
    stage.let_the_lease_run_out().await;
    assert!(matches!(stage.lease(version).await, Taken::Spent { .. }), "lost, and a lost worker");
    assert!(stage.is_active().await);
    stage.connect().await;
    let version = stage.version().await;
    assert_eq!(stage.leased(version).await.lost, 0, "new tokens, nothing lost");
    stage.end().await;
}

#[tokio::test]
async fn tokens_that_were_wiped_do_not_come_back() {
    let stage = Stage::new().await;
    let version = stage.version().await;
    let lease = stage.leased(version).await;
    let mut conn = stage.store.single().await.unwrap();
    connections::wipe(&mut conn, stage.connection, "disconnected").await.unwrap();
    assert_eq!(stage.rotate(version).await, None);
    assert_eq!(stage.rotate(version + 1).await, None);
    assert!(!stage.release(&lease, Ended::Lost).await);
    assert!(matches!(stage.lease(version + 1).await, Taken::Unusable));
    drop(conn);
    stage.end().await;
}

/// What may happen to an account, in any order.
#[derive(Clone, Copy, Debug)]
enum Step {
    Lease,
    Rotate,
    Release(Ended),
    GiveUp,
    LateGiveUp,
    LateDeactivate,
    LateRotate,
    LeaseRunsOut,
    Reconnect,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ended = prop_oneof![Just(Ended::Untouched), Just(Ended::Failed), Just(Ended::Lost)];
    let step = prop_oneof![
        6 => Just(Step::Lease),
        2 => Just(Step::Rotate),
        3 => ended.prop_map(Step::Release),
        1 => Just(Step::GiveUp),
        1 => Just(Step::LateGiveUp),
        1 => Just(Step::LateDeactivate),
        1 => Just(Step::LateRotate),
        2 => Just(Step::LeaseRunsOut),
        1 => Just(Step::Reconnect),
    ];
    proptest::collection::vec(step, 1..40)
}

/// What should be known of the account.
#[derive(Default)]
struct Model {
    active: bool,
    /// The holder's lease, and whether it has run out.
    held: Option<(Lease, bool)>,
    lost: i32,
    doubt: bool,
    told: i64,
}

async fn walk(stage: &Stage, steps: &[Step]) {
    stage.connect().await;
    let mut version = stage.version().await;
    let mut model = Model { active: true, told: stage.told().await, ..Model::default() };
    for step in steps {
        match step {
            Step::Lease => {
                let ran_out = matches!(model.held, Some((_, true)));
                let lost = model.lost + i32::from(ran_out);
                match stage.lease(version).await {
                    Taken::Leased(lease) => {
                        assert!(model.active && (model.held.is_none() || ran_out));
                        assert!(lost < LOST_MAX && lease.lost == lost);
                        model.lost = lost;
                        model.doubt |= ran_out;
                        model.held = Some((lease, false));
                    }
                    Taken::Busy { .. } => assert!(matches!(model.held, Some((_, false)))),
                    Taken::Spent { .. } => assert!(model.active && lost >= LOST_MAX),
                    Taken::Unusable => assert!(!model.active),
                    Taken::Changed => panic!("the version is current"),
                }
            }
            Step::Rotate => {
                let next = stage.rotate(version).await.expect("current tokens are replaced");
                assert_eq!(next, version + 1);
                version = next;
                model = Model { active: model.active, told: model.told, ..Model::default() };
            }
            Step::Release(ended) => {
                if let Some((lease, _)) = model.held.take() {
                    assert!(stage.release(&lease, *ended).await);
                    assert!(!stage.release(&lease, *ended).await, "once");
                    model.lost += i32::from(*ended == Ended::Lost);
                    model.doubt |= *ended != Ended::Untouched;
                }
            }
            Step::GiveUp => match stage.give_up(version).await {
                GaveUp::Disconnected => {
                    assert!(model.active && !model.doubt);
                    model = Model { told: model.told + 1, lost: model.lost, ..Model::default() };
                }
                GaveUp::WorksUntil(_) => {
                    assert!(model.active && model.doubt);
                    model.held = None;
                    model.lost = model.lost.max(LOST_MAX);
                }
                GaveUp::Nothing => assert!(!model.active),
            },
            Step::LateGiveUp => assert_eq!(stage.give_up(version - 1).await, GaveUp::Nothing),
            Step::LateDeactivate => assert!(!stage.deactivate(version - 1).await),
            Step::LateRotate => assert_eq!(stage.rotate(version - 1).await, None),
            Step::LeaseRunsOut => {
                if let Some((_, ran_out)) = &mut model.held {
                    stage.let_the_lease_run_out().await;
                    *ran_out = true;
                }
            }
            Step::Reconnect => {
                stage.connect().await;
                version = stage.version().await;
                model = Model { active: true, told: model.told, ..Model::default() };
            }
        }
        assert_eq!(stage.is_active().await, model.active, "{step:?}");
        assert_eq!(stage.told().await, model.told, "{step:?}");
    }
}

#[test]
fn whatever_happens_in_whatever_order_old_news_change_nothing() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let stage = runtime.block_on(Stage::new());
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    runner
        .run(&steps(), |steps| {
            runtime.block_on(walk(&stage, &steps));
            Ok(())
        })
        .unwrap();
    runtime.block_on(stage.end());
}

#[tokio::test]
async fn a_token_is_sealed_anew_only_in_the_place_of_itself() {
    use crate::connections::keys::{Stored, reseal, stored};
    let stage = Stage::new().await;
    let mut conn = stage.store.single().await.unwrap();
    let [old] = &stored(&mut conn, None, 10).await.unwrap()[..] else { panic!("one account") };
    assert_eq!(
        (old.access.as_deref(), old.refresh.as_deref()),
        (Some("access 0"), Some("refresh 0"))
    );
    assert!(stored(&mut conn, Some(old.id), 10).await.unwrap().is_empty(), "behind the last");
    let new = Stored { access: Some("a".into()), refresh: Some("r".into()), ..old.clone() };
    let version = stage.version().await;
    let lease = stage.leased(version).await;
    assert!(reseal(&mut conn, old, &new).await.unwrap());
    assert!(!reseal(&mut conn, old, &new).await.unwrap(), "it is no longer what was opened");
    assert_eq!(stage.version().await, version, "they are the same tokens");
    assert!(stage.rotate(lease.version).await.is_some(), "a refresh goes on");
    assert!(!reseal(&mut conn, &new, old).await.unwrap(), "old tokens do not come back");
    connections::wipe(&mut conn, stage.connection, "disconnected").await.unwrap();
    assert!(stored(&mut conn, None, 10).await.unwrap().is_empty());
    drop(conn);
    stage.end().await;
}
