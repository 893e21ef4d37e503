//! A pattern as somebody sent it: what is wrong is said at its field.
//!
//! The decoder of an enum that is told apart by a field of its own does not say where it was when it stopped. So
//! what is sent is read as a plain object first, with the fields of all patterns, and then taken apart.
//!
//! **Invariant:** what is read has the fields of its pattern, all of them, and no others.

use chrono::NaiveTime;
use serde::{Deserialize, Deserializer};

use super::{MonthDay, Nth, Pattern, Weekday};

/// The fields of all patterns.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[serde(expecting = r#"an object such as {"pattern": "daily", "at": "09:00"}"#)]
pub(super) struct AnyPattern {
    pattern: PatternName,
    #[serde(default, deserialize_with = "time_of_day")]
    at: Option<NaiveTime>,
    #[serde(default, deserialize_with = "some")]
    days: Option<Vec<Weekday>>,
    #[serde(default, deserialize_with = "some")]
    on: Option<MonthDay>,
    #[serde(default, deserialize_with = "some")]
    expression: Option<String>,
    #[serde(default, deserialize_with = "some")]
    seconds: Option<bool>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum PatternName {
    Daily,
    Weekly,
    Monthly,
    Cron,
}

/// The fields of all days of a month.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[serde(expecting = r#"an object such as {"kind": "lastDay"} or {"kind": "day", "day": 31}"#)]
pub(super) struct AnyDay {
    kind: DayName,
    #[serde(default, deserialize_with = "some")]
    day: Option<u8>,
    #[serde(default, deserialize_with = "some")]
    or_last: Option<bool>,
    #[serde(default, deserialize_with = "some")]
    nth: Option<Nth>,
    #[serde(default, deserialize_with = "some")]
    weekday: Option<Weekday>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum DayName {
    Day,
    LastDay,
    Weekday,
}

/// A field that is there, and no null.
fn some<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

fn time_of_day<'de, D: Deserializer<'de>>(from: D) -> Result<Option<NaiveTime>, D::Error> {
    let said = NaiveTime::deserialize(from);
    said.map(Some).map_err(|error| {
        let right = "expected a time of day such as 09:00 or 09:00:30";
        serde::de::Error::custom(format!("{error}: {right}"))
    })
}

/// The field, which must be there.
fn needed<T>(field: Option<T>, name: &str) -> Result<T, String> {
    field.ok_or_else(|| format!("missing field `{name}`"))
}

/// Refuses fields that another pattern, or another kind of day, would have.
fn none_else(others: &[(&str, bool)], of: &str) -> Result<(), String> {
    match others.iter().find(|(_, is_there)| *is_there) {
        Some((name, _)) => Err(format!("unknown field `{name}`: {of} has none")),
        None => Ok(()),
    }
}

impl TryFrom<AnyPattern> for Pattern {
    type Error = String;

    fn try_from(any: AnyPattern) -> Result<Self, String> {
        let AnyPattern { pattern, at, days, on, expression, seconds } = any;
        let at_is = ("at", at.is_some());
        let days_are = ("days", days.is_some());
        let on_is = ("on", on.is_some());
        let cron = [("expression", expression.is_some()), ("seconds", seconds.is_some())];
        match pattern {
            PatternName::Daily => {
                none_else(&[days_are, on_is, cron[0], cron[1]], "a daily pattern")?;
                Ok(Self::Daily { at: needed(at, "at")? })
            }
            PatternName::Weekly => {
                none_else(&[on_is, cron[0], cron[1]], "a weekly pattern")?;
                Ok(Self::Weekly { days: needed(days, "days")?, at: needed(at, "at")? })
            }
            PatternName::Monthly => {
                none_else(&[days_are, cron[0], cron[1]], "a monthly pattern")?;
                Ok(Self::Monthly { on: needed(on, "on")?, at: needed(at, "at")? })
            }
            PatternName::Cron => {
                none_else(&[at_is, days_are, on_is], "a cron expression")?;
                let expression = needed(expression, "expression")?;
                Ok(Self::Cron { expression, seconds: seconds.unwrap_or(false) })
            }
        }
    }
}

impl TryFrom<AnyDay> for MonthDay {
    type Error = String;

    fn try_from(any: AnyDay) -> Result<Self, String> {
        let AnyDay { kind, day, or_last, nth, weekday } = any;
        let by_number = [("day", day.is_some()), ("orLast", or_last.is_some())];
        let by_weekday = [("nth", nth.is_some()), ("weekday", weekday.is_some())];
        match kind {
            DayName::Day => {
                none_else(&by_weekday, "the kind `day`")?;
                Ok(Self::Day { day: needed(day, "day")?, or_last: or_last.unwrap_or(false) })
            }
            DayName::LastDay => {
                none_else(&[by_number, by_weekday].concat(), "the kind `lastDay`")?;
                Ok(Self::LastDay)
            }
            DayName::Weekday => {
                none_else(&by_number, "the kind `weekday`")?;
                let weekday = needed(weekday, "weekday")?;
                Ok(Self::Weekday { nth: needed(nth, "nth")?, weekday })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_wrong_is_said_at_its_field() {
        for (value, field, said) in [
            (json!({ "pattern": "daily", "at": "25:00" }), "at", "expected a time of day"),
            (json!({ "pattern": "daily", "at": 9 }), "at", "expected a time of day"),
            (json!({ "pattern": "daily", "at": null }), "at", "expected a time of day"),
            (json!({ "pattern": "daily" }), ".", "missing field `at`"),
            (json!({ "pattern": "daily", "at": "09:00", "x": 1 }), "x", "unknown field `x`"),
            (
                json!({ "pattern": "daily", "at": "09:00", "days": ["monday"] }),
                ".",
                "unknown field `days`",
            ),
            (
                json!({ "pattern": "weekly", "at": "09:00", "days": ["monday", "noday"] }),
                "days[1]",
                "noday",
            ),
            (json!({ "pattern": "weekly", "at": "09:00" }), ".", "missing field `days`"),
            (
                json!({ "pattern": "monthly", "at": "09:00", "on": { "kind": "x" } }),
                "on.kind",
                "`x`",
            ),
            (
                json!({ "pattern": "monthly", "at": "09:00", "on": { "kind": "day", "day": 300 } }),
                "on.day",
                "300",
            ),
            (
                json!({ "pattern": "monthly", "at": "09:00", "on": { "kind": "lastDay", "nth": "last" } }),
                "on",
                "unknown field `nth`",
            ),
            (
                json!({ "pattern": "monthly", "at": "09:00", "on": { "kind": "weekday", "nth": "last" } }),
                "on",
                "missing field `weekday`",
            ),
            (json!({ "pattern": "cron", "expression": 5 }), "expression", "a string"),
            (json!({ "pattern": "cron", "at": "09:00" }), ".", "unknown field `at`"),
            (
                json!({ "pattern": "cron", "expression": "* * * * *", "seconds": 1 }),
                "seconds",
                "bool",
            ),
            (json!({ "pattern": "hourly" }), "pattern", "hourly"),
            (json!({ "at": "09:00" }), ".", "missing field `pattern`"),
            (json!("daily"), ".", "expected an object"),
            (json!({ "pattern": "monthly", "on": 3, "at": "09:00" }), "on", "expected an object"),
        ] {
            let read: Result<Pattern, _> = serde_path_to_error::deserialize(&value);
            let Err(error) = read else { panic!("{value} was read") };
            let (path, told) = (error.path().to_string(), error.into_inner().to_string());
            assert_eq!(path, field, "{value}: {told}");
            assert!(told.contains(said), "{value}: {told}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for value in [
            json!({ "pattern": "daily", "at": "09:00:00" }),
            json!({ "pattern": "weekly", "days": ["monday"], "at": "09:00:30" }),
            json!({ "pattern": "monthly", "on": { "kind": "lastDay" }, "at": "09:00:00" }),
            json!({ "pattern": "monthly", "on": { "kind": "day", "day": 31, "orLast": true }, "at": "09:00:00" }),
            json!({ "pattern": "monthly", "on": { "kind": "weekday", "nth": "last", "weekday": "friday" }, "at": "09:00:00" }),
            json!({ "pattern": "cron", "expression": "* * * * * *", "seconds": true }),
        ] {
            let pattern: Pattern = serde_json::from_value(value.clone()).expect("a pattern");
            assert_eq!(serde_json::to_value(pattern).expect("plain data"), value);
        }
    }
}
