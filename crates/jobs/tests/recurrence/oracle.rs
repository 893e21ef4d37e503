//! A second opinion on when an expression fires: it reads expressions by itself, goes through time step by
//! step, looks at what the clocks show, and plans nothing.

use std::collections::HashSet;

use chrono::{DateTime, Datelike, Duration, NaiveDateTime, Offset, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use jobs::recurrence::{Occurrence, Shift};

/// Which values each field has, and how the fields are joined.
pub(crate) struct Expression {
    second: [bool; 60],
    minute: [bool; 60],
    hour: [bool; 24],
    day: [bool; 32],
    month: [bool; 13],
    weekday: [bool; 7],
    both_days: bool,
    pub(crate) real_time: bool,
}

fn number(text: &str) -> usize {
    const NAMES: [&str; 19] = [
        "SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "JAN", "FEB", "MAR", "APR", "MAY", "JUN",
        "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
    ];
    match NAMES.iter().position(|name| *name == text.to_uppercase()) {
        Some(weekday) if weekday < 7 => weekday,
        Some(month) => month - 6,
        None => text.parse().unwrap(),
    }
}

fn has(field: &str, value: usize, least: usize, most: usize) -> bool {
    field.split(',').any(|item| {
        let (range, step) = item.split_once('/').unwrap_or((item, "1"));
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (number(from), number(to)),
            None if range == "*" => (least, most),
            None => (number(range), number(range)),
        };
        from <= value && value <= to && (value - from).is_multiple_of(step.parse().unwrap())
    })
}

fn table<const N: usize>(field: &str, least: usize, most: usize) -> [bool; N] {
    std::array::from_fn(|value| value >= least && has(field, value, least, most))
}

impl Expression {
    /// Five fields, or six.
    pub(crate) fn read(expression: &str) -> Self {
        let mut fields: Vec<&str> = expression.split(' ').collect();
        let minutes_only = fields.len() == 5;
        if minutes_only {
            fields.insert(0, "0");
        }
        let mut weekday = table(fields[5], 0, 7);
        weekday[0] |= has(fields[5], 7, 0, 7);
        let minute = table(fields[1], 0, 59);
        let hour = table(fields[2], 0, 23);
        let second = table(fields[0], 0, 59);
        let open = |field: &str, all: &[bool]| field.starts_with('*') || all.iter().all(|has| *has);
        Self {
            real_time: open(fields[0], &second)
                || open(fields[1], &minute)
                || open(fields[2], &hour),
            second,
            minute,
            hour,
            day: table(fields[3], 1, 31),
            month: table(fields[4], 1, 12),
            weekday,
            both_days: fields[3].starts_with('*') || fields[5].starts_with('*'),
        }
    }

    fn has(&self, shown: &Shown) -> bool {
        let day = self.day[shown.day];
        let weekday = self.weekday[shown.weekday];
        self.second[shown.second]
            && self.minute[shown.minute]
            && self.hour[shown.hour]
            && self.month[shown.month]
            && if self.both_days { day && weekday } else { day || weekday }
    }
}

/// What clocks show, taken apart once for all expressions.
struct Shown {
    wall: NaiveDateTime,
    second: usize,
    minute: usize,
    hour: usize,
    day: usize,
    month: usize,
    weekday: usize,
}

impl Shown {
    fn new(wall: NaiveDateTime) -> Self {
        Self {
            wall,
            second: wall.second() as usize,
            minute: wall.minute() as usize,
            hour: wall.hour() as usize,
            day: wall.day() as usize,
            month: wall.month() as usize,
            weekday: wall.weekday().num_days_from_sunday() as usize,
        }
    }
}

/// A moment, what the clocks show then, and what they left out before it.
struct Step {
    at: DateTime<Utc>,
    offset: chrono::FixedOffset,
    shown: Shown,
    left_out: Vec<Shown>,
    /// The clocks have shown this before.
    again: bool,
    /// They will show this again, or have.
    twice: bool,
}

/// A stretch of time in a zone, moment by moment.
pub(crate) struct Walk(Vec<Step>);

impl Walk {
    /// Every moment later than `from` and up to `to`, `pace` apart. What is shown twice is known where both
    /// times lie within a day of the walk.
    pub(crate) fn new(zone: Tz, from: DateTime<Utc>, to: DateTime<Utc>, pace: Duration) -> Self {
        let mut steps: Vec<Step> = Vec::new();
        let mut latest = NaiveDateTime::MIN;
        let mut at = from - Duration::days(1);
        let mut repeated = HashSet::new();
        while at <= to + Duration::days(1) {
            let offset = zone.offset_from_utc_datetime(&at.naive_utc()).fix();
            let wall = at.naive_utc() + offset;
            let again = wall <= latest;
            let mut left_out = Vec::new();
            if latest != NaiveDateTime::MIN {
                let mut gone = latest + pace;
                while gone < wall {
                    left_out.push(Shown::new(gone));
                    gone += pace;
                }
            }
            if again {
                repeated.insert(wall);
            }
            latest = latest.max(wall);
            let shown = Shown::new(wall);
            steps.push(Step { at, offset, shown, left_out, again, twice: false });
            at += pace;
        }
        for step in &mut steps {
            step.twice = repeated.contains(&step.shown.wall);
        }
        steps.retain(|step| step.at > from && step.at <= to);
        Self(steps)
    }

    /// What the expression does in this stretch.
    pub(crate) fn fires(&self, expression: &Expression) -> Vec<Occurrence> {
        let mut fires = Vec::new();
        for step in &self.0 {
            let planned = if expression.has(&step.shown) {
                if step.again && !expression.real_time {
                    continue;
                }
                &step.shown
            } else if expression.real_time {
                continue;
            } else {
                match step.left_out.iter().find(|gone| expression.has(gone)) {
                    Some(gone) => gone,
                    None => continue,
                }
            };
            let moved = planned.wall != step.shown.wall;
            fires.push(Occurrence {
                planned: planned.wall,
                fold: step.again.into(),
                at: step.at.with_timezone(&step.offset),
                shift: match (moved, step.twice) {
                    (true, _) => Shift::Moved,
                    (false, true) => Shift::Repeated,
                    (false, false) => Shift::None,
                },
            });
        }
        fires
    }
}
