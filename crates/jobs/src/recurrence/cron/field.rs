//! One field of an expression, read strictly.
//!
//! **Invariant:** a message names the field, the character, and what would be right.

/// A field's text, and where it begins in the expression: its character, counted from 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

/// The texts between blanks.
pub(super) fn texts(expression: &str) -> Vec<Text<'_>> {
    let blank = |letter: char| letter.is_ascii_whitespace();
    let mut texts = Vec::new();
    let (mut rest, mut at) = (expression, 1);
    loop {
        let text = rest.trim_start_matches(blank);
        at += rest.len() - text.len();
        let end = text.find(blank).unwrap_or(text.len());
        if end == 0 {
            return texts;
        }
        texts.push(Text { text: &text[..end], at });
        at += text[..end].chars().count();
        rest = &text[end..];
    }
}

/// The values of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Set {
    bits: u64,
    /// Whether the field begins with `*`, and so restricts nothing by itself.
    pub(super) open: bool,
}

impl Set {
    pub(super) fn only(value: u32) -> Self {
        Self { bits: 1 << value, open: false }
    }

    pub(super) fn values(&self) -> impl Iterator<Item = u32> + '_ {
        (0..60).filter(|value| self.bits & (1 << value) != 0)
    }
}

/// A field's meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Second,
    Minute,
    Hour,
    Day,
    Month,
    Weekday,
}

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl Part {
    pub(super) const ALL: [Self; 6] =
        [Self::Second, Self::Minute, Self::Hour, Self::Day, Self::Month, Self::Weekday];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day of month",
            Self::Month => "month",
            Self::Weekday => "day of week",
        }
    }

    /// The least and the greatest value; Sunday is 0 and 7.
    const fn range(self) -> (u32, u32) {
        match self {
            Self::Second | Self::Minute => (0, 59),
            Self::Hour => (0, 23),
            Self::Day => (1, 31),
            Self::Month => (1, 12),
            Self::Weekday => (0, 7),
        }
    }

    /// The names of its values, beginning with the least one.
    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Month => &MONTHS,
            Self::Weekday => &WEEKDAYS,
            _ => &[],
        }
    }

    /// Whether the set leaves out no value.
    pub(super) fn all_in(self, set: &Set) -> bool {
        let (least, most) = self.range();
        // Sunday is kept as 0.
        let most = if self == Self::Weekday { 6 } else { most };
        (least..=most).all(|value| set.bits & (1 << value) != 0)
    }

    pub(super) fn parse(self, field: &Text) -> Result<Set, String> {
        let mut set = Set { bits: 0, open: field.text.starts_with('*') };
        let mut offset = 0;
        for item in field.text.split(',') {
            let text = Text { text: item, at: field.at + offset };
            let (from, to, step) = self.item(&text)?;
            for value in (from..=to).step_by(step as usize) {
                let sunday = self == Self::Weekday && value == 7;
                set.bits |= 1 << if sunday { 0 } else { value };
            }
            offset += item.chars().count() + 1;
        }
        Ok(set)
    }

    /// `*`, `5`, `1-5`, or one of the ranges with a step.
    fn item(self, item: &Text) -> Result<(u32, u32, u32), String> {
        let (least, most) = self.range();
        let (range, step) = match item.text.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item.text, None),
        };
        if range.is_empty() {
            let what =
                if step.is_some() { "nothing before the step" } else { "nothing between commas" };
            return Err(self.refuse(item, 0, &format!("{what}: expected {}", self.values())));
        }
        let (from, to) = if range == "*" {
            (least, most)
        } else if let Some((from, to)) = range.split_once('-') {
            let second = from.chars().count() + 1;
            let (first, last) = (self.value(item, from, 0)?, self.value(item, to, second)?);
            // A week may end with its Sunday: FRI-SUN.
            let sunday = self == Self::Weekday && first > 0 && to.eq_ignore_ascii_case("SUN");
            (first, if sunday { 7 } else { last })
        } else {
            let value = self.value(item, range, 0)?;
            if step.is_some() {
                let right = format!("a step needs a range: expected {range}-{most}/… or */…");
                return Err(self.refuse(item, 0, &right));
            }
            (value, value)
        };
        if from > to {
            let right = format!(
                "a range goes upwards: expected the smaller value first, or two ranges such as {from}-{most},{least}-{to}"
            );
            return Err(self.refuse(item, 0, &right));
        }
        let step = step.map_or(Ok(1), |step| self.step(item, step, range, from, to))?;
        Ok((from, to, step))
    }

    fn step(self, item: &Text, step: &str, range: &str, from: u32, to: u32) -> Result<u32, String> {
        let at = range.chars().count() + 1;
        // Days and months count from 1: every 31st day is the first of each month.
        let longest = if from == self.range().0 { to } else { to - from }.max(1);
        match number(step) {
            Some(step) if (1..=longest).contains(&step) => Ok(step),
            Some(0) => Err(self.refuse(
                item,
                at,
                &format!("a step of 0 goes nowhere: expected 1 to {longest}"),
            )),
            Some(_) => Err(self.refuse(
                item,
                at,
                &format!("a step of {step} leaves the range at once: expected 1 to {longest}"),
            )),
            None => {
                Err(self.refuse(item, at, &format!("{step:?} is no step: expected 1 to {longest}")))
            }
        }
    }

    fn value(self, item: &Text, text: &str, offset: usize) -> Result<u32, String> {
        let (least, most) = self.range();
        let named = self.names().iter().position(|name| name.eq_ignore_ascii_case(text));
        if let Some(nth) = named {
            return Ok(least + u32::try_from(nth).expect("a dozen at most"));
        }
        let refuse = |what: String| Err(self.refuse(item, offset, &what));
        match number(text) {
            Some(value) if (least..=most).contains(&value) => Ok(value),
            Some(_) => refuse(format!("{text} is out of range: expected {}", self.values())),
            None => {
                refuse(format!("{text:?} is {}: expected {}", self.reason(text), self.values()))
            }
        }
    }

    /// Why a text is no value. Letters of other schedulers are named.
    fn reason(self, text: &str) -> &'static str {
        let upper = text.to_ascii_uppercase();
        let day = matches!(self, Self::Day | Self::Weekday);
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        match upper.as_str() {
            "" => "no value",
            "?" => "not of Unix cron, which writes *",
            "LW" if day => "not of Unix cron",
            _ if day && (upper.contains('#') || upper.strip_suffix('L').is_some_and(digits)) => {
                "not of Unix cron (a monthly pattern knows the last day and the first to last of a weekday)"
            }
            _ if self == Self::Day && upper.strip_suffix('W').is_some_and(digits) => {
                "not of Unix cron"
            }
            _ => "no value",
        }
    }

    /// What a value may be.
    fn values(self) -> String {
        let (least, most) = self.range();
        match self.names() {
            [first, .., last] => format!("{least} to {most} or {first} to {last}"),
            _ => format!("{least} to {most}"),
        }
    }

    /// A message for people about the character `offset` of `text`.
    pub(super) fn refuse(self, text: &Text, offset: usize, what: &str) -> String {
        format!("{} (character {}): {what}", self.name(), text.at + offset)
    }
}

/// Digits alone: no sign.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // What has more digits than that is out of every range.
    digits.then(|| text.parse().unwrap_or(u32::MAX))
}
