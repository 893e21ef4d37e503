//! Schedules and intents against a real database, under the logins that run them.

#![expect(clippy::unwrap_used, reason = "tests")]

mod early;
mod late;
mod recurring;
mod wall_times;

use chrono::{TimeDelta, Utc};
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

use super::*;
use crate::intents::{self, Closing, NewIntent, Standing};
use crate::testing::Scratch;
use crate::{
    Claim, Login, Store, Tx, connections, content_requests, content_versions, ledger,
    organizations, usage,
};
use jobs::kinds::PublishPost;
use jobs::{AttachmentId, Code, ContentRequestId, IntentId, JobId, NewJob, Origin, PostId};
use platforms::Platform;

pub(super) struct Fixture {
    pub(super) scratch: Scratch,
    pub(super) worker: Store,
    scheduler: Store,
    pub(super) organization: OrganizationId,
    pub(super) connection: ConnectionId,
    pub(super) request: ContentRequestId,
    pub(super) version: ContentVersionId,
}

impl Fixture {
    /// An organization with one connected account and one text.
    pub(super) async fn new() -> Fixture {
        let scratch = Scratch::new().await;
        let organization = OrganizationId::new();
        let version = ContentVersionId::new();
        let mut tx = scratch.store.begin().await.unwrap();
        let new = organizations::NewOrganization {
            id: organization,
            name: "Acme",
            slug: "acme",
            plan: "starter",
            timezone: "UTC",
        };
        organizations::insert(&mut tx, new).await.unwrap();
        let connection = ConnectionId::new();
        let twitter = Platform::Twitter;
        connections::place(&mut tx, connection, organization, twitter, "7", "acme", "ann")
            .await
            .unwrap();
        let tokens = connections::SealedTokens {
            access: "sealed".into(),
            refresh: None,
            expires_at: None,
            scopes: vec![],
            metadata: json!({}),
        };
        connections::activate(&mut tx, connection, &tokens).await.unwrap();
        let request = ContentRequestId::new();
        let new = content_requests::NewContentRequest {
            id: request,
            organization,
            title: "t",
            brief: "",
            platforms: &["TWITTER".to_owned()],
            status: "in_review",
            created_by: "ann",
        };
        content_requests::insert(&mut tx, new).await.unwrap();
        let new = content_versions::NewContentVersion {
            id: version,
            organization,
            content_request: request,
            platform: "TWITTER",
            text: "hello",
            suggested_hashtags: &[],
            suggested_image_prompt: None,
            is_selected: true,
            created_by: "ann",
        };
        content_versions::insert(&mut tx, new).await.unwrap();
        tx.commit().await.unwrap();
        let worker = scratch.log_in(Login::Worker).await;
        let scheduler = scratch.log_in(Login::Scheduler).await;
        Fixture { scratch, worker, scheduler, organization, connection, request, version }
    }

    /// Another text of the same request.
    async fn another_version(&self) -> ContentVersionId {
        let id = ContentVersionId::new();
        let new = content_versions::NewContentVersion {
            id,
            organization: self.organization,
            content_request: self.request,
            platform: "TWITTER",
            text: "hello again",
            suggested_hashtags: &[],
            suggested_image_prompt: None,
            is_selected: false,
            created_by: "ann",
        };
        let mut tx = self.begin().await;
        content_versions::insert(&mut tx, new).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// What somebody schedules, for this moment.
    pub(super) fn scheduled(&self, id: ScheduleId, at: DateTime<Utc>) -> NewSchedule<'static> {
        NewSchedule {
            id,
            organization_id: self.organization,
            content_version_id: self.version,
            platform_connection_id: self.connection,
            scheduled_at: at,
            wall_time: at.naive_utc(),
            timezone: "UTC",
            max_retries: 3,
            catch_up: jobs::CatchUp::Latest,
            catch_up_secs: 3600,
            created_by: "ann",
        }
    }

    /// A schedule that went silent a minute ago, in this status.
    pub(super) async fn silent(&self, status: &str, planned: bool) -> ScheduleId {
        let id = ScheduleId::new();
        let mut tx = self.begin().await;
        let at = Utc::now() - TimeDelta::minutes(1);
        insert(&mut tx, &self.scheduled(id, at)).await.unwrap();
        sqlx::query(
            "update schedules set status = $2, status_reason = case when $2 = 'unconfirmed' then 'r' end,
                 updated_at = now() - interval '1 minute',
                 publish_planned_at = case when $3 then now() - interval '1 minute' end
             where id = $1",
        )
        .bind(id.0)
        .bind(status)
        .bind(planned)
        .execute(&mut *tx)
        .await
        .unwrap();
        tx.commit().await.unwrap();
        id
    }

    pub(super) async fn begin(&self) -> Tx {
        self.scratch.store.begin().await.unwrap()
    }

    pub(super) async fn as_worker(&self) -> Tx {
        self.worker.begin().await.unwrap()
    }

    pub(super) async fn as_scheduler(&self) -> Tx {
        self.scheduler.begin().await.unwrap()
    }

    pub(super) async fn intent(&self, schedule: ScheduleId, text: &str) -> (IntentId, bool) {
        let id = IntentId::new();
        let new = NewIntent {
            id,
            organization_id: self.organization,
            schedule_id: schedule,
            platform_connection_id: self.connection,
            claim: Claim { job_id: JobId::new(), claim_no: 1 },
            text_hash: [text.len().try_into().unwrap(); 32],
            text,
            media_ids: &[],
            send_window: Duration::ZERO,
            request_timeout: Duration::ZERO,
        };
        let mut tx = self.as_worker().await;
        let opened = intents::open(&mut tx, &new).await.unwrap();
        tx.commit().await.unwrap();
        (id, opened)
    }

    pub(super) async fn close(&self, intent: IntentId, closing: Closing<'_>) -> bool {
        intents::record(&self.worker, intent, &closing).await.unwrap()
    }

    async fn mend(&self) -> Vec<(ScheduleId, Mending)> {
        let mut tx = self.as_scheduler().await;
        let mended = mend_adrift(&mut tx, 10).await.unwrap();
        tx.commit().await.unwrap();
        mended.into_iter().map(|m| (m.schedule_id, m.mending)).collect()
    }

    pub(super) async fn schedule(&self, id: ScheduleId) -> Schedule {
        get(&mut *self.begin().await, id).await.unwrap().unwrap()
    }

    async fn live(&self, key: String) -> bool {
        sqlx::query_scalar("select exists (select from jobs where unique_key = $1)")
            .bind(key)
            .fetch_one(&mut *self.begin().await)
            .await
            .unwrap()
    }
}

const PUBLISHED: Closing<'static> =
    Closing::Published { id: "42", url: "https://x.com/acme/status/42" };

#[tokio::test]
async fn a_due_schedule_is_planned_once_however_many_schedulers_look() {
    let f = Fixture::new().await;
    let id = f.silent("scheduled", false).await;
    let ahead = Duration::from_secs(60);
    let mut first = f.as_scheduler().await;
    let mut second = f.as_scheduler().await;
    let due = due_to_publish(&mut first, ahead, 10).await.unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!((due[0].schedule_id, due[0].max_retries), (id, 3));
    assert_eq!((due[0].platform, due[0].account_id.as_str()), (Platform::Twitter, "7"));
    assert!(due_to_publish(&mut second, ahead, 10).await.unwrap().is_empty());
    first.commit().await.unwrap();
    assert!(due_to_publish(&mut second, ahead, 10).await.unwrap().is_empty());
    assert!(due_to_prepare(&mut second, ahead, 10).await.unwrap().is_empty(), "it has no media");
    second.commit().await.unwrap();
    f.scratch.drop().await;
}

#[tokio::test]
async fn a_definite_answer_beats_unknown_and_nothing_beats_a_definite_one() {
    let f = Fixture::new().await;
    let schedule = f.silent("publishing", true).await;
    let (intent, opened) = f.intent(schedule, "hello").await;
    assert!(opened);
    assert!(f.close(intent, Closing::Unknown { reason: "reset" }).await);
    assert!(!f.close(intent, Closing::Unknown { reason: "again" }).await);
    assert!(f.close(intent, PUBLISHED).await);
    assert!(!f.close(intent, Closing::Absent { reason: "not seen" }).await);
    let mut tx = f.begin().await;
    let found = intents::lock_current(&mut tx, schedule).await.unwrap().unwrap();
    assert!(matches!(found.standing(), Standing::Published { id, .. } if id == "42"));
    drop(tx);
    f.scratch.drop().await;
}

#[tokio::test]
async fn an_open_call_keeps_everybody_else_from_the_schedule_and_from_the_same_text() {
    let f = Fixture::new().await;
    let (one, two) = (f.silent("publishing", true).await, f.silent("publishing", true).await);
    let (intent, _) = f.intent(one, "hello").await;
    assert!(!f.intent(one, "other").await.1, "one open call for a schedule");
    assert!(!f.intent(two, "hello").await.1, "one open call for a text on an account");
    assert!(f.intent(two, "something else").await.1);
    f.close(intent, Closing::NotSent { reason: "no route" }).await;
    assert!(f.intent(one, "hello").await.1);
    f.scratch.drop().await;
}

#[tokio::test]
async fn a_schedule_whose_job_is_gone_is_mended_by_what_its_call_says() {
    let f = Fixture::new().await;
    let never_called = f.silent("scheduled", true).await;
    let maybe_called = f.silent("publishing", true).await;
    let called = f.silent("publishing", true).await;
    let forgotten = f.silent("unconfirmed", true).await;
    let (maybe, _) = f.intent(maybe_called, "maybe").await;
    let (sure, _) = f.intent(called, "sure!!").await;
    f.close(sure, PUBLISHED).await;
    let (lost, _) = f.intent(forgotten, "l").await;
    f.close(lost, Closing::Unknown { reason: "reset" }).await;

    let mut mended = f.mend().await;
    mended.sort_by_key(|(id, _)| *id);
    let mut expected = vec![
        (never_called, Mending::Fail),
        (maybe_called, Mending::LookUp),
        (called, Mending::Record),
        (forgotten, Mending::AskPerson),
    ];
    expected.sort_by_key(|(id, _)| *id);
    assert_eq!(mended, expected);
    assert_eq!(f.schedule(never_called).await.status, "failed");
    assert_eq!(f.schedule(maybe_called).await.status, "unconfirmed");
    assert!(f.live(reconcile_key(maybe)).await);
    assert!(f.live(publish_key(called)).await);
    assert!(f.mend().await.is_empty(), "once is enough");
    let told: i64 = sqlx::query_scalar("select count(*) from events where type like 'post.%'")
        .fetch_one(&f.scratch.pool)
        .await
        .unwrap();
    assert_eq!(told, 3);
    f.scratch.drop().await;
}

#[tokio::test]
async fn a_schedule_with_a_live_job_is_left_alone() {
    let f = Fixture::new().await;
    let id = f.silent("publishing", true).await;
    let args = PublishPost { schedule_id: id };
    let mut job = NewJob::new(Origin::Scheduler, Some(f.organization), &args);
    job.unique_key = Some(publish_key(id));
    let mut tx = f.as_scheduler().await;
    ledger::enqueue(&mut tx, &[job.clone()]).await.unwrap();
    tx.commit().await.unwrap();
    assert!(f.mend().await.is_empty());
    let mut tx = f.as_worker().await;
    let live = live_jobs(&mut tx, id).await.unwrap();
    assert_eq!(live, [LiveJob { id: job.id, publishes: true, running: false }]);
    tx.commit().await.unwrap();
    f.scratch.drop().await;
}

#[tokio::test]
async fn what_happens_to_a_schedule_is_written_and_logged() {
    let f = Fixture::new().await;
    let id = f.silent("scheduled", true).await;
    let mut tx = f.as_worker().await;
    let locked = lock(&mut tx, id).await.unwrap().unwrap();
    let entry = Entry { at: locked.now, outcome: "retry", message: "no route", attempt: Some(1) };
    let change = Move {
        error: Some("no route"),
        failed_attempts: 1,
        entry: Some(entry),
        ..Move::to(Status::Scheduled)
    };
    move_to(&mut tx, id, &change).await.unwrap();
    let attachment = AttachmentId::new();
    for media_id in ["m1", "m2"] {
        let upload = Prepared {
            attachment_id: attachment,
            media_id: media_id.into(),
            expires_at: Some(locked.now),
        };
        save_prepared(&mut tx, id, &upload).await.unwrap();
    }
    let locked = lock(&mut tx, id).await.unwrap().unwrap();
    assert_eq!(locked.retry_count, 1);
    assert_eq!(locked.last_outcome.as_deref(), Some("retry"));
    assert_eq!(locked.prepared_media.len(), 1, "the newer upload takes the older one's place");
    assert_eq!(locked.prepared_media[0].media_id, "m2");
    let held = put_on_hold(&mut tx, f.connection, "The account was disconnected.").await.unwrap();
    assert_eq!(held, [id]);
    connections::wipe(&mut tx, f.connection, "The account was disconnected.").await.unwrap();
    assert!(connections::sealed_access_token(&mut tx, f.connection).await.unwrap().is_none());
    tx.commit().await.unwrap();
    let seen = f.schedule(id).await;
    assert_eq!(
        (seen.status.as_str(), seen.error_message.as_deref()),
        ("on_hold", Some("no route"))
    );
    assert_eq!(seen.attempt_log[0]["outcome"], "retry");
    f.scratch.drop().await;
}

#[tokio::test]
async fn the_api_checks_content_with_its_own_rights_and_sees_no_other_organization() {
    let f = Fixture::new().await;
    let api = f.scratch.log_in(Login::Api).await;
    let mut tx = api.acting_for(f.organization).await.unwrap();
    let checked =
        check_publishable(&mut tx, f.organization, f.version, f.connection).await.unwrap();
    assert_eq!(checked.unwrap().text, "hello");
    assert!(
        connections::list(&mut tx, &connections::Filter::default(), all()).await.unwrap().len()
            == 1
    );
    list(&mut tx, &Filter::default(), all()).await.unwrap();
    intents::list(&mut tx, &intents::Filter::default(), all()).await.unwrap();
    let other = OrganizationId::new();
    let checked = check_publishable(&mut tx, other, f.version, f.connection).await.unwrap();
    assert_eq!(checked.unwrap_err().code, Code::NotFound);
    assert!(connections::sealed_access_token(&mut tx, f.connection).await.is_err(), "no token");
    drop(tx);
    f.scratch.drop().await;
}

fn all() -> Page {
    Page { before: None, limit: 10 }
}

#[tokio::test]
async fn a_post_belongs_to_one_schedule() {
    let f = Fixture::new().await;
    let (one, two) = (f.silent("publishing", true).await, f.silent("publishing", true).await);
    let mut tx = f.as_worker().await;
    let mut inserted = Vec::new();
    for schedule_id in [one, one, two] {
        let post = crate::published_posts::NewPost {
            id: PostId(Uuid::now_v7()),
            organization_id: f.organization,
            schedule_id,
            content_version_id: f.version,
            platform_connection_id: f.connection,
            platform_post_id: "42",
            platform_post_url: "u",
            published_at: Utc::now(),
        };
        inserted.push(crate::published_posts::insert(&mut tx, &post).await.unwrap());
    }
    assert_eq!(inserted, [true, false, false]);
    let ids = ["41".to_owned(), "42".to_owned()];
    let known = crate::published_posts::known(&mut tx, Platform::Twitter, "7", &ids).await.unwrap();
    assert_eq!(known, ["42"]);
    tx.commit().await.unwrap();
    f.scratch.drop().await;
}
