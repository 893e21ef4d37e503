//! A whole expression: its fields, how they are joined, and whether it ever fires.

use super::Follows;
use super::field::{self, Part, Set, Text};

/// Longer ones are refused. All values of all fields one by one take fewer.
const LONGEST: usize = 1_000;

/// What an expression says, field by field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expression {
    second: Set,
    minute: Set,
    hour: Set,
    day: Set,
    month: Set,
    weekday: Set,
}

impl Expression {
    pub(super) fn parse(expression: &str, seconds: bool) -> Result<Self, String> {
        if expression.len() > LONGEST {
            return Err(format!("the expression is longer than {LONGEST} bytes"));
        }
        let named = expression.trim();
        if named.starts_with('@') {
            return Self::read(of_name(named)?, false);
        }
        Self::read(expression, seconds)
    }

    fn read(expression: &str, seconds: bool) -> Result<Self, String> {
        let parts = if seconds { &Part::ALL[..] } else { &Part::ALL[1..] };
        let texts = field::texts(expression);
        if texts.len() != parts.len() {
            return Err(wrong_number(&texts, parts, seconds));
        }
        let mut sets = parts.iter().zip(&texts).map(|(part, text)| part.parse(text));
        let mut next = || sets.next().expect("as many fields as parts");
        let read = Self {
            second: if seconds { next()? } else { Set::only(0) },
            minute: next()?,
            hour: next()?,
            day: next()?,
            month: next()?,
            weekday: next()?,
        };
        read.must_fire(&texts[texts.len() - 3])?;
        Ok(read)
    }

    /// Whether the day of month and the day of week must both match: where one of them begins with `*`.
    /// Where neither does, one is enough.
    fn joined_by_and(&self) -> bool {
        self.day.open || self.weekday.open
    }

    /// Refuses days that none of the months has, unless a day of the week is enough.
    fn must_fire(&self, day: &Text) -> Result<(), String> {
        let longest = |month| match month {
            2 => 29,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let possible =
            || self.month.values().any(|month| self.day.values().any(|day| day <= longest(month)));
        if !self.joined_by_and() || possible() {
            return Ok(());
        }
        let most = self.month.values().map(longest).max().unwrap_or_default();
        Err(Part::Day.refuse(
            day,
            0,
            &format!("no month of this expression has such a day, so it never fires: expected one of 1 to {most}, or other months"),
        ))
    }

    /// It follows real time when its second, minute or hour is open: it begins with `*`, or leaves out no value.
    pub(super) fn follows(&self) -> Follows {
        let parts =
            [(Part::Second, &self.second), (Part::Minute, &self.minute), (Part::Hour, &self.hour)];
        if parts.iter().any(|(part, set)| set.open || part.all_in(set)) {
            Follows::RealTime
        } else {
            Follows::WallTime
        }
    }

    /// The same for croner: six fields of `*` and lists of numbers, and `+` before the day of week where it
    /// joins the days by AND.
    pub(super) fn in_numbers(&self) -> String {
        let list = |part: Part, set: &Set| {
            // A day field that is complete and does not begin with `*` counts in an OR.
            let days = matches!(part, Part::Day | Part::Weekday);
            if part.all_in(set) && (set.open || !days) {
                return "*".to_owned();
            }
            set.values().map(|value| value.to_string()).collect::<Vec<_>>().join(",")
        };
        let (day, weekday) = (list(Part::Day, &self.day), list(Part::Weekday, &self.weekday));
        let and = if self.joined_by_and() && day != "*" && weekday != "*" { "+" } else { "" };
        format!(
            "{} {} {} {day} {} {and}{weekday}",
            list(Part::Second, &self.second),
            list(Part::Minute, &self.minute),
            list(Part::Hour, &self.hour),
            list(Part::Month, &self.month),
        )
    }
}

/// What a name stands for.
fn of_name(name: &str) -> Result<&'static str, String> {
    const NAMES: &str = "@hourly, @daily, @midnight, @weekly, @monthly, @yearly or @annually";
    match name.to_ascii_lowercase().as_str() {
        "@hourly" => Ok("0 * * * *"),
        "@daily" | "@midnight" => Ok("0 0 * * *"),
        "@weekly" => Ok("0 0 * * 0"),
        "@monthly" => Ok("0 0 1 * *"),
        "@yearly" | "@annually" => Ok("0 0 1 1 *"),
        "@reboot" => Err(format!(
            "@reboot names no time, and a schedule knows of no machine that starts: expected {NAMES}"
        )),
        _ => Err(format!("{name:?} is no name of a schedule: expected {NAMES}, or five fields")),
    }
}

fn wrong_number(texts: &[Text], parts: &[Part], seconds: bool) -> String {
    let names =
        |parts: &[Part]| parts.iter().map(|part| part.name()).collect::<Vec<_>>().join(", ");
    let expected = format!("expected {} fields: {}", parts.len(), names(parts));
    match texts.len() {
        0 => format!("the expression is empty: {expected}"),
        6 if !seconds => {
            let right = Part::Weekday.name();
            format!(
                "there are 6 fields, one more after {right} (character {}): {expected}; a field for seconds stands first, and only where seconds are asked for",
                texts[5].at
            )
        }
        few if few < parts.len() => {
            format!("there are {few} fields, and {} is missing: {expected}", names(&parts[few..]))
        }
        many => format!(
            "there are {many} fields, which is too many from character {} on: {expected}",
            texts[parts.len()].at
        ),
    }
}
