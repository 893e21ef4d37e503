//! What expressions and patterns may say, and what people are told about the others.

use chrono::{DateTime, Utc};
use chrono_tz::UTC;
use jobs::recurrence::{Invalid, Pattern};
use serde_json::{Value, json};

fn cron(expression: &str, seconds: bool) -> Pattern {
    Pattern::Cron { expression: expression.to_owned(), seconds }
}

fn refusal(expression: &str, seconds: bool) -> String {
    let Err(Invalid { field, message }) = cron(expression, seconds).rule() else {
        panic!("{expression:?} is taken");
    };
    assert_eq!(field, "expression");
    message
}

/// The first times it fires in 2026, in UTC, without the year.
fn fires(pattern: &Pattern, count: usize) -> Vec<String> {
    let after: DateTime<Utc> = "2025-12-31T23:59:59Z".parse().unwrap();
    let rule = pattern.rule().unwrap();
    let times = rule.occurrences(UTC, after).take(count);
    times.map(|fires| fires.at.format("%m-%d %H:%M").to_string()).collect()
}

#[test]
fn what_cannot_be_meant_is_refused_where_it_stands() {
    for (expression, message) in [
        ("", "the expression is empty: expected 5 fields"),
        ("   ", "the expression is empty"),
        ("* * * *", "there are 4 fields, and day of week is missing"),
        ("0 9 * * 1 2", "there are 6 fields, one more after day of week (character 11)"),
        ("0 9 * * 1 2 3", "there are 7 fields, which is too many from character 11 on"),
        ("60 * * * *", "minute (character 1): 60 is out of range: expected 0 to 59"),
        ("0 24 * * *", "hour (character 3): 24 is out of range: expected 0 to 23"),
        ("0 0 0 * *", "day of month (character 5): 0 is out of range: expected 1 to 31"),
        ("0 0 1,32 * *", "day of month (character 7): 32 is out of range"),
        ("0 0 * 0 *", "month (character 7): 0 is out of range: expected 1 to 12 or JAN to DEC"),
        ("0 0 * 13 *", "month (character 7): 13 is out of range"),
        (
            "0 0 * * 8",
            "day of week (character 9): 8 is out of range: expected 0 to 7 or SUN to SAT",
        ),
        ("99999999999 * * * *", "minute (character 1): 99999999999 is out of range"),
        ("*/0 * * * *", "minute (character 3): a step of 0 goes nowhere: expected 1 to 59"),
        (
            "*/60 * * * *",
            "minute (character 3): a step of 60 leaves the range at once: expected 1 to 59",
        ),
        ("0 */24 * * *", "hour (character 5): a step of 24"),
        (
            "0 0 */32 * *",
            "day of month (character 7): a step of 32 leaves the range at once: expected 1 to 31",
        ),
        ("0 0 * */13 *", "month (character 9): a step of 13"),
        ("0 0 * * */8", "day of week (character 11): a step of 8"),
        (
            "10-20/15 * * * *",
            "minute (character 7): a step of 15 leaves the range at once: expected 1 to 10",
        ),
        ("*/ * * * *", "minute (character 3): \"\" is no step"),
        ("*/-5 * * * *", "minute (character 3): \"-5\" is no step"),
        ("*/5/5 * * * *", "minute (character 3): \"5/5\" is no step"),
        ("/5 * * * *", "minute (character 1): nothing before the step"),
        ("5/15 * * * *", "minute (character 1): a step needs a range: expected 5-59/"),
        ("30-10 * * * *", "minute (character 1): a range goes upwards"),
        (
            "0 22-2 * * *",
            "hour (character 3): a range goes upwards: expected the smaller value first, or two ranges such as 22-23,0-2",
        ),
        ("0 0 * * FRI-MON", "day of week (character 9): a range goes upwards"),
        ("0 0 * * 5-0", "day of week (character 9): a range goes upwards"),
        ("1-2-3 * * * *", "minute (character 3): \"2-3\" is no value"),
        ("5- * * * *", "minute (character 3): \"\" is no value"),
        ("-5 * * * *", "minute (character 1): \"\" is no value"),
        ("+5 * * * *", "minute (character 1): \"+5\" is no value"),
        ("1,,2 * * * *", "minute (character 3): nothing between commas"),
        (",1 * * * *", "minute (character 1): nothing between commas"),
        ("1, * * * *", "minute (character 3): nothing between commas"),
        ("** * * * *", "minute (character 1): \"**\" is no value"),
        ("*-5 * * * *", "minute (character 1): \"*\" is no value"),
        ("1.5 * * * *", "minute (character 1): \"1.5\" is no value"),
        ("MON * * * *", "minute (character 1): \"MON\" is no value"),
        ("0 0 * MON *", "month (character 7): \"MON\" is no value"),
        ("0 0 * * JAN", "day of week (character 9): \"JAN\" is no value"),
        ("0 0 * * MONDAY", "day of week (character 9): \"MONDAY\" is no value"),
        ("0 0 ? * *", "day of month (character 5): \"?\" is not of Unix cron, which writes *"),
        (
            "0 0 L * *",
            "day of month (character 5): \"L\" is not of Unix cron (a monthly pattern knows",
        ),
        ("0 0 15W * *", "day of month (character 5): \"15W\" is not of Unix cron"),
        ("0 0 LW * *", "day of month (character 5): \"LW\" is not of Unix cron"),
        ("0 0 * * 5L", "day of week (character 9): \"5L\" is not of Unix cron (a monthly"),
        ("0 0 * * MON#2", "day of week (character 9): \"MON#2\" is not of Unix cron (a monthly"),
        ("0 0 * * +1", "day of week (character 9): \"+1\" is no value"),
        ("0\u{a0}0 * * *", "there are 4 fields"),
        ("é 0 * * *", "minute (character 1): \"é\" is no value"),
        ("0 é,25 * * *", "hour (character 3): \"é\" is no value"),
        ("@reboot", "@reboot names no time"),
        ("@every 5m", "\"@every 5m\" is no name of a schedule: expected @hourly, @daily"),
        ("@fortnightly", "\"@fortnightly\" is no name"),
    ] {
        let told = refusal(expression, false);
        assert!(told.starts_with(message), "{expression:?}: {told}");
    }
    assert!(refusal(&"0,".repeat(600), false).contains("longer than 1000 bytes"));
    assert!(
        refusal("0 0 * * *", true).starts_with(
            "there are 5 fields, and day of week is missing: expected 6 fields: second"
        ),
    );
    assert!(refusal("60 0 0 * * *", true).starts_with("second (character 1): 60"));
    assert!(refusal("0 0 0 30 2 *", true).starts_with("day of month (character 7)"));
}

#[test]
fn what_never_fires_is_refused_at_the_day_of_month() {
    for (expression, days) in [
        ("0 0 30 2 *", "1 to 29"),
        ("0 0 30,31 FEB *", "1 to 29"),
        ("0 0 31 2,4,6,9,11 *", "1 to 30"),
        ("0 0 30 2 */2", "1 to 29"),
        ("0 0 31 4-6/2 *", "1 to 30"),
    ] {
        let told = refusal(expression, false);
        assert!(told.starts_with("day of month (character 5): no month"), "{expression}: {told}");
        assert!(told.contains("never fires") && told.contains(days), "{expression}: {told}");
    }
    // A day of the week is enough where both are restricted.
    assert_eq!(fires(&cron("0 0 30 2 1", false), 2), ["02-02 00:00", "02-09 00:00"]);
    // Rare is not never: there is no 29 February in 2100.
    let rule = cron("0 0 29 2 */7", false).rule().unwrap();
    let next = |after: &str| {
        rule.next(UTC, after.parse().unwrap()).unwrap().at.format("%Y-%m-%d %a").to_string()
    };
    assert_eq!(next("2026-01-01T00:00:00Z"), "2032-02-29 Sun");
    assert_eq!(next("2088-03-01T00:00:00Z"), "2128-02-29 Sun");
}

#[test]
fn unix_cron_is_read_as_people_know_it() {
    for (expression, first) in [
        ("0 9 * * 1", "01-05 09:00"),
        ("0 9 * * 0", "01-04 09:00"),
        ("0 9 * * 7", "01-04 09:00"),
        ("0 9 * * sun", "01-04 09:00"),
        ("0 9 * * Mon-Wed", "01-05 09:00"),
        ("0 9 * * SAT-SUN", "01-03 09:00"),
        ("0 9 * feb *", "02-01 09:00"),
        ("5,7-8,20-40/10 3 * * *", "01-01 03:05"),
        ("05 03 01 02 *", "02-01 03:05"),
        ("\t 0  9\t1 1 *  \n", "01-01 09:00"),
        ("@hourly", "01-01 00:00"),
        ("@DAILY", "01-01 00:00"),
        (" @midnight ", "01-01 00:00"),
        ("@weekly", "01-04 00:00"),
        ("@monthly", "01-01 00:00"),
        ("@yearly", "01-01 00:00"),
        ("@annually", "01-01 00:00"),
        ("0 0 */31 * *", "01-01 00:00"),
        ("0 0 1 */12 *", "01-01 00:00"),
        ("5-5/1 0 * * *", "01-01 00:05"),
    ] {
        assert_eq!(fires(&cron(expression, false), 1), [first], "{expression}");
    }
    let every = fires(&cron("0 0 * * *", false), 7);
    for all in ["0 0 * * 0-6", "0 0 * * 1-7", "0 0 1-31 * *", "0 0 13 * 0-7", "0 0 */1 1-12 */1"] {
        assert_eq!(fires(&cron(all, false), 7), every, "{all}");
    }
    assert_eq!(fires(&cron("@daily", true), 7), every, "names have no seconds");
}

#[test]
fn days_are_joined_by_or_unless_one_of_them_begins_with_a_star() {
    // Fridays and the 13th; 13 February and March 2026 are Fridays.
    assert_eq!(
        fires(&cron("0 0 13 1 5", false), 6),
        ["01-02 00:00", "01-09 00:00", "01-13 00:00", "01-16 00:00", "01-23 00:00", "01-30 00:00"]
    );
    // Mondays with an odd number; the 1st to the 7th if it is an even day of the week.
    assert_eq!(fires(&cron("0 0 */2 1 1", false), 2), ["01-05 00:00", "01-19 00:00"]);
    assert_eq!(
        fires(&cron("0 0 1-7 * */2", false), 4),
        ["01-01 00:00", "01-03 00:00", "01-04 00:00", "01-06 00:00"]
    );
}

#[test]
fn patterns_are_read_from_json_and_keep_their_form() {
    for (pattern, expected) in [
        (json!({"pattern": "daily", "at": "09:30"}), ["01-01 09:30", "01-02 09:30"]),
        (
            json!({"pattern": "weekly", "days": ["sunday", "tuesday"], "at": "09:00"}),
            ["01-04 09:00", "01-06 09:00"],
        ),
        (
            json!({"pattern": "monthly", "on": {"kind": "day", "day": 30}, "at": "00:00"}),
            ["01-30 00:00", "03-30 00:00"],
        ),
        (
            json!({"pattern": "monthly", "on": {"kind": "day", "day": 30, "orLast": true}, "at": "23:59:59"}),
            ["01-30 23:59", "02-28 23:59"],
        ),
        (
            json!({"pattern": "monthly", "on": {"kind": "lastDay"}, "at": "12:00"}),
            ["01-31 12:00", "02-28 12:00"],
        ),
        (
            json!({"pattern": "monthly", "on": {"kind": "weekday", "nth": "second", "weekday": "thursday"}, "at": "12:00"}),
            ["01-08 12:00", "02-12 12:00"],
        ),
        (
            json!({"pattern": "monthly", "on": {"kind": "weekday", "nth": "last", "weekday": "saturday"}, "at": "12:00"}),
            ["01-31 12:00", "02-28 12:00"],
        ),
        (json!({"pattern": "cron", "expression": "0 12 * * MON"}), ["01-05 12:00", "01-12 12:00"]),
    ] {
        let read: Pattern = serde_json::from_value(pattern.clone()).unwrap();
        assert_eq!(fires(&read, 2), expected, "{pattern}");
        let written = serde_json::to_value(&read).unwrap();
        assert_eq!(serde_json::from_value::<Pattern>(written.clone()).unwrap(), read, "{written}");
        assert_eq!(written["pattern"], read.as_str());
    }
}

#[test]
fn a_pattern_that_is_wrong_is_refused_at_its_field() {
    let refused = |pattern: Value, field: &str, word: &str| {
        let read: Pattern = serde_json::from_value(pattern).unwrap();
        let problem = read.check("recurrence").unwrap_err();
        assert_eq!(problem.field.as_deref(), Some(field));
        assert!(problem.message.contains(word), "{}", problem.message);
    };
    let at = "09:00";
    refused(
        json!({"pattern": "weekly", "days": [], "at": at}),
        "args.recurrence.days",
        "at least one",
    );
    refused(
        json!({"pattern": "weekly", "days": ["monday", "friday", "monday"], "at": at}),
        "args.recurrence.days[2]",
        "twice",
    );
    for day in [0, 32, 255] {
        let on = json!({"kind": "day", "day": day, "orLast": true});
        refused(
            json!({"pattern": "monthly", "on": on, "at": at}),
            "args.recurrence.on.day",
            "expected 1 to 31",
        );
    }
    for at in ["09:00:00.5", "23:59:60"] {
        refused(json!({"pattern": "daily", "at": at}), "args.recurrence.at", "whole seconds");
    }
    refused(
        json!({"pattern": "cron", "expression": "0 9 * * 8"}),
        "args.recurrence.expression",
        "day of week",
    );
    for unreadable in [
        json!({"pattern": "hourly"}),
        json!({"pattern": "daily"}),
        json!({"pattern": "daily", "at": "24:00"}),
        json!({"pattern": "daily", "at": at, "on": {"kind": "lastDay"}}),
        json!({"pattern": "weekly", "days": ["Mon"], "at": at}),
        json!({"pattern": "monthly", "on": {"kind": "weekday", "nth": "fifth", "weekday": "monday"}, "at": at}),
        json!({"pattern": "cron", "expression": "@daily", "at": at}),
    ] {
        assert!(serde_json::from_value::<Pattern>(unreadable.clone()).is_err(), "{unreadable}");
    }
}
