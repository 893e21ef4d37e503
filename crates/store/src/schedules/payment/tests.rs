//! Schedules of who does not pay, against a real database.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::super::tests::Fixture;
use super::super::*;
use crate::{Tx, billing};
use jobs::Code;

const WHY: &str = "Not paid.";

fn entry() -> Entry<'static> {
    Entry { at: chrono::Utc::now(), outcome: "on_hold", message: WHY, attempt: None }
}

impl Fixture {
    /// The organization is on hold from now on, or no longer.
    async fn is_on_hold(&self, yes: bool) {
        sqlx::query(
            "update organizations set billing_hold_at = case when $2 then now() - interval '1 s' end,
                 billing_hold_reason = case when $2 then 'Not paid.' end where id = $1",
        )
        .bind(self.organization.0)
        .bind(yes)
        .execute(&self.scratch.pool)
        .await
        .unwrap();
    }

    async fn waits(&self, id: ScheduleId) -> (String, bool) {
        let schedule = self.schedule(id).await;
        (schedule.status, schedule.awaits_payment)
    }
}

async fn impatient(tx: &mut Tx) {
    sqlx::query("set local lock_timeout = '200ms'").execute(&mut **tx).await.unwrap();
}

#[tokio::test]
async fn what_may_be_on_its_way_is_left_alone_and_the_rest_waits() {
    let f = Fixture::new().await;
    let (waits, begun) = (f.silent("scheduled", true).await, f.silent("publishing", true).await);
    let sent = f.silent("publishing", true).await;
    assert!(f.intent(sent, "sent").await.1);
    let unclear = f.silent("unconfirmed", true).await;
    let mut tx = f.as_worker().await;
    let locked = lock_all(&mut tx, f.organization).await.unwrap();
    assert_eq!(locked.len(), 3);
    assert_eq!(hold_unpaid(&mut tx, &locked, &entry()).await.unwrap(), 2);
    assert_eq!(awaiting_payment(&mut tx, f.organization, 9).await.unwrap(), [waits, begun]);
    assert_eq!(awaiting_payment(&mut tx, f.organization, 1).await.unwrap(), [waits]);
    tx.commit().await.unwrap();
    for id in [waits, begun] {
        assert_eq!(f.waits(id).await, ("on_hold".to_owned(), true));
        assert_eq!(f.schedule(id).await.attempt_log[0]["outcome"], "on_hold");
    }
    assert_eq!(f.waits(sent).await.0, "publishing");
    assert_eq!(f.waits(unclear).await.0, "unconfirmed");
    let told: i64 = sqlx::query_scalar(
        "select count(*) from events where type = 'post.on_hold' and subject_id = any ($1)",
    )
    .bind([waits.0, begun.0])
    .fetch_one(&f.scratch.pool)
    .await
    .unwrap();
    assert_eq!(told, 2);
    f.scratch.drop().await;
}

#[tokio::test]
async fn whoever_makes_a_schedule_wait_keeps_payments_from_coming_in_between() {
    let f = Fixture::new().await;
    f.is_on_hold(true).await;
    let (mut publisher, mut payer) = (f.as_worker().await, f.as_worker().await);
    let hold = billing::share_hold(&mut publisher, f.organization).await.unwrap();
    assert_eq!(hold.as_deref(), Some(WHY));
    impatient(&mut payer).await;
    assert!(billing::lock(&mut payer, f.organization).await.is_err(), "the payment waits");
    drop(payer);
    publisher.commit().await.unwrap();
    f.is_on_hold(false).await;
    let mut publisher = f.as_worker().await;
    assert_eq!(billing::share_hold(&mut publisher, f.organization).await.unwrap(), None);
    drop(publisher);
    f.scratch.drop().await;
}

#[tokio::test]
async fn nothing_may_go_out_of_who_is_on_hold_and_the_api_says_the_same() {
    let f = Fixture::new().await;
    let code = async || {
        let mut tx = f.as_worker().await;
        let checked =
            check_publishable(&mut tx, f.organization, f.version, f.connection).await.unwrap();
        let api = f.scratch.log_in(crate::Login::Api).await;
        let mut acting = api.acting_for(f.organization).await.unwrap();
        let early =
            check_publishable(&mut acting, f.organization, f.version, f.connection).await.unwrap();
        let code = checked.err().map(|problem| problem.code);
        assert_eq!(early.err().map(|problem| problem.code), code);
        code
    };
    assert_eq!(code().await, None);
    f.is_on_hold(true).await;
    assert_eq!(code().await, Some(Code::PaymentRequired));
    f.is_on_hold(false).await;
    assert_eq!(code().await, None);
    f.scratch.drop().await;
}

#[tokio::test]
async fn each_other_change_ends_the_waiting() {
    let f = Fixture::new().await;
    let id = f.silent("scheduled", false).await;
    let wait = async || {
        let mut tx = f.as_worker().await;
        await_payment(&mut tx, id, WHY, None).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(f.waits(id).await, ("on_hold".to_owned(), true));
    };
    wait().await;
    let mut tx = f.as_scheduler().await;
    let change = Move { reason: Some("r"), ..Move::to(Status::Cancelled) };
    move_to(&mut tx, id, &change).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(f.waits(id).await, ("cancelled".to_owned(), false));
    wait().await;
    let mut tx = f.as_worker().await;
    restart(&mut tx, id, 0, None).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(f.waits(id).await, ("scheduled".to_owned(), false));
    wait().await;
    let mut tx = f.as_worker().await;
    await_approval(&mut tx, id, WHY, None).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(f.waits(id).await, ("on_hold".to_owned(), false));
    wait().await;
    assert!(!f.schedule(id).await.awaits_approval, "one thing at a time");
    let mut tx = f.as_worker().await;
    resume(&mut tx, id, &entry()).await.unwrap();
    let locked = lock(&mut tx, id).await.unwrap().unwrap();
    miss(&mut tx, &locked, entry()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(f.waits(id).await, ("missed".to_owned(), false));
    f.scratch.drop().await;
}
