//! Cron expressions as Unix has them, read strictly; `croner` walks the calendar by them.
//!
//! `croner` lets pass what a person cannot have meant (`*/90`, `0 0 30 2 *`, empty items), joins `*/2` and a
//! day of the week by OR, and takes `0,30 2 * * *` for an interval when clocks change. So it is given what
//! was read here, field by field and in numbers, and plain local times.
//!
//! **Invariant:** an expression that is read fires.

mod expression;
mod field;

use chrono::NaiveDateTime;
use croner::parser::{CronParser, Seconds, Year};

use super::Follows;
use expression::Expression;

/// The local times that an expression names.
#[derive(Clone, Debug)]
pub(super) struct Cron(croner::Cron);

impl Cron {
    /// Reads five fields, or six with seconds first, or `@daily` and its like. The error is for people.
    pub(super) fn parse(expression: &str, seconds: bool) -> Result<(Self, Follows), String> {
        let read = Expression::parse(expression, seconds)?;
        let cron = CronParser::builder()
            .seconds(Seconds::Required)
            .year(Year::Disallowed)
            .build()
            .parse(&read.in_numbers())
            .expect("lists of numbers within their ranges");
        Ok((Self(cron), read.follows()))
    }

    /// The first local time later than `wall`.
    pub(super) fn after(&self, wall: NaiveDateTime) -> Option<NaiveDateTime> {
        // An expression that fires does so within 40 years; the calendar's end is the one way to fail.
        self.0.find_next_occurrence(&wall, false).ok()
    }
}
