//! What an enqueue answers against what the ledger shows.

#![expect(clippy::unwrap_used, reason = "tests")]

use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Enqueued, enqueue, enqueue_shown};
use crate::ledger::{JobFilter, get, get_many, list, pause};
use crate::testing::Scratch;
use crate::{Error, Login, Page};
use jobs::{Kind, NewJob, OrganizationId, Origin};

fn job(organization: OrganizationId, title: &str) -> NewJob {
    let args = json!({ "title": title, "versions": [{ "platform": "TWITTER", "text": title }] });
    let mut job = NewJob::from_value(Origin::Api, Some(organization), Kind::CreateContent, args);
    job.actor = "anna".to_owned();
    job
}

/// What a job waits for, without what is counted.
fn wait(waiting: Option<&Value>) -> Value {
    let mut waiting = waiting.unwrap().clone();
    waiting.as_object_mut().unwrap().remove("ahead");
    waiting
}

#[tokio::test]
async fn an_enqueue_answers_what_the_ledger_shows_then() {
    let scratch = Scratch::new().await;
    let api = scratch.log_in(Login::Api).await;
    let (mine, paused) = (OrganizationId::new(), OrganizationId::new());
    let mut conn = scratch.pool.acquire().await.unwrap();
    pause(&mut conn, Uuid::now_v7(), Some(paused), None, "too much", "eve").await.unwrap();
    drop(conn);
    for organization in [mine, paused] {
        let mut jobs = vec![job(organization, "now"), job(organization, "later")];
        jobs[1].run_at = Some(chrono::Utc::now() + TimeDelta::hours(1));
        jobs[1].priority = 7;
        jobs[1].max_attempts = 2;
        jobs[1].limit_keys = vec!["a".to_owned(), "b".to_owned()];
        let mut tx = api.acting_for(organization).await.unwrap();
        let mut fresh = enqueue_shown(&mut tx, jobs.iter()).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = api.acting_for(organization).await.unwrap();
        for (job, code) in jobs.into_iter().zip(["queued", "due"]) {
            let id = job.id;
            let told = fresh.remove(&id).unwrap().view(job);
            let shown = get_many(&mut tx, &[id]).await.unwrap().pop().unwrap();
            assert_eq!(json!(told), json!(shown));
            let one = get(&mut tx, id).await.unwrap().unwrap();
            assert_eq!(wait(one.waiting.as_ref()), wait(shown.waiting.as_ref()));
            let expected = if organization == paused { "paused" } else { code };
            assert_eq!(shown.waiting.unwrap()["code"], expected);
        }
        drop(tx);
    }
    let keys: Vec<i32> = sqlx::query_scalar("select cardinality(limit_keys) from jobs order by id")
        .fetch_all(&scratch.pool)
        .await
        .unwrap();
    assert_eq!(keys, [0, 2, 0, 2]);
    scratch.drop().await;
}

#[tokio::test]
async fn only_a_single_job_is_shown_with_how_many_stand_ahead_of_it() {
    let scratch = Scratch::new().await;
    let organization = OrganizationId::new();
    let jobs: Vec<NewJob> = (0..3).map(|n| job(organization, &n.to_string())).collect();
    let mut tx = scratch.store.begin().await.unwrap();
    let fresh = enqueue_shown(&mut tx, jobs.iter()).await.unwrap();
    assert!(fresh.values().all(|one| one.waiting.as_ref().unwrap().get("ahead").is_none()));
    let last = get(&mut tx, jobs[2].id).await.unwrap().unwrap();
    assert_eq!(last.waiting.unwrap()["ahead"], 2);
    let page = Page { before: None, limit: 9 };
    let listed = list(&mut tx, &JobFilter::default(), page).await.unwrap();
    assert_eq!(listed.len(), 3);
    assert!(listed.iter().all(|one| one.waiting
        == Some(json!({
        "code": "queued", "message": "waits for a free slot" }))));
    drop(tx);
    scratch.drop().await;
}

#[tokio::test]
async fn of_jobs_with_one_unique_key_one_is_inserted() {
    let scratch = Scratch::new().await;
    let mut jobs = [job(OrganizationId::new(), "one"), job(OrganizationId::new(), "two")];
    for job in &mut jobs {
        job.unique_key = Some("only".to_owned());
    }
    let mut tx = scratch.store.begin().await.unwrap();
    let told = enqueue(&mut tx, &jobs).await.unwrap();
    assert_eq!(told, [Enqueued::Inserted(jobs[0].id), Enqueued::AlreadyLive]);
    assert!(enqueue_shown(&mut tx, jobs.iter()).await.unwrap().is_empty());
    drop(tx);
    scratch.drop().await;
}

#[tokio::test]
async fn the_api_enqueues_for_the_organization_it_acts_for_and_what_is_open_to_it() {
    let scratch = Scratch::new().await;
    let api = scratch.log_in(Login::Api).await;
    let (mine, theirs) = (OrganizationId::new(), OrganizationId::new());
    let mut internal = job(mine, "internal");
    internal.kind = Kind::PublishPost;
    for (forbidden, fine) in
        [(job(theirs, "theirs"), false), (internal, false), (job(mine, "x"), true)]
    {
        let mut tx = api.acting_for(mine).await.unwrap();
        let told = enqueue_shown(&mut tx, [&forbidden].into_iter()).await;
        match told {
            Ok(_) => assert!(fine),
            Err(Error::Forbidden(_)) => assert!(!fine),
            Err(other) => panic!("{other:?}"),
        }
        drop(tx);
    }
    // One transaction may act for one organization after another.
    let mut tx = api.acting_for(mine).await.unwrap();
    enqueue_shown(&mut tx, [&job(mine, "mine")].into_iter()).await.unwrap();
    tx.act_for(theirs).await.unwrap();
    let fresh = enqueue_shown(&mut tx, [&job(theirs, "theirs")].into_iter()).await.unwrap();
    assert_eq!(
        list(&mut tx, &JobFilter::default(), Page { before: None, limit: 9 }).await.unwrap().len(),
        1
    );
    assert_eq!(fresh.len(), 1);
    let forbidden = enqueue_shown(&mut tx, [&job(mine, "mine")].into_iter()).await;
    assert!(matches!(forbidden, Err(Error::Forbidden(_))));
    drop(tx);
    scratch.drop().await;
}
