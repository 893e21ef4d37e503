//! The local times of daily, weekly and monthly patterns: one time of day on some days.

use chrono::{Datelike, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

use super::{MonthDay, Nth, Weekday};

/// One time of day on some days.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calendar {
    days: Days,
    at: NaiveTime,
}

#[derive(Clone, Copy, Debug)]
enum Days {
    /// By their number from Monday.
    OfWeek([bool; 7]),
    OfMonth(MonthDay),
}

impl Calendar {
    pub(super) fn daily(at: NaiveTime) -> Self {
        Self { days: Days::OfWeek([true; 7]), at }
    }

    /// On at least one day.
    pub(super) fn weekly(days: &[Weekday], at: NaiveTime) -> Self {
        let mut week = [false; 7];
        for day in days {
            week[chrono::Weekday::from(*day).num_days_from_monday() as usize] = true;
        }
        Self { days: Days::OfWeek(week), at }
    }

    pub(super) fn monthly(on: MonthDay, at: NaiveTime) -> Self {
        Self { days: Days::OfMonth(on), at }
    }

    /// The first local time later than `wall`.
    pub(super) fn after(&self, wall: NaiveDateTime) -> Option<NaiveDateTime> {
        let today = wall.date();
        let first = if wall.time() < self.at { today } else { today.succ_opt()? };
        Some(self.days.from(first)?.and_time(self.at))
    }
}

impl Days {
    /// The first day that is not before `date`.
    fn from(&self, date: NaiveDate) -> Option<NaiveDate> {
        match self {
            Self::OfWeek(week) => date
                .iter_days()
                .take(7)
                .find(|day| week[day.weekday().num_days_from_monday() as usize]),
            Self::OfMonth(on) => {
                let month = date.with_day(1)?;
                // No two months in a row lack a day, and this month's may be over.
                (0..4)
                    .filter_map(|months| {
                        in_month(*on, month.checked_add_months(Months::new(months))?)
                    })
                    .find(|day| *day >= date)
            }
        }
    }
}

/// The day in the month that begins with `first`, if there is one.
fn in_month(on: MonthDay, first: NaiveDate) -> Option<NaiveDate> {
    let last = first.checked_add_months(Months::new(1))?.pred_opt()?;
    let nth = |nth, weekday| {
        NaiveDate::from_weekday_of_month_opt(first.year(), first.month(), weekday, nth)
    };
    match on {
        MonthDay::Day { day, or_last } => {
            first.with_day(day.into()).or_else(|| or_last.then_some(last))
        }
        MonthDay::LastDay => Some(last),
        MonthDay::Weekday { nth: which, weekday } => {
            let weekday = chrono::Weekday::from(weekday);
            match which {
                Nth::First => nth(1, weekday),
                Nth::Second => nth(2, weekday),
                Nth::Third => nth(3, weekday),
                Nth::Fourth => nth(4, weekday),
                Nth::Last => {
                    Some(last - TimeDelta::days(last.weekday().days_since(weekday).into()))
                }
            }
        }
    }
}
