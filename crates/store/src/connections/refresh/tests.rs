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
        self.connect_with(Some("refresh 0")).await;
    }

    async fn connect_with(&self, refresh: Option<&str>) {
        let mut tx = self.store.begin().await.unwrap();
        let (organization, twitter) = (self.organization, Platform::Twitter);
        let id = ConnectionId::new();
        let id = if self.exists().await { id } else { self.connection };
        let placed = connections::place(&mut tx, id, organization, twitter, "7", "acme", "ann");
        assert_eq!(placed.await.unwrap().id, self.connection, "the id stays");
        let tokens = SealedTokens {
            access: "access 0".into(),
            refresh: refresh.map(str::to_owned),
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

    async fn over(&self, version: i64, refused: bool) -> Over {
        let mut conn = self.store.single().await.unwrap();
        over(&mut conn, self.connection, version, refused).await.unwrap()
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
    assert_eq!(stage.over(old, true).await, Over::Replaced, "a late 401");
    assert_eq!(stage.give_up(old).await, GaveUp::Nothing, "a late refusal");
    assert_eq!(stage.rotate(old).await, None, "late tokens");
    assert!(stage.is_active().await);

    stage.connect().await;
    let late = stage.over(new, true).await;
    assert_eq!(late, Over::Replaced, "a 401 from before the account was connected again");
    assert_eq!(stage.give_up(new).await, GaveUp::Nothing);
    assert_eq!(stage.rotate(new).await, None, "the tokens of a grant that was replaced");
    assert!(stage.is_active().await && stage.told().await == 0);
    stage.end().await;
}

#[tokio::test]
async fn new_tokens_are_kept_although_the_lease_ran_out() {
    let stage = Stage::new().await;
    let version = stage.version().await;
    let first = stage.leased(version).await;
    stage.let_the_lease_run_out().await;
    let second = stage.leased(version).await;
    assert!(!first.in_doubt && second.in_doubt, "the first may have called");
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
    assert!(stage.release(&lease, Ended::Doubtful).await);
    let again = stage.leased(version).await;
    assert!(again.in_doubt);
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
async fn neither_failures_nor_lost_answers_end_the_tries() {
    let stage = Stage::new().await;
    let version = stage.version().await;
    for ended in [Ended::Untouched, Ended::Doubtful, Ended::Doubtful, Ended::Untouched] {
        let lease = stage.leased(version).await;
        assert!(stage.release(&lease, ended).await);
    }
    stage.leased(version).await;
    stage.let_the_lease_run_out().await;
    stage.let_the_token_end().await;
    assert!(stage.leased(version).await.in_doubt, "lost answers, a lost worker, an ended token");
    assert!(stage.is_active().await);
    stage.connect().await;
    let version = stage.version().await;
    assert!(!stage.leased(version).await.in_doubt, "new tokens, nothing lost");
    stage.end().await;
}

#[tokio::test]
async fn a_token_that_the_network_refused_is_over_unless_it_was_replaced() {
    let stage = Stage::new().await;
    let version = stage.version().await;
    let mut conn = stage.store.single().await.unwrap();
    let is_over = async |conn: &mut Conn| {
        connections::sealed_access_token(conn, stage.connection).await.unwrap().unwrap().is_over
    };
    assert!(!is_over(&mut conn).await);
    assert_eq!(stage.over(version - 1, true).await, Over::Replaced);
    assert!(!is_over(&mut conn).await, "a late 401");
    for _ in 0..2 {
        assert_eq!(stage.over(version, true).await, Over::Refresh, "many meet the same token");
    }
    assert!(is_over(&mut conn).await);
    stage.leased(version).await;
    let version = stage.rotate(version).await.unwrap();
    assert!(!is_over(&mut conn).await);
    assert_eq!(stage.over(version, false).await, Over::Refresh, "nobody refused it");
    assert_eq!(stage.over(version, true).await, Over::Again, "the next one is refused as well");
    stage.run("update platform_connections set refused_at = refused_at - interval '1 hour'").await;
    assert_eq!(stage.over(version, true).await, Over::Refresh, "long ago");
    stage.connect_with(None).await;
    let version = stage.version().await;
    assert!(matches!(stage.lease(version).await, Taken::Unrefreshable { ends_at: Some(_) }));
    drop(conn);
    stage.end().await;
}

#[tokio::test]
async fn what_ends_soon_is_due_and_what_lives_short_is_due_late() {
    let stage = Stage::new().await;
    let scheduler = stage.scratch.log_in(Login::Scheduler).await;
    let is_due = async |sql: &'static str| {
        stage.run(sql).await;
        let mut conn = scheduler.single().await.unwrap();
        let due = due(&mut conn, Duration::from_secs(1200), 10).await.unwrap();
        due.iter().any(|due| due.connection_id == stage.connection)
    };
    assert!(!is_due("update platform_connections set tokens_at = now() - interval '1 hour', token_expires_at = now() + interval '1 hour'").await);
    assert!(is_due("update platform_connections set tokens_at = now() - interval '2 hours', token_expires_at = now() + interval '14 minutes'").await);
    assert!(!is_due("update platform_connections set tokens_at = now(), token_expires_at = now() + interval '1 minute'").await);
    assert!(is_due("update platform_connections set tokens_at = now() - interval '45 seconds', token_expires_at = now() + interval '15 seconds'").await);
    assert!(!is_due("update platform_connections set refresh_spent = true").await);
    assert!(
        is_due("update platform_connections set token_expires_at = now() - interval '1 second'")
            .await,
        "somebody must say so"
    );
    assert!(
        !is_due("update platform_connections set is_active = false, inactive_reason = 'gone'")
            .await
    );
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
    assert!(!stage.release(&lease, Ended::Doubtful).await);
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
    LateRefusal,
    LateRotate,
    LeaseRunsOut,
    Reconnect,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ended = prop_oneof![Just(Ended::Untouched), Just(Ended::Doubtful)];
    let step = prop_oneof![
        6 => Just(Step::Lease),
        2 => Just(Step::Rotate),
        3 => ended.prop_map(Step::Release),
        1 => Just(Step::GiveUp),
        1 => Just(Step::LateGiveUp),
        1 => Just(Step::LateRefusal),
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
    doubt: bool,
    spent: bool,
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
                match stage.lease(version).await {
                    Taken::Leased(lease) => {
                        assert!(model.active && (model.held.is_none() || ran_out));
                        model.doubt |= ran_out;
                        assert!(!model.spent && lease.in_doubt == model.doubt);
                        model.held = Some((lease, false));
                    }
                    Taken::Busy { .. } => assert!(matches!(model.held, Some((_, false)))),
                    Taken::Spent { .. } => assert!(model.active && model.spent),
                    Taken::Unrefreshable { .. } => panic!("it has a refresh token"),
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
                    model.doubt |= *ended == Ended::Doubtful;
                }
            }
            Step::GiveUp => match stage.give_up(version).await {
                GaveUp::Disconnected => {
                    assert!(model.active && !model.doubt);
                    model = Model { told: model.told + 1, ..Model::default() };
                }
                GaveUp::WorksUntil(_) => {
                    assert!(model.active && model.doubt);
                    model.held = None;
                    model.spent = true;
                }
                GaveUp::Nothing => assert!(!model.active),
            },
            Step::LateGiveUp => assert_eq!(stage.give_up(version - 1).await, GaveUp::Nothing),
            Step::LateRefusal => assert_eq!(stage.over(version - 1, true).await, Over::Replaced),
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
