//! Approvals and what is scheduled, against a real database.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::super::tests::Fixture;
use super::super::*;
use crate::content_versions::Wording;
use crate::intents::Closing;
use crate::{Tx, content_requests, content_versions, organizations};
use jobs::{Code, IntentId};

const WHY: &str = "Not approved.";

impl Fixture {
    /// A schedule for tomorrow, in this status.
    async fn tomorrow(&self, status: &str) -> ScheduleId {
        let id = self.silent("scheduled", false).await;
        sqlx::query(
            "update schedules set scheduled_at = now() + interval '1 day', status = $2,
                 status_reason = case when $2 not in ('scheduled', 'publishing') then 'r' end
             where id = $1",
        )
        .bind(id.0)
        .bind(status)
        .execute(&self.scratch.pool)
        .await
        .unwrap();
        id
    }

    async fn require_approval(&self) {
        let mut tx = self.as_worker().await;
        organizations::require_approval(&mut tx, self.organization, true).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn approve(&self) {
        let mut tx = self.as_worker().await;
        content_requests::lock(&mut tx, self.request).await.unwrap().unwrap();
        content_versions::approve(&mut tx, self.request, "ann").await.unwrap();
        content_requests::approve(&mut tx, self.request, "ann").await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn rewrite(&self, text: &str) {
        let mut tx = self.as_worker().await;
        let to = Wording { text, suggested_hashtags: &[], suggested_image_prompt: None };
        content_versions::rewrite(&mut tx, self.version, to).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// What the worker is told when it asks whether the version may go out.
    async fn problem(&self) -> Option<Code> {
        let mut tx = self.as_worker().await;
        content_requests::share(&mut tx, self.version).await.unwrap();
        let checked =
            check_publishable(&mut tx, self.organization, self.version, self.connection).await;
        let api = self.scratch.log_in(crate::Login::Api).await;
        let mut acting = api.acting_for(self.organization).await.unwrap();
        let early =
            check_publishable(&mut acting, self.organization, self.version, self.connection).await;
        let code = checked.unwrap().err().map(|problem| problem.code);
        assert_eq!(early.unwrap().err().map(|problem| problem.code), code, "the API says the same");
        code
    }

    async fn on_its_way(&self, id: ScheduleId) -> Option<OnItsWay> {
        on_its_way(&mut *self.as_worker().await, &[id]).await.unwrap()
    }

    async fn status(&self, id: ScheduleId) -> (String, bool) {
        let schedule = self.schedule(id).await;
        (schedule.status, schedule.awaits_approval)
    }
}

/// Whether this transaction could lock the request now.
async fn can_lock(tx: &mut Tx, f: &Fixture) -> bool {
    sqlx::query("set local lock_timeout = '200ms'").execute(&mut **tx).await.unwrap();
    content_requests::lock(tx, f.request).await.is_ok()
}

#[tokio::test]
async fn content_goes_out_only_as_it_was_approved_where_that_is_required() {
    let f = Fixture::new().await;
    assert_eq!(f.problem().await, None, "nothing is required");
    f.require_approval().await;
    assert_eq!(f.problem().await, Some(Code::NotApproved));
    f.approve().await;
    assert_eq!(f.problem().await, None);
    f.rewrite("hello, you").await;
    assert_eq!(f.problem().await, Some(Code::NotApproved), "the hash is another one");
    f.rewrite("hello").await;
    assert_eq!(f.problem().await, None, "the approval is of the content, whoever wrote it");
    f.scratch.drop().await;
}

#[tokio::test]
async fn what_was_rejected_never_goes_out() {
    let f = Fixture::new().await;
    let mut tx = f.as_worker().await;
    content_requests::reject(&mut tx, f.request, "bob", "Too loud").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(f.problem().await, Some(Code::NotApproved), "although nothing is required");
    let mut tx = f.as_worker().await;
    content_requests::back_in_review(&mut tx, f.request).await.unwrap();
    let now = content_requests::get(&mut tx, f.request).await.unwrap().unwrap();
    assert_eq!((now.status.as_str(), now.rejected_by.as_deref()), ("in_review", Some("bob")));
    content_requests::approve(&mut tx, f.request, "ann").await.unwrap();
    let now = content_requests::get(&mut tx, f.request).await.unwrap().unwrap();
    assert_eq!((now.rejected_by, now.rejection_reason), (None, None));
    tx.commit().await.unwrap();
    assert_eq!(f.problem().await, None);
    f.scratch.drop().await;
}

#[tokio::test]
async fn whoever_sends_content_out_keeps_it_as_it_is_until_the_intent_is_there() {
    let f = Fixture::new().await;
    let (mut publisher, mut another) = (f.as_worker().await, f.as_worker().await);
    content_requests::share(&mut publisher, f.version).await.unwrap();
    content_requests::share(&mut another, f.version).await.unwrap();
    assert!(!can_lock(&mut f.as_worker().await, &f).await, "it is being sent out");
    publisher.commit().await.unwrap();
    assert!(!can_lock(&mut f.as_worker().await, &f).await, "by another one still");
    another.commit().await.unwrap();
    let mut reviewer = f.as_worker().await;
    assert!(can_lock(&mut reviewer, &f).await);
    assert!(!can_lock(&mut f.as_worker().await, &f).await, "two review at once");
    let mut publisher = f.as_worker().await;
    sqlx::query("set local lock_timeout = '200ms'").execute(&mut *publisher).await.unwrap();
    assert!(content_requests::share(&mut publisher, f.version).await.is_err());
    drop((reviewer, publisher));
    f.scratch.drop().await;
}

#[tokio::test]
async fn a_schedule_with_a_call_that_may_have_been_answered_is_on_its_way() {
    let f = Fixture::new().await;
    let id = f.tomorrow("publishing").await;
    assert_eq!(f.on_its_way(id).await, None, "media may still be uploaded");
    let (intent, _): (IntentId, bool) = f.intent(id, "hello").await;
    assert_eq!(f.on_its_way(id).await, Some(OnItsWay::BeingPublished(id)));
    f.close(intent, Closing::Unknown { reason: "reset" }).await;
    assert_eq!(f.on_its_way(id).await, Some(OnItsWay::MayBeOut(id)));
    f.close(intent, Closing::Absent { reason: "not seen" }).await;
    assert_eq!(f.on_its_way(id).await, None);
    let (intent, _) = f.intent(id, "hello").await;
    f.close(intent, Closing::Published { id: "1", url: "u" }).await;
    assert_eq!(f.on_its_way(id).await, Some(OnItsWay::BeingPublished(id)), "not written yet");
    let unconfirmed = f.tomorrow("unconfirmed").await;
    assert_eq!(f.on_its_way(unconfirmed).await, Some(OnItsWay::MayBeOut(unconfirmed)));
    let waiting = f.tomorrow("awaiting_platform").await;
    assert_eq!(f.on_its_way(waiting).await, Some(OnItsWay::BeingPublished(waiting)));
    f.scratch.drop().await;
}

#[tokio::test]
async fn the_schedules_of_content_are_those_that_may_still_go_out() {
    let f = Fixture::new().await;
    let mut live = Vec::new();
    for status in Status::ALL.into_iter().filter(|status| !status.recurs()) {
        if status == Status::Published {
            continue; // it needs a post
        }
        let id = f.tomorrow(status.as_str()).await;
        let is_over =
            matches!(status, Status::Failed | Status::Missed | Status::Skipped | Status::Cancelled);
        if !is_over {
            live.push(id);
        }
    }
    live.sort();
    let found = of_content(&mut *f.as_worker().await, f.request).await.unwrap();
    assert_eq!(found, live);
    f.scratch.drop().await;
}

#[tokio::test]
async fn a_schedule_waits_for_an_approval_until_it_goes_on_or_becomes_something_else() {
    let f = Fixture::new().await;
    let id = f.tomorrow("scheduled").await;
    let mut tx = f.as_worker().await;
    lock(&mut tx, id).await.unwrap().unwrap();
    await_approval(&mut tx, id, WHY, None).await.unwrap();
    assert_eq!(awaiting(&mut tx, f.organization).await.unwrap(), [id]);
    tx.commit().await.unwrap();
    assert_eq!(f.status(id).await, ("on_hold".to_owned(), true));
    let mut tx = f.as_worker().await;
    let entry = Entry { at: chrono::Utc::now(), outcome: "resumed", message: WHY, attempt: None };
    resume(&mut tx, id, &entry).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(f.status(id).await, ("scheduled".to_owned(), false));
    assert_eq!(f.schedule(id).await.attempt_log[0]["outcome"], "resumed");

    // Each other change ends the waiting; the scheduler's login may do its own.
    let held = async || {
        let mut tx = f.as_worker().await;
        await_approval(&mut tx, id, WHY, None).await.unwrap();
        tx.commit().await.unwrap();
    };
    held().await;
    let mut tx = f.as_scheduler().await;
    let change = Move { reason: Some("r"), ..Move::to(Status::Cancelled) };
    move_to(&mut tx, id, &change).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(f.status(id).await, ("cancelled".to_owned(), false));
    held().await;
    let mut tx = f.as_worker().await;
    restart(&mut tx, id, 0, None).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(f.status(id).await, ("scheduled".to_owned(), false));
    f.scratch.drop().await;
}

#[tokio::test]
async fn requiring_approval_holds_what_waits_and_is_not_approved() {
    let f = Fixture::new().await;
    let (waiting, over) = (f.tomorrow("scheduled").await, f.tomorrow("failed").await);
    f.approve().await;
    let held = async || {
        let mut tx = f.as_worker().await;
        let held = hold_unapproved(&mut tx, f.organization, WHY).await.unwrap();
        tx.commit().await.unwrap();
        held
    };
    assert_eq!(held().await, [], "it is approved");
    f.rewrite("another text").await;
    assert_eq!(held().await, [waiting]);
    assert_eq!(f.status(waiting).await, ("on_hold".to_owned(), true));
    assert_eq!(f.status(over).await, ("failed".to_owned(), false));
    f.scratch.drop().await;
}
