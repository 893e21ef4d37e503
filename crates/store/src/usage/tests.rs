#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::organizations::{self, NewOrganization};
use crate::testing::Scratch;
use futures::future::join_all;

async fn organization(scratch: &Scratch, plan: &str) -> OrganizationId {
    let id = OrganizationId::new();
    let slug = format!("o-{}", id.0.simple());
    let new = NewOrganization { id, name: "O", slug: &slug, plan, timezone: "UTC" };
    organizations::insert(&mut scratch.store.single().await.unwrap(), new).await.unwrap();
    id
}

async fn take(scratch: &Scratch, of: OrganizationId, subject: Uuid) -> Reserved {
    let mut tx = scratch.store.begin().await.unwrap();
    let told = reserve(&mut tx, of, Metric::Generations, subject, None).await.unwrap();
    tx.commit().await.unwrap();
    told
}

async fn counted(scratch: &Scratch, of: OrganizationId) -> (i32, i32) {
    let mut conn = scratch.store.single().await.unwrap();
    let usage = present(&mut conn, of).await.unwrap();
    (usage[0].used, usage[0].reserved)
}

#[tokio::test]
async fn of_a_hundred_that_ask_at_once_exactly_ten_get_through() {
    let scratch = Scratch::new().await;
    let of = organization(&scratch, "starter").await;
    let told = join_all((0..100).map(|_| take(&scratch, of, Uuid::now_v7()))).await;
    let taken = told.iter().filter(|told| **told == Reserved::Taken).count();
    assert_eq!(taken, 10);
    let refused = |told: &&Reserved| matches!(told, Reserved::Exhausted { most: 10, until } if *until > Utc::now());
    assert_eq!(told.iter().filter(refused).count(), 90);
    assert_eq!(counted(&scratch, of).await, (0, 10));
    scratch.drop().await;
}

#[tokio::test]
async fn what_is_released_may_be_had_again_and_what_is_used_may_not() {
    let scratch = Scratch::new().await;
    let of = organization(&scratch, "starter").await;
    let subjects: Vec<Uuid> = (0..10).map(|_| Uuid::now_v7()).collect();
    for subject in &subjects {
        assert_eq!(take(&scratch, of, *subject).await, Reserved::Taken);
    }
    assert_eq!(take(&scratch, of, subjects[0]).await, Reserved::Already);
    let mut conn = scratch.store.single().await.unwrap();
    assert!(end(&mut conn, subjects[0], Ended::Used).await.unwrap());
    assert!(!end(&mut conn, subjects[0], Ended::Released).await.unwrap(), "it has ended");
    assert!(end(&mut conn, subjects[1], Ended::Released).await.unwrap());
    drop(conn);
    assert_eq!(counted(&scratch, of).await, (1, 8));
    assert_eq!(take(&scratch, of, Uuid::now_v7()).await, Reserved::Taken);
    assert!(matches!(take(&scratch, of, Uuid::now_v7()).await, Reserved::Exhausted { .. }));
    scratch.drop().await;
}

#[tokio::test]
async fn another_plan_and_an_exception_count_at_once() {
    let scratch = Scratch::new().await;
    let of = organization(&scratch, "starter").await;
    let run = async |sql: &'static str| {
        sqlx::query(sql).bind(of.0).execute(&scratch.pool).await.unwrap();
    };
    run("insert into organization_limits (organization_id, metric, most, set_by) values ($1, 'generations', 0, 'o')").await;
    assert!(matches!(
        take(&scratch, of, Uuid::now_v7()).await,
        Reserved::Exhausted { most: 0, .. }
    ));
    run("update organization_limits set most = null where organization_id = $1").await;
    for _ in 0..12 {
        assert_eq!(take(&scratch, of, Uuid::now_v7()).await, Reserved::Taken);
    }
    run("delete from organization_limits where organization_id = $1").await;
    assert!(matches!(
        take(&scratch, of, Uuid::now_v7()).await,
        Reserved::Exhausted { most: 10, .. }
    ));
    run("update organizations set plan = 'business' where id = $1").await;
    assert_eq!(take(&scratch, of, Uuid::now_v7()).await, Reserved::Taken);
    scratch.drop().await;
}

#[tokio::test]
async fn what_a_job_left_behind_is_released() {
    let scratch = Scratch::new().await;
    let of = organization(&scratch, "starter").await;
    let mut conn = scratch.store.single().await.unwrap();
    let gone = JobId::new();
    for (subject, job) in [(gone.0, Some(gone)), (Uuid::now_v7(), None)] {
        reserve(&mut conn, of, Metric::Generations, subject, job).await.unwrap();
    }
    assert_eq!(sweep(&mut conn, 100).await.unwrap(), 0, "its job may be about to be inserted");
    sqlx::query("update usage_reservations set reserved_at = now() - interval '2 minutes'")
        .execute(&scratch.pool)
        .await
        .unwrap();
    assert_eq!(sweep(&mut conn, 100).await.unwrap(), 1);
    drop(conn);
    assert_eq!(counted(&scratch, of).await, (0, 1), "what ends with no job stays");
    scratch.drop().await;
}

#[tokio::test]
async fn a_period_is_a_month_from_the_anchor() {
    let scratch = Scratch::new().await;
    let moment = |text: &str| format!("{text}Z").parse::<DateTime<Utc>>().unwrap();
    for (anchor, at, start, end) in [
        (
            "2026-01-31T10:00:00",
            "2026-02-28T09:59:59",
            "2026-01-31T10:00:00",
            "2026-02-28T10:00:00",
        ),
        (
            "2026-01-31T10:00:00",
            "2026-02-28T10:00:00",
            "2026-02-28T10:00:00",
            "2026-03-31T10:00:00",
        ),
        (
            "2026-01-31T10:00:00",
            "2026-03-30T00:00:00",
            "2026-02-28T10:00:00",
            "2026-03-31T10:00:00",
        ),
        (
            "2024-02-29T00:00:00",
            "2025-03-01T00:00:00",
            "2025-02-28T00:00:00",
            "2025-03-29T00:00:00",
        ),
        (
            "2025-12-15T00:00:00",
            "2026-01-01T00:00:00",
            "2025-12-15T00:00:00",
            "2026-01-15T00:00:00",
        ),
    ] {
        let (from, to): (DateTime<Utc>, DateTime<Utc>) =
            sqlx::query_as("select * from usage_period($1, $2)")
                .bind(moment(anchor))
                .bind(moment(at))
                .fetch_one(&scratch.pool)
                .await
                .unwrap();
        assert_eq!((from, to), (moment(start), moment(end)), "{anchor} at {at}");
    }
    scratch.drop().await;
}

#[tokio::test]
async fn a_period_that_ends_gives_a_new_one_without_anybody_doing_anything() {
    let scratch = Scratch::new().await;
    let of = organization(&scratch, "starter").await;
    for _ in 0..10 {
        assert_eq!(take(&scratch, of, Uuid::now_v7()).await, Reserved::Taken);
    }
    assert!(matches!(take(&scratch, of, Uuid::now_v7()).await, Reserved::Exhausted { .. }));
    // A month passes: all that was is a month older, and nothing else happens.
    for sql in [
        "alter table usage_reservations drop constraint usage_reservations_organization_id_period_start_metric_fkey",
        "update organizations set billing_anchor = billing_anchor - interval '1 month'",
        // Months are not equally long: the period is the one that begins with the anchor.
        "update usage_counts c set (period_start, period_end) =
             (select p.period_start, p.period_end from organizations o
              cross join lateral usage_period(o.billing_anchor, o.billing_anchor) p
              where o.id = c.organization_id)",
        "update usage_reservations r set period_start =
             (select o.billing_anchor from organizations o where o.id = r.organization_id)",
    ] {
        sqlx::query(sql).execute(&scratch.pool).await.unwrap();
    }
    assert_eq!(
        counted(&scratch, of).await,
        (0, 0),
        "the new period is shown before anybody counts in it"
    );
    assert_eq!(take(&scratch, of, Uuid::now_v7()).await, Reserved::Taken);
    assert_eq!(counted(&scratch, of).await, (0, 1));
    let mut conn = scratch.store.single().await.unwrap();
    let past = history(&mut conn, of, 10).await.unwrap();
    assert_eq!(past.len(), 2, "the one that ended is kept");
    assert_eq!(past[0].period_start, past[1].period_end, "and the new one follows it");
    drop(conn);
    scratch.drop().await;
}
