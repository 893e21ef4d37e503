//! When a recurring schedule fires: patterns of wall times in an IANA zone, and the moments they mean.
//!
//! [`Pattern`] is what a person asks for and what is stored. [`Rule`] is the same, checked and ready to be
//! asked for the next [`Occurrence`]. `docs/schedules.md` says in words what is decided here.
//!
//! A rule keeps wall time: what it plans is a local time, and `clock.rs` finds the moment. A local time that
//! the clocks leave out is the first moment after the gap; one that they show twice is the first of the two.
//! A cron expression whose minutes or hours are open (`*`, `*/15`) follows real time instead: nothing is
//! made up for the time left out, and the repeated time counts twice.
//!
//! **Invariant:** the occurrences of a rule depend on nothing but the rule, the zone and its data: asked
//! from wherever, they are the same, in order, and no two share a moment.

mod calendar;
mod clock;
mod cron;
mod occurrences;
mod pattern;
mod read;

use chrono::{DateTime, NaiveDateTime, Utc};
use chrono_tz::Tz;

pub use clock::{Occurrence, Shift, once, shift};
pub use occurrences::Occurrences;
pub use pattern::{MonthDay, Nth, Pattern, Weekday};

use calendar::Calendar;
use cron::Cron;

/// What is wrong with a pattern, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    /// The field of the pattern, such as `expression` or `days[2]`.
    pub field: String,
    /// For people; in a cron expression it names the field and the character.
    pub message: String,
}

impl Invalid {
    fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// A pattern that was checked, and can be asked when it fires.
#[derive(Clone, Debug)]
pub struct Rule {
    walls: Walls,
    follows: Follows,
}

/// The local times that a rule names, as if clocks never changed.
#[derive(Clone, Debug)]
enum Walls {
    Calendar(Calendar),
    Cron(Box<Cron>),
}

impl Walls {
    /// The first one later than `wall`.
    fn after(&self, wall: NaiveDateTime) -> Option<NaiveDateTime> {
        match self {
            Self::Calendar(calendar) => calendar.after(wall),
            Self::Cron(cron) => cron.after(wall),
        }
    }

    /// Whether this, a whole second, is one.
    fn has(&self, wall: NaiveDateTime) -> bool {
        self.from(wall) == Some(wall)
    }

    /// The first one that is not earlier than `wall`, a whole second.
    fn from(&self, wall: NaiveDateTime) -> Option<NaiveDateTime> {
        self.after(wall - chrono::TimeDelta::seconds(1))
    }
}

/// What a rule holds to when the clocks change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Follows {
    /// Each local time once.
    WallTime,
    /// What the clocks show, as often as they show it.
    RealTime,
}

impl Rule {
    /// The next occurrence later than `after`. `None` at the end of the calendar, two thousand years ahead:
    /// a pattern that never fires is no [`Rule`].
    pub fn next(&self, zone: Tz, after: DateTime<Utc>) -> Option<Occurrence> {
        clock::next(self, zone, after)
    }

    /// All occurrences later than `after`, in order.
    pub fn occurrences(&self, zone: Tz, after: DateTime<Utc>) -> Occurrences<'_> {
        Occurrences::new(self, zone, after)
    }

    /// Whether the rule follows real time: it skips what the clocks leave out, and fires in both passes of
    /// a time that they repeat.
    pub fn follows_real_time(&self) -> bool {
        self.follows == Follows::RealTime
    }
}
