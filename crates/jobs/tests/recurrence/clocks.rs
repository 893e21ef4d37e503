//! What changes of the clocks do, by example; and bounds of a series.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use jobs::recurrence::{MonthDay, Nth, Occurrence, Pattern, Rule, Shift, Weekday};
use jobs::wall_time;
use proptest::prelude::*;

fn cron(expression: &str) -> Rule {
    Pattern::Cron { expression: expression.to_owned(), seconds: false }.rule().unwrap()
}

/// What fires later than `after` and before a day has passed, in words.
fn day(rule: &Rule, zone: &str, after: &str) -> Vec<String> {
    let after: DateTime<Utc> = after.parse().unwrap();
    let end = after + TimeDelta::days(1) - TimeDelta::seconds(1);
    let words = |fires: Occurrence| {
        let shift = match fires.shift {
            Shift::None => String::new(),
            Shift::Moved => format!(" moved from {}", fires.planned.format("%H:%M")),
            Shift::Repeated => format!(" pass {}", fires.fold),
        };
        format!("{}{shift}", fires.at.format("%H:%M%:z"))
    };
    rule.occurrences(zone.parse().unwrap(), after).until(Some(end)).map(words).collect()
}

const BERLIN_SPRING: (&str, &str) = ("Europe/Berlin", "2026-03-28T22:59:59Z");
const BERLIN_AUTUMN: (&str, &str) = ("Europe/Berlin", "2026-10-24T21:59:59Z");

#[test]
fn a_time_that_does_not_exist_fires_once_at_the_first_moment_after_the_gap() {
    let spring = |expression| day(&cron(expression), BERLIN_SPRING.0, BERLIN_SPRING.1);
    assert_eq!(spring("30 2 * * *"), ["03:00+02:00 moved from 02:30"]);
    assert_eq!(spring("0 2 * * *"), ["03:00+02:00 moved from 02:00"]);
    let daily = Pattern::Daily { at: NaiveTime::from_hms_opt(2, 30, 0).unwrap() };
    assert_eq!(
        day(&daily.rule().unwrap(), BERLIN_SPRING.0, BERLIN_SPRING.1),
        ["03:00+02:00 moved from 02:30"]
    );
    // Midnight is in the gap; half an hour is.
    let cairo = day(&cron("15 0 * * *"), "Africa/Cairo", "2026-04-23T21:00:00Z");
    assert_eq!(cairo, ["01:00+03:00 moved from 00:15"]);
    let lord_howe = day(&cron("15 2 * * *"), "Australia/Lord_Howe", "2026-10-03T14:00:00Z");
    assert_eq!(lord_howe, ["02:30+11:00 moved from 02:15"]);
    // A whole day is.
    let apia = day(&cron("0 9 * * *"), "Pacific/Apia", "2011-12-30T00:00:00Z");
    assert_eq!(apia, ["00:00+14:00 moved from 09:00", "09:00+14:00"]);
}

#[test]
fn several_times_in_one_gap_are_one_occurrence() {
    let spring = |expression| day(&cron(expression), BERLIN_SPRING.0, BERLIN_SPRING.1);
    assert_eq!(spring("0,30 2 * * *"), ["03:00+02:00 moved from 02:00"]);
    assert_eq!(
        spring("30,45 2,4 * * *"),
        ["03:00+02:00 moved from 02:30", "04:30+02:00", "04:45+02:00"]
    );
    // The rule's own occurrence at that moment stands for them.
    assert_eq!(spring("0,30 2,3 * * *"), ["03:00+02:00", "03:30+02:00"]);
}

#[test]
fn a_time_that_exists_twice_fires_once_the_first_time() {
    let autumn = |expression| day(&cron(expression), BERLIN_AUTUMN.0, BERLIN_AUTUMN.1);
    assert_eq!(autumn("30 2 * * *"), ["02:30+02:00 pass 0"]);
    assert_eq!(
        autumn("0,30 1-3 * * *"),
        [
            "01:00+02:00",
            "01:30+02:00",
            "02:00+02:00 pass 0",
            "02:30+02:00 pass 0",
            "03:00+01:00",
            "03:30+01:00"
        ]
    );
    let rule = cron("30 2 * * *");
    let next = |after: &str| {
        rule.next(chrono_tz::Europe::Berlin, after.parse().unwrap()).unwrap().at.to_rfc3339()
    };
    // Asked between the passes, in the second one, and at the moment itself.
    for after in ["2026-10-25T00:30:00Z", "2026-10-25T00:45:00Z", "2026-10-25T01:15:00.5Z"] {
        assert_eq!(next(after), "2026-10-26T02:30:00+01:00", "{after}");
    }
    assert_eq!(next("2026-10-25T00:29:59.999999999Z"), "2026-10-25T02:30:00+02:00");
}

#[test]
fn open_minutes_and_hours_follow_real_time() {
    let spring = |expression| day(&cron(expression), BERLIN_SPRING.0, BERLIN_SPRING.1);
    let autumn = |expression| day(&cron(expression), BERLIN_AUTUMN.0, BERLIN_AUTUMN.1);
    assert_eq!(spring("*/15 2 * * *"), [""; 0]);
    assert_eq!(
        spring("*/30 1-3 * * *"),
        ["01:00+01:00", "01:30+01:00", "03:00+02:00", "03:30+02:00"]
    );
    assert_eq!(
        autumn("*/30 2 * * *"),
        ["02:00+02:00 pass 0", "02:30+02:00 pass 0", "02:00+01:00 pass 1", "02:30+01:00 pass 1"]
    );
    for hourly in ["20 * * * *", "20 0-23 * * *"] {
        assert_eq!(spring(hourly)[1..3], ["01:20+01:00", "03:20+02:00"], "{hourly}");
        let autumn = autumn(hourly);
        assert_eq!(autumn[2..4], ["02:20+02:00 pass 0", "02:20+01:00 pass 1"], "{hourly}");
        assert_eq!(autumn.last().unwrap(), "22:20+01:00");
    }
    assert_eq!(spring("0 */2 * * *")[..3], ["00:00+01:00", "04:00+02:00", "06:00+02:00"]);
}

#[test]
fn a_series_ends_by_its_date_or_its_count_whichever_is_first() {
    let rule = cron("0 9 * * *");
    let after: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
    let series = || rule.occurrences(Tz::UTC, after);
    let third = Some("2026-01-03T09:00:00Z".parse().unwrap());
    assert_eq!(series().until(third).count(), 3, "the end itself still counts");
    assert_eq!(
        series().until(third.map(|end: DateTime<Utc>| end - TimeDelta::nanoseconds(1))).count(),
        2
    );
    assert_eq!(series().at_most(Some(2)).until(third).count(), 2);
    assert_eq!(series().at_most(Some(9)).until(third).until(None).count(), 3);
    assert_eq!(series().at_most(Some(4)).at_most(Some(5)).count(), 4);
    assert_eq!(series().at_most(Some(0)).count(), 0);
    assert_eq!(series().at_most(None).take(100).count(), 100);
}

#[test]
fn the_search_ends_with_the_calendar() {
    for rule in [cron("* * * * *"), cron("0 9 29 2 *")] {
        assert_eq!(rule.next(Tz::UTC, DateTime::<Utc>::MAX_UTC), None);
        assert_eq!(rule.next(Tz::UTC, "4000-12-31T23:59:59Z".parse().unwrap()), None);
        assert!(rule.next(Tz::Europe__Berlin, DateTime::<Utc>::MIN_UTC).is_some());
    }
}

/// Day by day, without the calendar's arithmetic.
fn matches(pattern: &Pattern, date: NaiveDate) -> bool {
    use chrono::Datelike;
    let tomorrow = date + Days::new(1);
    let ends = tomorrow.month() != date.month();
    match pattern {
        Pattern::Daily { .. } => true,
        Pattern::Weekly { days, .. } => days.iter().any(|day| date.weekday() == (*day).into()),
        Pattern::Monthly { on: MonthDay::LastDay, .. } => ends,
        Pattern::Monthly { on: MonthDay::Day { day, or_last }, .. } => {
            date.day() == u32::from(*day) || (*or_last && ends && date.day() < u32::from(*day))
        }
        Pattern::Monthly { on: MonthDay::Weekday { nth, weekday }, .. } => {
            date.weekday() == (*weekday).into()
                && match nth {
                    Nth::Last => (date + Days::new(7)).month() != date.month(),
                    Nth::First => date.day() <= 7,
                    Nth::Second => (8..=14).contains(&date.day()),
                    Nth::Third => (15..=21).contains(&date.day()),
                    Nth::Fourth => (22..=28).contains(&date.day()),
                }
        }
        Pattern::Cron { .. } => unreachable!("not generated"),
    }
}

fn patterns() -> impl Strategy<Value = Pattern> {
    use Weekday::{Friday, Monday, Saturday, Sunday, Thursday, Tuesday, Wednesday};
    let week = [Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday];
    let at = (0..24u32, 0..60u32).prop_map(|(h, m)| NaiveTime::from_hms_opt(h, m, 0).unwrap());
    let nth =
        prop::sample::select(vec![Nth::First, Nth::Second, Nth::Third, Nth::Fourth, Nth::Last]);
    let on = prop_oneof![
        (1..=31u8, any::<bool>()).prop_map(|(day, or_last)| MonthDay::Day { day, or_last }),
        Just(MonthDay::LastDay),
        (nth, prop::sample::select(week.to_vec()))
            .prop_map(|(nth, weekday)| MonthDay::Weekday { nth, weekday }),
    ];
    prop_oneof![
        at.clone().prop_map(|at| Pattern::Daily { at }),
        (prop::sample::subsequence(week.to_vec(), 1..=7), at.clone())
            .prop_map(|(days, at)| Pattern::Weekly { days, at }),
        (on, at).prop_map(|(on, at)| Pattern::Monthly { on, at }),
    ]
}

proptest! {
    #[test]
    fn daily_weekly_and_monthly_patterns_fire_on_their_days_at_their_time(
        pattern in patterns(), zone in prop::sample::select(chrono_tz::TZ_VARIANTS.to_vec()),
        start in 1_577_836_800i64..2_082_758_400,
    ) {
        let (Pattern::Daily { at } | Pattern::Weekly { at, .. } | Pattern::Monthly { at, .. }) = pattern.clone() else {
            unreachable!("not generated")
        };
        let after = DateTime::from_timestamp(start, 0).unwrap();
        let end = after + TimeDelta::days(200);
        let today = after.with_timezone(&zone).date_naive();
        let expected: Vec<_> = today.iter_days().take(203)
            .filter(|date| matches(&pattern, *date))
            .map(|date| (date.and_time(at), wall_time::moment(date.and_time(at), zone)))
            .filter(|(_, at)| *at > after && *at <= end)
            .collect();
        let rule = pattern.rule().unwrap();
        let found: Vec<_> = rule.occurrences(zone, after).until(Some(end))
            .map(|fires| (fires.planned, fires.at.to_utc()))
            .collect();
        prop_assert_eq!(found, expected);
    }
}
