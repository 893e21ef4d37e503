//! Occurrences that are made before their turn: when it comes, all is as if they had not been.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::json;
use std::collections::BTreeSet;

use super::recurring::{Began, patterns};
use super::*;
use jobs::recurrence::Occurrence as Fires;
use jobs::{CatchUp, Planned};

/// What a person does to an occurrence.
const TOUCHES: [&str; 3] = [
    "status = 'skipped', status_reason = 'r'",
    "is_moved = true, scheduled_at = scheduled_at + interval '10 minutes'",
    "is_edited = true",
];

#[derive(Debug, PartialEq, sqlx::FromRow)]
struct Row {
    at: DateTime<Utc>,
    planned: NaiveDateTime,
    fold: i16,
    number: i64,
    version: Uuid,
    is_edited: bool,
}

impl Fixture {
    async fn rows(&self, series: ScheduleId) -> Vec<Row> {
        sqlx::query_as(
            "select occurrence_at as at, planned_at_local as planned, fold, occurrence_number as number,
                    content_version_id as version, is_edited
             from schedules where parent_schedule_id = $1 order by occurrence_at",
        )
        .bind(series.0)
        .fetch_all(&self.scratch.pool)
        .await
        .unwrap()
    }

    async fn rotate(&self, series: ScheduleId, versions: &[Uuid]) {
        sqlx::query("update schedule_series set content_version_ids = $2 where schedule_id = $1")
            .bind(series.0)
            .bind(versions)
            .execute(&self.scratch.pool)
            .await
            .unwrap();
    }

    /// As if no more than this had been made: how many, and up to which moment.
    async fn back_to(&self, series: ScheduleId, made: i64, to: DateTime<Utc>) {
        sqlx::query(
            "with gone as (delete from schedules where parent_schedule_id = $1 and occurrence_number >= $2)
             update schedule_series set made = $2, expand_at = now(), expanded_to = $3 where schedule_id = $1",
        )
        .bind(series.0)
        .bind(made)
        .bind(to)
        .execute(&self.scratch.pool)
        .await
        .unwrap();
    }

    async fn named(&self, series: ScheduleId, planned: NaiveDateTime, fold: u8) -> Named {
        let mut tx = self.as_worker().await;
        let planned = Planned { at_local: planned, fold };
        name_occurrence(&mut tx, series, planned).await.unwrap()
    }

    /// A person touches an occurrence, as a worker does it; whether it was made for that.
    async fn touch(&self, series: ScheduleId, fires: &Fires, touch: &str) -> bool {
        let mut tx = self.as_worker().await;
        lock(&mut tx, series).await.unwrap().unwrap();
        let planned = Planned { at_local: fires.planned, fold: fires.fold };
        let named = name_occurrence(&mut tx, series, planned).await.unwrap();
        let (id, is_early) = match named {
            Named::Row(id) => (id, false),
            Named::Early(occurrence, number) => {
                assert_eq!(occurrence, *fires);
                let id = ScheduleId::new();
                make_early(&mut tx, series, id, &occurrence, number).await.unwrap();
                (id, true)
            }
            Named::No(problem) => panic!("{fires:?}: {problem}"),
        };
        let sql = format!("update schedules set {touch} where id = '{id}'");
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        is_early
    }
}

#[test]
fn expansion_after_early_rows_gives_what_it_gives_without_them() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let f = runtime.block_on(Fixture::new());
    let others = [runtime.block_on(f.another_version()), runtime.block_on(f.another_version())];
    let versions = [f.version.0, others[0].0, others[1].0];
    let zone = prop::sample::select(vec![chrono_tz::UTC, chrono_tz::Europe::Berlin]);
    let most = prop::option::of(30u32..200);
    let early = prop::collection::vec((0usize..150, 0usize..3), 1..8);
    let mut runner = TestRunner::new(ProptestConfig { cases: 24, ..ProptestConfig::default() });
    let input = (patterns(), zone, 1i64..60, most, 0usize..40, early);
    runner
        .run(&input, |(pattern, zone, age, most, made, early)| {
            runtime.block_on(async {
                let age = TimeDelta::minutes(age);
                let began = Began::new(&f, pattern, zone, age, most, CatchUp::All).await;
                f.rotate(began.id, &versions).await;
                f.expand_all().await;
                let now = crate::now(&mut *f.begin().await).await.unwrap();
                let engine = began.engine();
                let passed = engine.after(began.starts_at).take_while(|it| it.at <= now).count();
                let most = most.map_or(usize::MAX, |most| most as usize);
                // Some are there, some are early, and then the others have their turn.
                let all: Vec<Fires> =
                    engine.after(began.starts_at).take((passed + 400).min(most)).collect();
                let made = (passed + made).min(f.rows(began.id).await.len());
                let without = f.rows(began.id).await;
                let to = made.checked_sub(1).map_or(began.starts_at, |last| all[last].at.to_utc());
                f.back_to(began.id, i64::try_from(made).unwrap(), to).await;
                let mut touched = Vec::new();
                for (ahead, touch) in early {
                    let Some(fires) = all.get(passed + 1 + ahead) else { continue };
                    let fresh =
                        !touched.contains(&(passed + 1 + ahead)) && passed + 1 + ahead >= made;
                    prop_assert_eq!(f.touch(began.id, fires, TOUCHES[touch]).await, fresh);
                    touched.push(passed + 1 + ahead);
                }
                f.expand_all().await;
                let rows = f.rows(began.id).await;
                for (nth, row) in rows.iter().enumerate() {
                    let number = usize::try_from(row.number).unwrap();
                    let fires = &all[number];
                    prop_assert_eq!((row.at, row.planned), (fires.at.to_utc(), fires.planned));
                    prop_assert_eq!(row.fold, i16::from(fires.fold));
                    prop_assert_eq!(row.version, versions[number % 3]);
                    prop_assert!(number == nth || touched.contains(&number), "{} {}", nth, number);
                }
                let numbers: BTreeSet<i64> = rows.iter().map(|row| row.number).collect();
                prop_assert_eq!(numbers.len(), rows.len(), "no number twice");
                prop_assert!(without.iter().all(|row| numbers.contains(&row.number)));
                sqlx::query("update schedule_series set expand_at = null")
                    .execute(&f.scratch.pool)
                    .await
                    .unwrap();
                Ok(())
            })
        })
        .unwrap();
    runtime.block_on(f.scratch.drop());
}

#[tokio::test]
async fn when_its_turn_comes_later_than_thought_it_gets_that_number_and_version() {
    let f = Fixture::new().await;
    let versions = [f.version.0, f.another_version().await.0, f.another_version().await.0];
    let daily = json!({ "pattern": "daily", "at": "09:00" });
    let age = TimeDelta::zero();
    let began = Began::new(&f, daily, chrono_tz::UTC, age, None, CatchUp::All).await;
    f.rotate(began.id, &versions).await;
    f.expand_all().await;
    let all: Vec<Fires> = began.engine().after(began.starts_at).take(40).collect();
    f.back_to(began.id, 10, all[9].at.to_utc()).await;
    for (nth, touch) in [(20, TOUCHES[0]), (21, TOUCHES[1]), (22, TOUCHES[2])] {
        assert!(f.touch(began.id, &all[nth], touch).await);
    }
    // Two that were made fell into a pause, and do not count.
    sqlx::query("update schedule_series set made = 8 where schedule_id = $1")
        .bind(began.id.0)
        .execute(&f.scratch.pool)
        .await
        .unwrap();
    f.expand_all().await;
    let rows = f.rows(began.id).await;
    for (nth, row) in rows.iter().enumerate().skip(10) {
        assert_eq!(row.number, i64::try_from(nth).unwrap() - 2, "{row:?}");
        // What a person chose stays.
        let turn = if row.is_edited { nth } else { nth - 2 };
        assert_eq!(row.version, versions[turn % 3], "{row:?}");
    }
    f.scratch.drop().await;
}

#[tokio::test]
async fn what_is_no_occurrence_that_could_be_touched_is_refused_with_those_near() {
    let f = Fixture::new().await;
    let daily = json!({ "pattern": "daily", "at": "09:00" });
    let age = TimeDelta::days(2);
    let began = Began::new(&f, daily, chrono_tz::UTC, age, Some(60), CatchUp::All).await;
    f.expand_all().await;
    f.back_to(began.id, 0, began.starts_at).await;
    let day = |days: i64, time: &str| -> NaiveDateTime {
        let date = (Utc::now() + TimeDelta::days(days)).date_naive();
        format!("{date}T{time}").parse().unwrap()
    };
    let at = |day: NaiveDateTime| day.format("%FT%T").to_string();
    let (before, after) = (at(day(10, "09:00:00")), at(day(11, "09:00:00")));
    for (planned, parts) in [
        (day(10, "09:01:00"), vec![before.as_str(), &after, "UTC"]),
        (day(-1, "09:00:00"), vec!["has passed"]),
        (day(80, "09:00:00"), vec!["60 occurrences in all"]),
        (day(400_000, "09:00:00"), vec!["60 occurrences in all"]),
    ] {
        let Named::No(problem) = f.named(began.id, planned, 0).await else { panic!("{planned}") };
        assert_eq!(problem.field.as_deref(), Some("args.plannedAtLocal"), "{problem}");
        for part in parts {
            assert!(problem.message.contains(part), "{part}: {problem}");
        }
    }
    let Named::No(problem) = f.named(began.id, day(10, "09:00:00"), 1).await else {
        panic!("nothing is repeated there")
    };
    assert!(problem.message.contains(&before), "{problem}");
    f.set(
        "update schedules set recurrence_end_date = now() + interval '5 days' where id = $1",
        began.id,
    )
    .await;
    let Named::No(problem) = f.named(began.id, day(10, "09:00:00"), 0).await else {
        panic!("it ends before")
    };
    assert!(problem.message.contains("it ends at"), "{problem}");
    assert!(matches!(f.named(began.id, day(3, "09:00:00"), 0).await, Named::Early(..)));
    let single = f.silent("scheduled", false).await;
    assert!(matches!(f.named(single, day(3, "09:00:00"), 0).await, Named::No(_)));
    f.set("update schedules set status = 'ended', status_reason = 'r' where id = $1", began.id)
        .await;
    let Named::No(problem) = f.named(began.id, day(3, "09:00:00"), 0).await else {
        panic!("it has ended")
    };
    assert_eq!(problem.field.as_deref(), Some("args.scheduleId"));
    f.scratch.drop().await;
}

#[tokio::test]
async fn early_ones_are_listed_where_they_are() {
    let f = Fixture::new().await;
    let daily = json!({ "pattern": "daily", "at": "09:00" });
    let age = TimeDelta::days(2);
    let began = Began::new(&f, daily, chrono_tz::UTC, age, None, CatchUp::All).await;
    f.expand_all().await;
    let all: Vec<Fires> = began.engine().after(began.starts_at).take(120).collect();
    for nth in [60, 90] {
        assert!(f.touch(began.id, &all[nth], TOUCHES[0]).await);
    }
    for size in [3, 50, 200] {
        let (mut place, mut seen) = ((DateTime::UNIX_EPOCH, Uuid::nil()), Vec::new());
        while seen.len() < all.len() {
            let page = occurrences(&mut *f.begin().await, began.id, place, size).await;
            let page = page.unwrap().unwrap();
            let last = page.last().unwrap();
            place = (last.occurrence_at, last.schedule_id.unwrap_or(Uuid::max()));
            seen.extend(page);
        }
        for (nth, (seen, fires)) in seen.iter().zip(&all).enumerate() {
            assert_eq!(seen.occurrence_at, fires.at, "{size}");
            assert_eq!(seen.occurrence_number, i64::try_from(nth).unwrap(), "{size}");
        }
        assert_eq!((seen[60].status.as_str(), seen[61].status.as_str()), ("skipped", "planned"));
    }
    f.scratch.drop().await;
}

#[tokio::test]
async fn builds_with_older_and_newer_time_zone_data_count_the_same_occurrences() {
    let f = Fixture::new().await;
    // By other data, Berlin was an hour ahead of what it is, or behind.
    for (tzdb, hour) in [("2000a", 1), ("2000a", -1), ("9999z", 1), ("9999z", -1)] {
        let hourly = json!({ "pattern": "cron", "expression": "0 8-10 * * *" });
        let zone = chrono_tz::Europe::Berlin;
        let began = Began::new(&f, hourly, zone, TimeDelta::days(1), None, CatchUp::All).await;
        f.expand_all().await;
        let right = f.rows(began.id).await;
        let made = 30;
        let to = right[made - 1].at;
        f.back_to(began.id, i64::try_from(made).unwrap(), to).await;
        let all: Vec<Fires> = began.engine().after(began.starts_at).take(140).collect();
        assert!(f.touch(began.id, &all[130], TOUCHES[0]).await);
        sqlx::query(
            "with off as (
                 update schedules set occurrence_at = occurrence_at + make_interval(hours => $2),
                        scheduled_at = scheduled_at + make_interval(hours => $2)
                 where parent_schedule_id = $1 and occurrence_at > now() + interval '2 hours'
             )
             update schedule_series set expanded_to = expanded_to + make_interval(hours => $2), tzdb = $3
             where schedule_id = $1",
        )
        .bind(began.id.0)
        .bind(hour)
        .bind(tzdb)
        .execute(&f.scratch.pool)
        .await
        .unwrap();
        f.expand_all().await;
        let mut rows = f.rows(began.id).await;
        let early = rows.pop().unwrap();
        let case = format!("{tzdb}, {hour}");
        assert_eq!((early.number, early.planned), (130, all[130].planned), "{case}");
        let all = right.iter().map(|row| (row.number, row.planned));
        let now: Vec<_> = rows.iter().map(|row| (row.number, row.planned)).collect();
        assert_eq!(now, all.collect::<Vec<_>>(), "{case}");
        if tzdb == "2000a" {
            let now = crate::now(&mut *f.begin().await).await.unwrap() + TimeDelta::hours(4);
            let right = right.iter().filter(|row| row.at > now).map(|row| row.at);
            let rows = rows.iter().filter(|row| row.at > now).map(|row| row.at);
            assert_eq!(rows.collect::<Vec<_>>(), right.collect::<Vec<_>>(), "{case}");
        }
        f.set("update schedule_series set expand_at = null where schedule_id = $1", began.id).await;
    }
    f.scratch.drop().await;
}
