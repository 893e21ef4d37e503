//! Adding up as events come, in any order and any batches, with crashes between and changes of the zone,
//! comes to the same as making all anew, and to what is counted by hand.

use chrono::{DateTime, Datelike, Duration, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;

use super::world::{Event, World};
use crate::analytics;
use platforms::EngagementType;

/// Zones whose clocks move by an hour at night, at midnight, by half an hour, and never; and the days
/// around some of their changes.
const ZONES: [(&str, &str); 6] = [
    ("Europe/Berlin", "2026-10-24T20:00:00Z"),
    ("America/Havana", "2026-10-31T20:00:00Z"),
    ("Africa/Cairo", "2026-04-23T12:00:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T08:00:00Z"),
    ("Asia/Kathmandu", "2026-06-30T12:00:00Z"),
    ("America/St_Johns", "2026-03-07T20:00:00Z"),
];

const ACCOUNTS: usize = 3;
const POSTS: usize = 5;

/// What happens to the sums, one thing after another.
#[derive(Clone, Debug)]
enum Act {
    Record(Vec<Event>),
    Add(i64),
    /// A batch is added, and whoever did it dies before the commit.
    Crash(i64),
    /// The organization moves, and its sums are made anew.
    Move(&'static str),
    Rebuild,
}

fn any_event(around: DateTime<Utc>) -> impl Strategy<Value = Event> {
    let of = prop::sample::select(EngagementType::ALL.to_vec());
    // Most within two days around the change of the clocks, a few in other months.
    let minutes = prop_oneof![6 => 0i64..2880, 1 => -60_000i64..90_000];
    (0..POSTS, of, -3i64..6, minutes, 0i64..60).prop_map(
        move |(post, of, count, minutes, seconds)| {
            let at = around + Duration::minutes(minutes) + Duration::seconds(seconds);
            Event { post, of, count, at }
        },
    )
}

fn any_act(around: DateTime<Utc>) -> impl Strategy<Value = Act> {
    let zone = prop::sample::select(ZONES.map(|(zone, _)| zone).to_vec());
    prop_oneof![
        5 => prop::collection::vec(any_event(around), 1..25).prop_map(Act::Record),
        4 => (1i64..20).prop_map(Act::Add),
        2 => (1i64..20).prop_map(Act::Crash),
        1 => zone.prop_map(Act::Move),
        1 => Just(Act::Rebuild),
    ]
}

/// What the sums must be, counted by hand, as [`World::sums`] tells them.
fn by_hand(world: &World, events: &[Event], zone: Tz) -> Vec<String> {
    let mut sums: BTreeMap<(String, i64), [Option<i64>; 6]> = BTreeMap::new();
    for event in events {
        let local = event.at.with_timezone(&zone);
        let into = i64::from(local.minute()) * 60 + i64::from(local.second());
        let hour = event.at - Duration::seconds(into);
        // Of two midnights the first one; of none, the first moment after.
        let midnight = (0..6).find_map(|half_hours| {
            let clock = local.date_naive().and_hms_opt(half_hours / 2, half_hours % 2 * 30, 0)?;
            zone.from_local_datetime(&clock).earliest()
        });
        let subjects = [
            ("organization", world.organization.0),
            ("account", world.account_of(event.post)),
            ("post", world.posts[event.post]),
        ];
        for (scope, subject) in subjects {
            for (grain, start) in [("hour", hour), ("day", midnight.unwrap().to_utc())] {
                let key = (format!("{scope} {subject} {grain}"), start.timestamp());
                let of = &mut sums.entry(key).or_default()[event.of as usize];
                *of = Some(of.unwrap_or(0) + event.count);
            }
        }
    }
    let text = |sum: &Option<i64>| sum.map_or("-".to_owned(), |sum| sum.to_string());
    let mut lines: Vec<String> = sums
        .iter()
        .map(|((key, start), sums)| {
            format!("{key} {start}: {}", sums.iter().map(text).collect::<Vec<_>>().join(" "))
        })
        .collect();
    lines.sort();
    lines
}

/// Lets it all happen; answers what was recorded, and the zone in the end.
async fn act(world: &World, acts: &[Act], zone: &'static str) -> (Vec<Event>, &'static str) {
    let (mut recorded, mut zone) = (Vec::new(), zone);
    for act in acts {
        match act {
            Act::Record(events) => {
                world.record(events).await;
                recorded.extend_from_slice(events);
            }
            Act::Add(limit) => {
                world.add(*limit).await;
            }
            Act::Crash(limit) => {
                let (mut tx, locked) = world.locked().await;
                analytics::add(&mut tx, world.organization, &locked.timezone, 0, *limit)
                    .await
                    .unwrap();
                drop(tx);
            }
            Act::Move(to) => {
                zone = to;
                sqlx::query("update organizations set timezone = $2 where id = $1")
                    .bind(world.organization.0)
                    .bind(zone)
                    .execute(&world.scratch.pool)
                    .await
                    .unwrap();
                assert_eq!(world.rebuild().await, recorded.len() as i64);
            }
            Act::Rebuild => {
                assert_eq!(world.rebuild().await, recorded.len() as i64);
                assert_eq!(world.waiting().await, 0, "what was made anew is not added once more");
            }
        }
    }
    (recorded, zone)
}

#[tokio::test]
async fn adding_up_as_they_come_is_the_same_as_making_all_anew() {
    let mut runner = TestRunner::deterministic();
    for round in 0..12 {
        let (zone, around) = ZONES[round % ZONES.len()];
        let around = around.parse().unwrap();
        let acts = prop::collection::vec(any_act(around), 8..40).new_tree(&mut runner).unwrap();
        let acts = acts.current();
        let world = World::new(zone, ACCOUNTS, POSTS).await;
        let (recorded, zone) = act(&world, &acts, zone).await;
        while world.add(7).await.events > 0 {}
        assert_eq!(world.waiting().await, 0);
        let as_they_came = world.sums().await;
        let counted = by_hand(&world, &recorded, zone.parse().unwrap());
        assert_eq!(as_they_came, counted, "{zone}, after {acts:#?}");
        assert_eq!(world.rebuild().await, recorded.len() as i64);
        assert_eq!(world.sums().await, counted, "made anew in {zone}");
        world.drop().await;
    }
}

#[tokio::test]
async fn the_two_hours_of_an_autumn_night_are_two_and_its_day_is_one() {
    let world = World::new("Europe/Berlin", 1, 1).await;
    let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    // 02:30 by the clock, twice.
    for (moment, count) in [("2026-10-25T00:30:00Z", 2), ("2026-10-25T01:30:00Z", 3)] {
        let event = Event { post: 0, of: EngagementType::Like, count, at: at(moment) };
        assert_eq!(event.at.year(), 2026);
        world.record(&[event]).await;
    }
    assert_eq!(world.add(100).await.events, 2);
    let told = world.sums().await;
    let of = |grain: &str, start: &str, likes: i64| {
        let start = at(start).timestamp();
        format!("organization {} {grain} {start}: {likes} - - - - -", world.organization)
    };
    let expected = [
        of("day", "2026-10-24T22:00:00Z", 5),
        of("hour", "2026-10-25T00:00:00Z", 2),
        of("hour", "2026-10-25T01:00:00Z", 3),
    ];
    let told: Vec<&String> = told.iter().filter(|line| line.starts_with("organization")).collect();
    assert_eq!(told, expected.iter().collect::<Vec<_>>());
    world.drop().await;
}
