//! Newer time-zone data and what people gave a time.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Timelike, Utc};
use serde_json::json;

use super::recurring::Began;
use super::*;
use jobs::recurrence::Shift;
use jobs::series::TZDB;
use jobs::{CatchUp, wall_time};

/// Older than any that there is.
const OLD: &str = "2000a";

impl Fixture {
    /// A schedule at 9 o'clock in Berlin in ten days, as older data had it: an hour off.
    async fn off_by_an_hour(&self, set: &str) -> (ScheduleId, DateTime<Utc>) {
        let wall = (Utc::now() + TimeDelta::days(10)).naive_utc().date().and_hms_opt(9, 0, 0);
        let right = wall_time::moment(wall.unwrap(), chrono_tz::Europe::Berlin);
        let id = self.silent("scheduled", false).await;
        sqlx::query(
            "update schedules set wall_time = $2, timezone = 'Europe/Berlin', scheduled_at = $3, tzdb = $4
             where id = $1",
        )
        .bind(id.0)
        .bind(wall.unwrap())
        .bind(right - TimeDelta::hours(1))
        .bind(OLD)
        .execute(&self.scratch.pool)
        .await
        .unwrap();
        if !set.is_empty() {
            let sql = format!("update schedules set {set} where id = '{id}'");
            sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&self.scratch.pool).await.unwrap();
        }
        (id, right)
    }

    /// Walks through all that older data planned, in small pieces; how many were looked at, and moved.
    async fn follow(&self, tzdb: &str) -> (usize, usize) {
        let (mut to, mut seen, mut moved) = (WalkedTo::default(), 0, 0);
        loop {
            let mut tx = self.as_scheduler().await;
            let done = follow_wall_times(&mut tx, tzdb, &to, 2).await.unwrap();
            tx.commit().await.unwrap();
            if done.looked_at == 0 {
                return (seen, moved);
            }
            (seen, moved, to) = (seen + done.looked_at, moved + done.moved, done.to);
        }
    }

    async fn told_of(&self, id: ScheduleId) -> Vec<(String, String)> {
        sqlx::query_as("select type, message from events where subject_id = $1 order by seq")
            .bind(id.0)
            .fetch_all(&self.scratch.pool)
            .await
            .unwrap()
    }

    async fn tzdb(&self, id: ScheduleId) -> String {
        sqlx::query_scalar("select tzdb from schedules where id = $1")
            .bind(id.0)
            .fetch_one(&self.scratch.pool)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn a_single_schedule_keeps_its_wall_time_and_its_people_hear_why_its_moment_moves() {
    let f = Fixture::new().await;
    let (id, right) = f.off_by_an_hour("check_at = null, prepare_planned_at = now()").await;
    let held =
        "status = 'on_hold', status_reason = 'Not approved.', awaits_approval = true, tzdb = ''";
    let (held, _) = f.off_by_an_hour(held).await;
    let was = f.schedule(id).await;
    assert_eq!(f.follow(TZDB).await, (2, 2));
    let now = f.schedule(id).await;
    assert_eq!(
        (now.scheduled_at, now.wall_time, now.timezone),
        (right, was.wall_time, was.timezone)
    );
    let told = f.told_of(id).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].0, "post.moved");
    let was = was.scheduled_at.format("%FT%TZ").to_string();
    for part in [TZDB, "09:00:00 in Europe/Berlin", &was, &right.format("%FT%TZ").to_string()] {
        assert!(told[0].1.contains(part), "{part}: {told:?}");
    }
    assert_eq!(now.attempt_log[0]["message"], told[0].1.as_str());
    let held = f.schedule(held).await;
    assert_eq!((held.scheduled_at, held.status.as_str()), (right, "on_hold"));
    let (check, prepare): (Option<DateTime<Utc>>, Option<DateTime<Utc>>) =
        sqlx::query_as("select check_at, prepare_planned_at from schedules where id = $1")
            .bind(id.0)
            .fetch_one(&f.scratch.pool)
            .await
            .unwrap();
    assert_eq!((check, prepare), (Some(right - TimeDelta::days(1)), None), "it is looked at anew");
    assert_eq!(f.follow(TZDB).await, (0, 0), "once");
    f.scratch.drop().await;
}

#[tokio::test]
async fn what_has_passed_is_planned_or_out_and_what_a_newer_build_wrote_stays() {
    let f = Fixture::new().await;
    let hour = TimeDelta::hours(1);
    for (set, looked_at) in [
        ("scheduled_at = now() - interval '1 minute'", 1),
        ("publish_planned_at = now()", 0),
        ("status = 'publishing'", 0),
        ("status = 'missed', status_reason = 'r'", 0),
        ("status = 'cancelled', status_reason = 'r'", 0),
        ("tzdb = '9999z'", 0),
        ("scheduled_at = scheduled_at + interval '1 hour'", 1),
        ("timezone = 'Mars/Olympus'", 1),
    ] {
        let (id, right) = f.off_by_an_hour(set).await;
        let was = f.schedule(id).await.scheduled_at;
        assert_eq!(f.follow(TZDB).await, (looked_at, 0), "{set}");
        assert_eq!(f.schedule(id).await.scheduled_at, was, "{set}");
        assert!(was == right || was <= right - hour, "{set}");
        assert!(f.told_of(id).await.is_empty(), "{set}");
        if looked_at == 1 {
            assert_eq!(f.tzdb(id).await, TZDB, "{set}: it is not looked at again");
        }
    }
    f.scratch.drop().await;
}

#[tokio::test]
async fn planned_a_moment_ago_a_schedule_is_left_to_its_job() {
    let f = Fixture::new().await;
    let (id, _) = f.off_by_an_hour("scheduled_at = now() + interval '30 seconds'").await;
    let mut planner = f.as_scheduler().await;
    let due = due_to_publish(&mut planner, Duration::from_secs(60), 10).await.unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!(f.follow(TZDB).await, (0, 0), "somebody plans it right now");
    planner.commit().await.unwrap();
    assert_eq!(f.follow(TZDB).await, (0, 0));
    assert_eq!(f.schedule(id).await.scheduled_at, due[0].scheduled_at);
    f.scratch.drop().await;
}

#[tokio::test]
async fn in_a_new_gap_it_is_the_first_moment_after_it_and_of_two_the_first() {
    let f = Fixture::new().await;
    let shift = |wall: NaiveDateTime| jobs::recurrence::once(wall, chrono_tz::Europe::Berlin).shift;
    // 03:00+02:00 after the gap; 02:30+02:00 the first time.
    for (kind, minute) in [(Shift::Moved, 60), (Shift::Repeated, 30)] {
        let tomorrow = Utc::now().naive_utc().date() + TimeDelta::days(1);
        let mut nights = tomorrow.iter_days().filter_map(|day| day.and_hms_opt(2, 30, 0));
        let wall = nights.find(|wall| shift(*wall) == kind).unwrap();
        let set = format!("wall_time = '{wall}', scheduled_at = '{wall}Z'");
        let (id, _) = f.off_by_an_hour(&set).await;
        f.follow(TZDB).await;
        let at = f.schedule(id).await.scheduled_at;
        assert_eq!(at.hour() * 60 + at.minute(), minute, "{at}");
    }
    f.scratch.drop().await;
}

#[tokio::test]
async fn an_occurrence_that_a_person_moved_follows_its_own_zone_and_not_its_series() {
    let f = Fixture::new().await;
    let daily = json!({ "pattern": "daily", "at": "09:00" });
    let age = TimeDelta::days(1);
    let began = Began::new(&f, daily, chrono_tz::Asia::Tokyo, age, None, CatchUp::All).await;
    f.expand_all().await;
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "select id from schedules where parent_schedule_id = $1 and occurrence_at > now() order by occurrence_at",
    )
    .bind(began.id.0)
    .fetch_all(&f.scratch.pool)
    .await
    .unwrap();
    let wall = (Utc::now() + TimeDelta::days(20)).naive_utc().date().and_hms_opt(9, 0, 0).unwrap();
    let right = wall_time::moment(wall, chrono_tz::Europe::Berlin);
    for (id, is_moved) in [(ids[5], true), (ids[6], false)] {
        sqlx::query(
            "update schedules set scheduled_at = $2, wall_time = $3, timezone = 'Europe/Berlin', is_moved = $4,
                 reserve_at = now() + interval '90 days'
             where id = $1",
        )
        .bind(id)
        .bind(right - TimeDelta::hours(1))
        .bind(wall)
        .bind(is_moved)
        .execute(&f.scratch.pool)
        .await
        .unwrap();
    }
    assert_eq!(f.follow(TZDB).await, (1, 1));
    assert_eq!(f.schedule(ScheduleId(ids[5])).await.scheduled_at, right);
    assert_eq!(f.schedule(ScheduleId(ids[6])).await.scheduled_at, right - TimeDelta::hours(1));
    let reserve: bool =
        sqlx::query_scalar("select reserve_at <= scheduled_at from schedules where id = $1")
            .bind(ids[5])
            .fetch_one(&f.scratch.pool)
            .await
            .unwrap();
    assert!(reserve, "it counts in the period of its moment");
    f.scratch.drop().await;
}

#[tokio::test]
async fn whoever_gives_a_time_says_by_which_data() {
    let f = Fixture::new().await;
    let id = f.silent("scheduled", false).await;
    assert_eq!(f.tzdb(id).await, TZDB);
    let (id, right) = f.off_by_an_hour("").await;
    let at = right + TimeDelta::days(1);
    let new = f.scheduled(id, at);
    for (has_new_time, tzdb) in [(false, OLD), (true, TZDB)] {
        let mut tx = f.as_worker().await;
        reschedule(&mut tx, &new, has_new_time).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(f.tzdb(id).await, tzdb);
    }
    f.scratch.drop().await;
}

#[tokio::test]
async fn what_older_data_planned_is_found_by_its_index() {
    let f = Fixture::new().await;
    for tzdb in [TZDB, OLD] {
        let many = 20_000;
        sqlx::query(
            "insert into schedules (id, organization_id, content_version_id, platform_connection_id,
                 scheduled_at, wall_time, timezone, created_by, tzdb)
             select gen_random_uuid(), $1, $2, $3, now() + n * interval '1 minute', now(), 'UTC', 'ann', $4
             from generate_series(1, $5) n",
        )
        .bind(f.organization.0)
        .bind(f.version.0)
        .bind(f.connection.0)
        .bind(tzdb)
        .bind(many)
        .execute(&f.scratch.pool)
        .await
        .unwrap();
    }
    sqlx::query("analyze schedules").execute(&f.scratch.pool).await.unwrap();
    let plan: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
        "explain select id from schedules
         where status in ('scheduled', 'on_hold') and not is_recurring and publish_planned_at is null
           and (parent_schedule_id is null or is_moved)
           and tzdb < '{TZDB}' and (tzdb, id) > ('', '{}')
         order by tzdb, id limit 500 for update skip locked",
        Uuid::nil()
    )))
    .fetch_all(&f.scratch.pool)
    .await
    .unwrap();
    let plan = plan.join("\n");
    assert!(plan.contains("Index Scan using schedules_by_tzdb"), "{plan}");
    assert!(plan.contains("Index Cond: ((tzdb <"), "{plan}");
    assert!(!plan.contains("Sort"), "{plan}");
    f.scratch.drop().await;
}
