#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::Login;
use crate::ledger;
use crate::organizations::{self, NewOrganization};
use crate::testing::Scratch;
use crate::usage::{self, Ended, Metric};
use jobs::{Kind, NewJob, Origin};
use serde_json::json;

const NEW: NewContentRequest<'_> = NewContentRequest {
    id: ContentRequestId(Uuid::nil()),
    organization: OrganizationId(Uuid::nil()),
    title: "t",
    brief: "b",
    platforms: &[],
    status: "generating",
    created_by: "ann",
};

/// A job that generates a request, with its reservation; and one that has ended.
async fn stage(scratch: &Scratch) -> (OrganizationId, [ContentRequestId; 2]) {
    let organization = OrganizationId::new();
    let mut tx = scratch.store.begin().await.unwrap();
    let acme = NewOrganization {
        id: organization,
        name: "Acme",
        slug: "acme",
        plan: "starter",
        timezone: "UTC",
    };
    organizations::insert(&mut tx, acme).await.unwrap();
    let mut requests = [ContentRequestId::new(), ContentRequestId::new()];
    requests.sort_unstable();
    for (nth, id) in requests.into_iter().enumerate() {
        let args = json!({});
        let job = NewJob::from_value(Origin::Api, Some(organization), Kind::GenerateContent, args);
        let platforms = ["TWITTER".to_owned()];
        let new = NewContentRequest { id, organization, platforms: &platforms, ..NEW };
        insert_generating(&mut tx, new, job.id).await.unwrap();
        let reserved =
            usage::reserve(&mut tx, organization, Metric::Generations, job.id.0, Some(job.id));
        reserved.await.unwrap();
        if nth == 0 {
            ledger::enqueue(&mut tx, &[job]).await.unwrap();
        }
    }
    tx.commit().await.unwrap();
    (organization, requests)
}

#[tokio::test]
async fn what_a_job_left_behind_fails_and_is_given_back_by_the_schedulers_own_login() {
    let scratch = Scratch::new().await;
    let (organization, [live, ended]) = stage(&scratch).await;
    let scheduler = scratch.log_in(Login::Scheduler).await;
    let mut tx = scheduler.begin().await.unwrap();
    let adrift = fail_adrift(&mut tx, 10).await.unwrap();
    assert_eq!(adrift.iter().map(|adrift| adrift.id).collect::<Vec<_>>(), [ended]);
    assert_eq!(adrift[0].organization, organization);
    assert!(adrift[0].reason.contains("its job ended"), "{}", adrift[0].reason);
    assert!(usage::end(&mut tx, adrift[0].job.0, Ended::Released).await.unwrap());
    assert_eq!(fail_adrift(&mut tx, 10).await.unwrap().len(), 0, "it has failed");
    tx.commit().await.unwrap();
    // What has no request is swept, once its job cannot be about to come.
    let old = "update usage_reservations set reserved_at = now() - interval '2 minutes'";
    sqlx::query(old).execute(&scratch.pool).await.unwrap();
    let gone = "delete from jobs";
    let mut tx = scheduler.begin().await.unwrap();
    assert_eq!(usage::sweep(&mut tx, 10).await.unwrap(), 0, "its job is live");
    sqlx::query(gone).execute(&scratch.pool).await.unwrap();
    assert_eq!(usage::sweep(&mut tx, 10).await.unwrap(), 1);
    tx.commit().await.unwrap();
    let mut conn = scratch.store.single().await.unwrap();
    let used = usage::present(&mut conn, organization).await.unwrap()[0].clone();
    assert_eq!((used.used, used.reserved), (0, 0));
    let statuses = [live, ended].map(async |id| {
        let mut conn = scratch.store.single().await.unwrap();
        get(&mut conn, id).await.unwrap().unwrap().status
    });
    assert_eq!(futures::future::join_all(statuses).await, ["generating", "failed"]);
    drop(conn);
    scratch.drop().await;
}

#[tokio::test]
async fn only_what_is_being_generated_can_be_generated_or_fail() {
    let scratch = Scratch::new().await;
    let (_, [request, _]) = stage(&scratch).await;
    let mut tx = scratch.store.begin().await.unwrap();
    assert!(generated(&mut tx, request).await.unwrap());
    assert!(!not_generated(&mut tx, request, "too late").await.unwrap());
    assert!(!generated(&mut tx, request).await.unwrap());
    let row = get(&mut tx, request).await.unwrap().unwrap();
    assert_eq!((row.status.as_str(), row.failure_reason), ("in_review", None));
    drop(tx);
    scratch.drop().await;
}
