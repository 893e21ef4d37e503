//! Rules and the oracle agree on every occurrence around every change of the clocks.
//!
//! Each change has a few expressions, in turn. `RECURRENCE_EXPRESSIONS=40` tries so many at each, and
//! `RECURRENCE_EXPRESSIONS=all cargo test --release -p jobs --test recurrence` all, which takes some minutes.

use chrono::{DateTime, Duration, Utc};
use chrono_tz::TZ_VARIANTS;
use jobs::recurrence::{Occurrence, Pattern, Rule};
use proptest::prelude::*;

use crate::changes::{self, Change};
use crate::oracle::{Expression, Walk};

const MINUTES: [&str; 9] = ["0", "30", "59", "0,30", "*/15", "*", "0-59/20", "5-55/10", "0-59"];
const HOURS: [&str; 13] =
    ["0", "1", "2", "3", "23", "*", "*/2", "1-3", "0-23", "0,2", "22-23,0-4", "1-23/2", "12"];
const DAYS: [&str; 12] = [
    "* * *",
    "* * SUN",
    "* * 7",
    "1-7 * sun",
    "*/2 * MON",
    "8 * */2",
    "28-31 * *",
    "* 3,10 6-7",
    "25-31 MAR,OCT *",
    "1,15,29 * 1-5",
    "*/3 APR-NOV *",
    "31 */2 5",
];

fn expressions() -> Vec<String> {
    let mut all = Vec::new();
    for minutes in MINUTES {
        for hours in HOURS {
            for days in DAYS {
                all.push(format!("{minutes} {hours} {days}"));
            }
        }
    }
    all
}

fn rule(expression: &str) -> Rule {
    let seconds = expression.split(' ').count() == 6;
    Pattern::Cron { expression: expression.to_owned(), seconds }.rule().unwrap()
}

/// Compares all that fires in the stretch, and what comes next from some moments in it.
fn agree(change: &Change, walk: &Walk, around: Duration, pace: Duration, expression: &str) {
    let (read, rule) = (Expression::read(expression), rule(expression));
    assert_eq!(rule.follows_real_time(), read.real_time, "{expression}");
    let fires = walk.fires(&read);
    let near = |around: Duration| -> (DateTime<Utc>, Vec<Occurrence>) {
        let within = |fires: &&Occurrence| (fires.at.to_utc() - change.at).abs() <= around;
        (change.at - around - pace, fires.iter().filter(within).copied().collect())
    };
    // What fires all the time is looked at where the clocks change.
    let (mut from, mut expected) = near(around - pace);
    if expected.len() > 400 {
        (from, expected) = near(pace * 120);
    }
    let end = change.at + (change.at - from) - pace;
    let found: Vec<Occurrence> = rule.occurrences(change.zone, from).until(Some(end)).collect();
    assert_eq!(found, expected, "{expression} in {} around {}", change.zone, change.at);
    for nth in -4..=4 {
        let after = change.at + pace * (nth * 23) + Duration::milliseconds(i64::from(nth) * 777);
        let next = rule.next(change.zone, after).filter(|next| next.at <= end);
        let expected = expected.iter().find(|fires| fires.at > after).copied();
        assert_eq!(next, expected, "{expression} in {} after {after}", change.zone);
    }
}

fn at_each_change(few: usize) {
    let (changes, expressions) = (changes::all(), expressions());
    assert!(changes.len() > 500, "{}", changes.len());
    let few = match std::env::var("RECURRENCE_EXPRESSIONS") {
        Ok(all) if all == "all" => expressions.len(),
        Ok(few) => few.parse().unwrap(),
        Err(_) => few,
    };
    let (around, pace) = (Duration::days(3), Duration::minutes(1));
    // A step that shares no factor with their number visits all of them.
    let mut turn = 0;
    for change in &changes {
        let walk = Walk::new(change.zone, change.at - around, change.at + around, pace);
        for _ in 0..few {
            turn = (turn + 601) % expressions.len();
            agree(change, &walk, around, pace, &expressions[turn]);
        }
    }
}

#[test]
fn around_every_change_of_the_clocks_rules_fire_as_a_walk_through_time_says() {
    at_each_change(8);
}

#[test]
fn by_the_second_too() {
    let expressions = [
        "0 30 2 * * *",
        "15,45 0,30 0-3 * * *",
        "*/7 * * * * *",
        "59 59 * * * *",
        "0-59 0 0 * * SUN",
        "30 15 1,2 * * *",
    ];
    let (around, pace) = (Duration::hours(2), Duration::seconds(1));
    for change in changes::all().iter().step_by(61) {
        let walk = Walk::new(change.zone, change.at - around, change.at + around, pace);
        for expression in expressions {
            agree(change, &walk, around, pace, expression);
        }
    }
}

/// A field of items between two values.
fn field(least: u32, most: u32, open: u32) -> impl Strategy<Value = String> {
    let range = move || {
        (least..=most, least..=most).prop_map(|(one, other)| (one.min(other), one.max(other)))
    };
    let item = prop_oneof![
        3 => (least..=most).prop_map(|value| value.to_string()),
        1 => range().prop_map(|(from, to)| format!("{from}-{to}")),
        1 => (range(), 0..100u32).prop_map(|((from, to), step)| {
            format!("{from}-{to}/{}", 1 + step % (to - from).max(1))
        }),
    ];
    prop_oneof![
        open => Just("*".to_owned()),
        1 => (1..=(most - least) / 2).prop_map(|step| format!("*/{step}")),
        4 => prop::collection::vec(item, 1..4).prop_map(|items| items.join(",")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn and_anywhere_else(
        minute in field(0, 59, 1), hour in field(0, 23, 3), day in field(1, 31, 8), month in field(1, 12, 30),
        weekday in field(0, 7, 8), zone in prop::sample::select(TZ_VARIANTS.to_vec()),
        at in 1_577_836_800i64 / 60..2_082_758_400 / 60,
    ) {
        let expression = format!("{minute} {hour} {day} {month} {weekday}");
        if let Err(refused) = (Pattern::Cron { expression: expression.clone(), seconds: false }).rule() {
            prop_assert!(refused.message.contains("never fires"), "{}: {}", expression, refused);
            return Ok(());
        }
        let change = Change { at: DateTime::from_timestamp(at * 60, 0).unwrap(), zone };
        let (around, pace) = (Duration::hours(36), Duration::minutes(1));
        let walk = Walk::new(zone, change.at - around, change.at + around, pace);
        agree(&change, &walk, around, pace, &expression);
    }
}
