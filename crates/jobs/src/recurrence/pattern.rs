//! What a person asks for: daily, weekly, monthly, or a cron expression; always in wall time.

use chrono::{NaiveTime, Timelike};
use serde::{Deserialize, Serialize};

use super::read::{AnyDay, AnyPattern};
use super::{Calendar, Cron, Follows, Invalid, Rule, Walls};
use crate::Problem;

/// A recurring pattern, as it stands in arguments and rows. Times are wall time in the schedule's zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(
    tag = "pattern",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    try_from = "AnyPattern"
)]
pub enum Pattern {
    /// Every day.
    Daily {
        /// The time of day, such as `09:00`.
        #[schema(value_type = String, example = "09:00")]
        at: NaiveTime,
    },
    /// On some days of each week.
    Weekly {
        /// The days, at least one.
        days: Vec<Weekday>,
        /// The time of day, such as `09:00`.
        #[schema(value_type = String, example = "09:00")]
        at: NaiveTime,
    },
    /// On one day of each month.
    Monthly {
        /// The day.
        on: MonthDay,
        /// The time of day, such as `09:00`.
        #[schema(value_type = String, example = "09:00")]
        at: NaiveTime,
    },
    /// As a Unix cron expression says.
    Cron {
        /// Minute, hour, day of month, month and day of week, such as `30 9 * * MON-FRI`; or `@daily` and
        /// its like.
        expression: String,
        /// Whether a field for seconds stands before the five.
        #[schema(default = false)]
        seconds: bool,
    },
}

/// A day of a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    try_from = "AnyDay"
)]
pub enum MonthDay {
    /// The day with this number.
    Day {
        /// 1 to 31.
        day: u8,
        /// In a month that has no such day: its last day, instead of none.
        #[schema(default = false)]
        or_last: bool,
    },
    /// The last day.
    LastDay,
    /// The first, second, third, fourth or last of a day of the week.
    Weekday {
        /// Which of them.
        nth: Nth,
        /// The day of the week.
        weekday: Weekday,
    },
}

/// Which of a month's Mondays, Tuesdays, and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Nth {
    /// The first.
    First,
    /// The second.
    Second,
    /// The third.
    Third,
    /// The fourth.
    Fourth,
    /// The last: the fourth or the fifth.
    Last,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "their names say it")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Pattern {
    /// The word for the pattern: `daily`, `weekly`, `monthly` or `cron`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Daily { .. } => "daily",
            Self::Weekly { .. } => "weekly",
            Self::Monthly { .. } => "monthly",
            Self::Cron { .. } => "cron",
        }
    }

    /// Checks the pattern and makes it ready to be asked when it fires.
    ///
    /// # Errors
    /// [`Invalid`] names the field that is wrong, and for a pattern that never fires the one that keeps it
    /// from firing.
    pub fn rule(&self) -> Result<Rule, Invalid> {
        let calendar =
            |calendar| Rule { walls: Walls::Calendar(calendar), follows: Follows::WallTime };
        Ok(match self {
            Self::Daily { at } => calendar(Calendar::daily(time_of_day(*at)?)),
            Self::Weekly { days, at } => {
                calendar(Calendar::weekly(check_days(days)?, time_of_day(*at)?))
            }
            Self::Monthly { on, at } => {
                if let MonthDay::Day { day, .. } = on
                    && !(1..=31).contains(day)
                {
                    return Err(Invalid::new("on.day", format!("{day}: expected 1 to 31")));
                }
                calendar(Calendar::monthly(*on, time_of_day(*at)?))
            }
            Self::Cron { expression, seconds } => {
                let (cron, follows) = Cron::parse(expression, *seconds)
                    .map_err(|message| Invalid::new("expression", message))?;
                Rule { walls: Walls::Cron(Box::new(cron)), follows }
            }
        })
    }

    /// Checks the pattern as the argument `field` of a job.
    ///
    /// # Errors
    /// A [`Problem`] at what is wrong, below `args.{field}`.
    pub fn check(&self, field: &str) -> Result<(), Problem> {
        self.rule().map(drop).map_err(|invalid| {
            Problem::argument(&format!("{field}.{}", invalid.field), invalid.message)
        })
    }
}

fn time_of_day(at: NaiveTime) -> Result<NaiveTime, Invalid> {
    // Leap seconds are told as a billion nanoseconds and more.
    if at.nanosecond() != 0 {
        return Err(Invalid::new("at", format!("{at}: expected whole seconds, 00:00 to 23:59:59")));
    }
    Ok(at)
}

fn check_days(days: &[Weekday]) -> Result<&[Weekday], Invalid> {
    if days.is_empty() {
        return Err(Invalid::new("days", "expected at least one day of the week"));
    }
    for (nth, day) in days.iter().enumerate() {
        if days[..nth].contains(day) {
            return Err(Invalid::new(format!("days[{nth}]"), "this day stands there twice"));
        }
    }
    Ok(days)
}

impl From<Weekday> for chrono::Weekday {
    fn from(day: Weekday) -> Self {
        match day {
            Weekday::Monday => Self::Mon,
            Weekday::Tuesday => Self::Tue,
            Weekday::Wednesday => Self::Wed,
            Weekday::Thursday => Self::Thu,
            Weekday::Friday => Self::Fri,
            Weekday::Saturday => Self::Sat,
            Weekday::Sunday => Self::Sun,
        }
    }
}
