//! Series against a real database: racing, dying expanders; plans; newer time-zone data.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::json;
use std::collections::BTreeSet;

use super::*;
use crate::schedules::series::NewSeries;
use jobs::recurrence::Pattern;
use jobs::series::Series;
use jobs::{CatchUp, OrganizationId};

/// A series that began some time ago, of which nothing is expanded.
pub(super) struct Began {
    pub(super) id: ScheduleId,
    pub(super) starts_at: DateTime<Utc>,
    pub(super) pattern: Pattern,
    pub(super) zone: Tz,
    pub(super) most: Option<u32>,
}

impl Began {
    pub(super) async fn new(
        f: &Fixture,
        pattern: serde_json::Value,
        zone: Tz,
        age: TimeDelta,
        most: Option<u32>,
        catch_up: CatchUp,
    ) -> Began {
        let pattern: Pattern = serde_json::from_value(pattern).unwrap();
        let id = ScheduleId::new();
        let mut tx = f.as_worker().await;
        let starts_at = crate::now(&mut tx).await.unwrap() - age;
        let new = NewSchedule {
            id,
            organization_id: f.organization,
            content_version_id: f.version,
            platform_connection_id: f.connection,
            scheduled_at: starts_at,
            wall_time: starts_at.naive_utc(),
            timezone: zone.name(),
            max_retries: 3,
            catch_up,
            catch_up_secs: catch_up.secs(None),
            created_by: "ann",
        };
        let series =
            NewSeries { rule: &pattern, ends_at: None, most, versions: &[f.version], starts_at };
        series::insert(&mut tx, &new, &series).await.unwrap();
        tx.commit().await.unwrap();
        Began { id, starts_at, pattern, zone, most }
    }

    pub(super) fn engine(&self) -> Series {
        Series::new(&self.pattern, self.zone, self.starts_at, None, None).unwrap()
    }

    async fn rows(&self, f: &Fixture) -> Vec<(DateTime<Utc>, i64, DateTime<Utc>)> {
        sqlx::query_as(
            "select occurrence_at, occurrence_number, scheduled_at from schedules
             where parent_schedule_id = $1 order by occurrence_at",
        )
        .bind(self.id.0)
        .fetch_all(&f.scratch.pool)
        .await
        .unwrap()
    }
}

impl Fixture {
    pub(super) async fn expand(&self) -> Expanded {
        let mut tx = self.as_scheduler().await;
        let done = expand(&mut tx, 100).await.unwrap();
        tx.commit().await.unwrap();
        done
    }

    pub(super) async fn expand_all(&self) {
        let due = "select exists (select from schedule_series where expand_at <= now())";
        // Those who died may still hold their locks for a moment.
        while sqlx::query_scalar(due).fetch_one(&self.scratch.pool).await.unwrap() {
            self.expand().await;
        }
    }

    pub(super) async fn set(&self, sql: &'static str, id: ScheduleId) {
        sqlx::query(sql).bind(id.0).execute(&self.scratch.pool).await.unwrap();
    }
}

pub(super) fn patterns() -> impl Strategy<Value = serde_json::Value> {
    prop_oneof![
        (0u32..24, 0u32..60).prop_map(
            |(hour, minute)| json!({ "pattern": "daily", "at": format!("{hour:02}:{minute:02}") })
        ),
        (0u32..60).prop_map(|second| json!({
            "pattern": "cron", "expression": format!("{second} * * * * *"), "seconds": true
        })),
        (1u32..59).prop_map(|every| json!({
            "pattern": "cron", "expression": format!("*/{every} * * * *")
        })),
        (1u8..=31).prop_map(|day| json!({
            "pattern": "monthly", "on": { "kind": "day", "day": day }, "at": "12:00"
        })),
    ]
}

/// What happens to expanders: how many look at once, which of them die before they commit, and how many minutes
/// later the next ones look.
fn turns() -> impl Strategy<Value = Vec<(Vec<bool>, i64)>> {
    prop::collection::vec((prop::collection::vec(any::<bool>(), 1..4), 0i64..200), 1..8)
}

#[test]
fn racing_and_dying_expanders_make_exactly_the_occurrences_that_the_rule_has() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let f = runtime.block_on(Fixture::new());
    let zone = prop::sample::select(vec![
        chrono_tz::UTC,
        chrono_tz::Europe::Berlin,
        chrono_tz::Asia::Kathmandu,
    ]);
    let most = prop::option::of(1u32..40);
    let mut runner = TestRunner::new(ProptestConfig { cases: 24, ..ProptestConfig::default() });
    runner
        .run(&(patterns(), zone, 1i64..3000, most, turns()), |(pattern, zone, age, most, turns)| {
            runtime.block_on(async {
                let age = TimeDelta::minutes(age);
                let began = Began::new(&f, pattern, zone, age, most, CatchUp::All).await;
                for (expanders, later) in turns {
                    let mut open = Vec::new();
                    for _ in &expanders {
                        let mut tx = f.as_scheduler().await;
                        expand(&mut tx, 100).await.unwrap();
                        open.push(tx);
                    }
                    for (tx, dies) in open.into_iter().zip(expanders) {
                        if !dies {
                            tx.commit().await.unwrap();
                        }
                    }
                    // Time passes: for a series that is the same as having been made so much earlier.
                    sqlx::query(
                        "update schedule_series set expand_at = least(expand_at, now()) where schedule_id = $1 and $2 > 100",
                    )
                    .bind(began.id.0)
                    .bind(later)
                    .execute(&f.scratch.pool)
                    .await
                    .unwrap();
                }
                f.expand_all().await;
                let rows = began.rows(&f).await;
                let most = began.most.map_or(usize::MAX, |most| most as usize);
                let expected: Vec<_> = began
                    .engine()
                    .after(began.starts_at - TimeDelta::seconds(1))
                    .take(most)
                    .take(rows.len())
                    .zip(0i64..)
                    .map(|(occurrence, number)| {
                        (occurrence.at.to_utc(), number, occurrence.at.to_utc())
                    })
                    .collect();
                prop_assert_eq!(&rows, &expected);
                let now = crate::now(&mut *f.begin().await).await.unwrap();
                let ahead = rows.iter().filter(|row| row.0 > now).count();
                prop_assert!(ahead >= 1 || rows.len() == most, "the next one is there");
                prop_assert!(ahead <= jobs::series::MOST_AHEAD);
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
async fn two_expanders_at_once_do_not_wait_for_each_other() {
    let f = Fixture::new().await;
    let daily = json!({ "pattern": "daily", "at": "09:00" });
    let age = TimeDelta::days(2);
    Began::new(&f, daily, chrono_tz::UTC, age, None, CatchUp::All).await;
    let (mut first, mut second) = (f.as_scheduler().await, f.as_scheduler().await);
    assert_eq!(expand(&mut first, 10).await.unwrap().series, 1);
    assert_eq!(expand(&mut second, 10).await.unwrap().series, 0);
    drop(first);
    while expand(&mut second, 10).await.unwrap().series == 0 {
        second.commit().await.unwrap();
        second = f.as_scheduler().await;
    }
    second.commit().await.unwrap();
    assert_eq!(f.expand().await.series, 0);
    f.scratch.drop().await;
}

#[tokio::test]
async fn a_series_ends_after_its_last_occurrence_and_says_so() {
    let f = Fixture::new().await;
    let daily = json!({ "pattern": "daily", "at": "09:00" });
    let began =
        Began::new(&f, daily, chrono_tz::UTC, TimeDelta::days(5), Some(3), CatchUp::All).await;
    f.expand_all().await;
    assert_eq!(began.rows(&f).await.len(), 3);
    let parent = f.schedule(began.id).await;
    assert_eq!((parent.status.as_str(), parent.is_recurring), ("ended", true));
    let told: Vec<String> = sqlx::query_scalar("select type from events where subject_id = $1")
        .bind(began.id.0)
        .fetch_all(&f.scratch.pool)
        .await
        .unwrap();
    assert_eq!(told, ["schedule.ended"]);
    f.scratch.drop().await;
}

#[tokio::test]
async fn a_series_that_cannot_be_read_does_not_stop_the_others() {
    let f = Fixture::new().await;
    let daily = || json!({ "pattern": "daily", "at": "09:00" });
    let age = TimeDelta::days(1);
    let strange = Began::new(&f, daily(), chrono_tz::UTC, age, None, CatchUp::All).await;
    let usual = Began::new(&f, daily(), chrono_tz::UTC, age, None, CatchUp::All).await;
    f.set(
        "update schedule_series set rule = '{\"pattern\": \"lunar\"}' where schedule_id = $1",
        strange.id,
    )
    .await;
    let done = f.expand().await;
    assert_eq!(done.unreadable, [strange.id.0]);
    assert!(!usual.rows(&f).await.is_empty());
    assert_eq!(f.schedule(strange.id).await.status, "active");
    f.scratch.drop().await;
}

#[tokio::test]
async fn occurrences_count_in_their_own_period_and_a_full_plan_holds_them() {
    let f = Fixture::new().await;
    let often = json!({ "pattern": "cron", "expression": "* * * * *" });
    // `starter` allows 30; 64 are made ahead.
    let began = Began::new(&f, often, chrono_tz::UTC, TimeDelta::zero(), None, CatchUp::All).await;
    // The period ends 40 occurrences from its beginning. It began on a day of January: that every month
    // has, or has shortened to its last day, as this one has the day of the end.
    f.set(
        "update organizations set billing_anchor = make_timestamptz(2020, 1, extract(day from ends)::int,
             extract(hour from ends)::int, extract(minute from ends)::int, extract(second from ends), 'UTC')
         from (select (scheduled_at + interval '40 minutes') at time zone 'UTC' as ends from schedules where id = $1) began",
        began.id,
    )
    .await;
    f.expand_all().await;
    let mut tx = f.as_scheduler().await;
    let counted = reserve_due(&mut tx, 500).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((counted.reserved, counted.resumed), (30, 0));
    assert_eq!(counted.held, 10, "{counted:?}");
    let count = |sql: &'static str| {
        let (f, id) = (&f, began.id);
        async move {
            sqlx::query_scalar::<_, i64>(sql).bind(id.0).fetch_one(&f.scratch.pool).await.unwrap()
        }
    };
    let later = "select count(*) from schedules where parent_schedule_id = $1 and status = 'scheduled' and reserve_at > now()";
    assert!(count(later).await >= 24, "the next period's count nothing today");
    let due =
        due_to_publish(&mut *f.as_scheduler().await, Duration::from_secs(4000), 100).await.unwrap();
    assert_eq!(due.len(), 30, "only what counts goes out");
    // An exception makes room: what was held goes on by itself.
    let mut tx = f.as_worker().await;
    usage::make_exception(&mut tx, f.organization, usage::Metric::ScheduledPosts, None, "op")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    f.set("update schedules set reserve_at = now() where parent_schedule_id = $1 and waits_for = 'quota'", began.id).await;
    let mut tx = f.as_scheduler().await;
    let again = reserve_due(&mut tx, 500).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(again.resumed, counted.held);
    assert_eq!(
        count(
            "select count(*) from schedules where parent_schedule_id = $1 and status = 'on_hold'"
        )
        .await,
        0
    );
    let reserved = count("select reserved::bigint from usage_counts where metric = 'scheduled_posts' and $1 is not null").await;
    assert_eq!(reserved, 30 + counted.held);
    f.scratch.drop().await;
}

#[tokio::test]
async fn newer_time_zone_data_moves_what_is_ahead_and_nothing_else() {
    let f = Fixture::new().await;
    let daily = json!({ "pattern": "daily", "at": "09:00" });
    let began =
        Began::new(&f, daily, chrono_tz::Europe::Berlin, TimeDelta::days(3), None, CatchUp::All)
            .await;
    f.expand_all().await;
    let right = began.rows(&f).await;
    // As if it had been expanded when Berlin was an hour off.
    f.set("update schedules set occurrence_at = occurrence_at + interval '1 hour', scheduled_at = scheduled_at + interval '1 hour' where parent_schedule_id = $1", began.id).await;
    f.set("update schedule_series set tzdb = '2000a', expanded_to = expanded_to + interval '1 hour' where schedule_id = $1", began.id).await;
    f.set("update schedules set is_moved = true, scheduled_at = now() + interval '3 hours' where id = (select id from schedules where parent_schedule_id = $1 and occurrence_at > now() + interval '3 days' order by occurrence_at limit 1)", began.id).await;
    let wrong = began.rows(&f).await;
    let follow = || async {
        let mut tx = f.as_scheduler().await;
        let moved = follow_zones(&mut tx, jobs::series::TZDB, 10).await.unwrap();
        tx.commit().await.unwrap();
        moved
    };
    assert_eq!((follow().await, follow().await), (1, 0));
    f.expand_all().await;
    let now = crate::now(&mut *f.begin().await).await.unwrap();
    let after = began.rows(&f).await;
    assert_eq!(after.len(), right.len(), "none is made twice, none is lost");
    let mut kinds = BTreeSet::new();
    for ((right, wrong), after) in right.iter().zip(&wrong).zip(&after) {
        let is_moved = wrong.0 != wrong.2;
        if wrong.0 <= now {
            assert_eq!(after, wrong, "what has passed stays");
        } else {
            assert_eq!(after.0, right.0);
            assert_eq!(after.2, if is_moved { wrong.2 } else { right.2 });
        }
        kinds.insert((wrong.0 <= now, is_moved));
    }
    assert_eq!(kinds.len(), 3, "past, ahead, and moved by a person");
    f.scratch.drop().await;
}

#[tokio::test]
async fn a_rotation_takes_its_versions_in_turn() {
    let f = Fixture::new().await;
    let other = f.another_version().await;
    let daily = json!({ "pattern": "daily", "at": "09:00" });
    let began =
        Began::new(&f, daily, chrono_tz::UTC, TimeDelta::zero(), Some(5), CatchUp::All).await;
    sqlx::query("update schedule_series set content_version_ids = $2 where schedule_id = $1")
        .bind(began.id.0)
        .bind([f.version.0, other.0, f.version.0])
        .execute(&f.scratch.pool)
        .await
        .unwrap();
    f.expand_all().await;
    let start = (DateTime::UNIX_EPOCH, Uuid::nil());
    let page = occurrences(&mut *f.begin().await, began.id, start, 10).await.unwrap().unwrap();
    let versions: Vec<_> = page.into_iter().map(|it| it.content_version_id).collect();
    assert_eq!(versions, [f.version.0, other.0, f.version.0, f.version.0, other.0]);
    f.scratch.drop().await;
}

#[tokio::test]
async fn occurrences_are_listed_beyond_what_is_made() {
    let f = Fixture::new().await;
    let daily = json!({ "pattern": "daily", "at": "09:00" });
    let began = Began::new(&f, daily, chrono_tz::UTC, TimeDelta::days(2), None, CatchUp::All).await;
    f.expand_all().await;
    let made = began.rows(&f).await.len();
    let mut place = (DateTime::UNIX_EPOCH, Uuid::nil());
    let mut seen = Vec::new();
    while seen.len() < 100 {
        let page = occurrences(&mut *f.begin().await, began.id, place, 7).await.unwrap().unwrap();
        let last = page.last().unwrap();
        place = (last.occurrence_at, last.schedule_id.unwrap_or(Uuid::max()));
        seen.extend(page);
    }
    let moments: Vec<_> = seen.iter().map(|it| it.occurrence_at).collect();
    let expected: Vec<_> =
        began.engine().after(began.starts_at).take(seen.len()).map(|it| it.at.to_utc()).collect();
    assert_eq!(moments, expected);
    let rows = seen.iter().filter(|it| it.schedule_id.is_some()).count();
    assert_eq!((rows, seen[made].status.as_str()), (made, "planned"));
    assert!(seen.iter().zip(0..).all(|(it, number)| it.occurrence_number == number));
    let _: OrganizationId = f.organization;
    f.scratch.drop().await;
}
