//! What becomes of what is late: every policy, singly and in a series.

use chrono::{TimeDelta, Timelike};
use serde_json::json;

use super::recurring::Began;
use super::*;
use jobs::CatchUp;

impl Fixture {
    /// One turn of the clock; the schedules that are planned.
    async fn turn(&self) -> Vec<ScheduleId> {
        self.expand_all().await;
        let mut tx = self.as_scheduler().await;
        reserve_due(&mut tx, 500).await.unwrap();
        miss_overdue(&mut tx, 500).await.unwrap();
        let due = due_to_publish(&mut tx, Duration::ZERO, 500).await.unwrap();
        tx.commit().await.unwrap();
        due.into_iter().map(|due| due.schedule_id).collect()
    }

    /// A pattern of every ten minutes of which none falls into the next four: none comes due meanwhile.
    async fn every_ten_minutes(&self) -> serde_json::Value {
        let now = crate::now(&mut *self.begin().await).await.unwrap();
        let first = (now.minute() + 5) % 10;
        json!({ "pattern": "cron", "expression": format!("{first}-59/10 * * * *") })
    }

    async fn late(&self, by: TimeDelta, catch_up: CatchUp, secs: i32) -> ScheduleId {
        let id = self.silent("scheduled", false).await;
        sqlx::query("update schedules set scheduled_at = now() - $2, catch_up = $3, catch_up_secs = $4 where id = $1")
            .bind(id.0)
            .bind(by)
            .bind(catch_up.as_str())
            .bind(secs)
            .execute(&self.scratch.pool)
            .await
            .unwrap();
        id
    }
}

#[tokio::test]
async fn a_single_schedule_goes_out_late_as_its_policy_says() {
    let f = Fixture::new().await;
    let (second, minute) = (TimeDelta::seconds(1), TimeDelta::minutes(1));
    // It gets later while the test runs.
    let some = second * 20;
    let hour = minute * 60;
    for (policy, secs, by, goes) in [
        (CatchUp::Skip, 60, minute - some, true),
        (CatchUp::Skip, 60, minute + second, false),
        (CatchUp::Latest, 3600, hour - some, true),
        (CatchUp::Latest, 3600, hour + second, false),
        (CatchUp::All, 7200, hour * 2 - some, true),
        (CatchUp::All, 7200, hour * 2 + second, false),
    ] {
        let id = f.late(by, policy, secs).await;
        let mut tx = f.as_worker().await;
        let metric = usage::Metric::ScheduledPosts;
        usage::reserve(&mut tx, f.organization, metric, id.0, None).await.unwrap();
        tx.commit().await.unwrap();
        let planned = f.turn().await;
        let schedule = f.schedule(id).await;
        let case = format!("{policy:?}, late by {} s", by.num_seconds());
        assert_eq!(planned, if goes { vec![id] } else { vec![] }, "{case}");
        assert_eq!(schedule.status, if goes { "scheduled" } else { "missed" }, "{case}");
        assert_eq!(schedule.status_reason.is_some(), !goes);
        let (told, counts): (i64, bool) = sqlx::query_as(
            "select (select count(*) from events where subject_id = $1 and type = 'post.missed'),
                    exists (select from usage_reservations where subject_id = $1)",
        )
        .bind(id.0)
        .fetch_one(&f.scratch.pool)
        .await
        .unwrap();
        assert_eq!((told, counts), (i64::from(!goes), goes), "{case}");
    }
    f.scratch.drop().await;
}

#[tokio::test]
async fn of_a_series_the_newest_goes_out_or_all_or_none() {
    let f = Fixture::new().await;
    sqlx::query("update organizations set plan = 'business'")
        .execute(&f.scratch.pool)
        .await
        .unwrap();
    // Every ten minutes; the last one that is due was due longer ago than the grace of a minute.
    for (policy, planned, missed) in
        [(CatchUp::Skip, 0, 12), (CatchUp::Latest, 1, 11), (CatchUp::All, 12, 0)]
    {
        let cron = f.every_ten_minutes().await;
        let began = Began::new(&f, cron, chrono_tz::UTC, TimeDelta::hours(2), None, policy).await;
        f.expand_all().await;
        sqlx::query("update schedules set scheduled_at = now() - interval '2 minutes', occurrence_at = now() - interval '2 minutes'
                     where id = (select id from schedules where parent_schedule_id = $1 and occurrence_at < now()
                                 order by occurrence_at desc limit 1)")
            .bind(began.id.0)
            .execute(&f.scratch.pool)
            .await
            .unwrap();
        let newest: Uuid = sqlx::query_scalar("select id from schedules where parent_schedule_id = $1 and scheduled_at <= now() order by occurrence_at desc limit 1")
            .bind(began.id.0)
            .fetch_one(&f.scratch.pool)
            .await
            .unwrap();
        let due = f.turn().await;
        let of: i64 = sqlx::query_scalar(
            "select count(*) from schedules where parent_schedule_id = $1 and status = 'missed'",
        )
        .bind(began.id.0)
        .fetch_one(&f.scratch.pool)
        .await
        .unwrap();
        assert_eq!((due.len(), of), (planned, missed), "{policy:?}");
        if policy == CatchUp::Latest {
            assert_eq!(due, [ScheduleId(newest)]);
        }
        sqlx::query("update schedule_series set expand_at = null")
            .execute(&f.scratch.pool)
            .await
            .unwrap();
    }
    f.scratch.drop().await;
}

#[tokio::test]
async fn the_newest_is_not_known_before_the_series_is_expanded() {
    let f = Fixture::new().await;
    let cron = f.every_ten_minutes().await;
    let age = TimeDelta::minutes(45);
    let began = Began::new(&f, cron, chrono_tz::UTC, age, None, CatchUp::Latest).await;
    f.expand_all().await;
    // As after a downtime: only the two oldest are there.
    sqlx::query("with gone as (delete from schedules where parent_schedule_id = $1 and occurrence_number > 1)
                 update schedule_series set made = 2, expand_at = now(), expanded_to =
                     (select occurrence_at from schedules where parent_schedule_id = $1 and occurrence_number = 1)
                 where schedule_id = $1")
        .bind(began.id.0)
        .execute(&f.scratch.pool)
        .await
        .unwrap();
    let mut tx = f.as_scheduler().await;
    reserve_due(&mut tx, 500).await.unwrap();
    miss_overdue(&mut tx, 500).await.unwrap();
    assert!(due_to_publish(&mut tx, Duration::ZERO, 500).await.unwrap().is_empty());
    tx.commit().await.unwrap();
    assert_eq!(f.turn().await.len(), 1, "now it is");
    f.scratch.drop().await;
}
