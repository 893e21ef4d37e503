//! What may be asked for: ranges, metrics, forms.
//!
//! **Invariant:** what cannot be answered is refused by its name, and by what would be right.

use axum::http::{HeaderMap, header};
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};

use crate::problem::{Problem, Result};
use platforms::EngagementType;
use store::analytics::read::{Edge, Grain, Range};

/// Longest range by days.
const DAYS: i64 = 366;
/// Longest range by hours, and of ranges that do not begin and end with a day.
const DAYS_BY_HOUR: i64 = 31;
/// Years that make sense.
const YEARS: std::ops::RangeInclusive<i32> = 2000..=2100;

/// The end of a range: a date, or a moment.
///
/// # Errors
/// 422 naming the parameter.
pub(crate) fn edge(parameter: &str, given: &str) -> Result<Edge> {
    let edge = match given.parse::<NaiveDate>() {
        Ok(date) => Edge::Date(date),
        Err(_) => Edge::Moment(given.parse::<DateTime<Utc>>().map_err(|_| {
            let message = format!(
                "expected a date, such as 2026-11-01, or a moment, such as 2026-11-01T08:00:00Z, \
                 not {:?}",
                given.chars().take(60).collect::<String>()
            );
            Problem::invalid(parameter, message)
        })?),
    };
    let year = match edge {
        Edge::Date(date) => date.year(),
        Edge::Moment(at) | Edge::DayOf(at) => at.year(),
    };
    if YEARS.contains(&year) {
        return Ok(edge);
    }
    let message = format!("expected a year from {} to {}", YEARS.start(), YEARS.end());
    Err(Problem::invalid(parameter, message))
}

/// Refuses a range that ends before it begins, or is too long to be told by this grain.
///
/// # Errors
/// 422 naming the parameter.
pub(crate) fn longest(range: &Range, by: Option<Grain>) -> Result<()> {
    if range.to <= range.from {
        let message = "expected a date or a moment after `from`; a range ends before `to`";
        return Err(Problem::invalid("to", message));
    }
    if by != Some(Grain::Hour) && range.whole_days {
        if (range.end - range.first).num_days() > DAYS {
            return Err(Problem::invalid("to", format!("expected at most {DAYS} days")));
        }
        return Ok(());
    }
    // Once a year, 31 days last an hour longer.
    if range.to - range.from > TimeDelta::days(DAYS_BY_HOUR) + TimeDelta::hours(1) {
        let message = if range.whole_days {
            format!("expected at most {DAYS_BY_HOUR} days by hour")
        } else {
            format!(
                "expected at most {DAYS_BY_HOUR} days of a range that does not begin and end at \
                 midnight in {}",
                range.timezone
            )
        };
        return Err(Problem::invalid("to", message));
    }
    Ok(())
}

/// One of these words, as what it stands for; `None` where none is given.
///
/// # Errors
/// 422 naming the parameter and the words.
pub(crate) fn word<T: Copy>(
    parameter: &str,
    given: Option<&str>,
    words: &[(&str, T)],
) -> Result<Option<T>> {
    let Some(given) = given else { return Ok(None) };
    if let Some((_, found)) = words.iter().find(|(word, _)| *word == given) {
        return Ok(Some(*found));
    }
    let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let given: String = given.chars().take(60).collect();
    let message = format!("unknown {parameter} {given:?}: expected one of {}", words.join(", "));
    Err(Problem::invalid(parameter, message))
}

/// A metric that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    Total(EngagementType),
    Engagement,
    EngagementRate,
}

impl Metric {
    pub(super) const ALL: [Metric; 8] = [
        Metric::Total(EngagementType::Like),
        Metric::Total(EngagementType::Comment),
        Metric::Total(EngagementType::Impression),
        Metric::Total(EngagementType::Click),
        Metric::Total(EngagementType::Share),
        Metric::Total(EngagementType::Save),
        Metric::Engagement,
        Metric::EngagementRate,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Metric::Total(of) => of.total(),
            Metric::Engagement => "engagement",
            Metric::EngagementRate => "engagementRate",
        }
    }
}

/// The metrics that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted([bool; Metric::ALL.len()]);

impl Wanted {
    /// Those that are listed, or all.
    ///
    /// # Errors
    /// 422 naming the one that is unknown.
    pub(crate) fn listed(given: Option<&str>) -> Result<Self> {
        let Some(given) = given else { return Ok(Self([true; Metric::ALL.len()])) };
        let words = Metric::ALL.map(|metric| (metric.as_str(), metric));
        let mut wanted = Self([false; Metric::ALL.len()]);
        for name in given.split(',') {
            let found = word("metrics", Some(name.trim()), &words)?;
            for (place, metric) in wanted.0.iter_mut().zip(Metric::ALL) {
                *place |= found == Some(metric);
            }
        }
        Ok(wanted)
    }

    pub(super) fn has(self, metric: Metric) -> bool {
        Metric::ALL.into_iter().zip(self.0).any(|(one, wanted)| wanted && one == metric)
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Metric> {
        Metric::ALL.into_iter().zip(self.0).filter(|(_, wanted)| *wanted).map(|(one, _)| one)
    }
}

/// How rows are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Csv,
}

/// The form that is asked for: by the parameter, or else by `Accept`.
///
/// # Errors
/// 422 when it is neither.
pub(crate) fn form(given: Option<&str>, headers: &HeaderMap) -> Result<Form> {
    if let Some(form) = word("format", given, &[("json", Form::Json), ("csv", Form::Csv)])? {
        return Ok(form);
    }
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    // The one that is named first; whoever names neither gets JSON.
    let first = accepted.flat_map(|value| value.split(',')).find_map(|range| {
        match range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "text/csv" => Some(Form::Csv),
            "application/json" | "application/*" | "*/*" => Some(Form::Json),
            _ => None,
        }
    });
    Ok(first.unwrap_or(Form::Json))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn dates_and_moments_are_told_apart_and_nonsense_is_refused() {
        assert!(matches!(edge("from", "2026-11-01"), Ok(Edge::Date(_))));
        assert!(matches!(edge("from", "2026-11-01T08:00:00+02:00"), Ok(Edge::Moment(_))));
        for wrong in
            ["", "yesterday", "2026-11-31", "2026-11-01T08:00:00", "1999-12-31", "9999-01-01"]
        {
            assert!(edge("from", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn metrics_are_those_that_are_listed() {
        let some = Wanted::listed(Some("likes, engagementRate")).expect("both are known");
        let names: Vec<&str> = some.iter().map(Metric::as_str).collect();
        assert_eq!(names, ["likes", "engagementRate"]);
        assert_eq!(Wanted::listed(None).expect("all").iter().count(), 8);
        for wrong in ["", "likes,", "loves"] {
            assert!(Wanted::listed(Some(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_form_is_the_parameters_or_the_first_that_is_accepted() {
        let of = |given, accept: &'static str| {
            let accept = HeaderValue::from_static(accept);
            form(given, &HeaderMap::from_iter([(header::ACCEPT, accept)])).ok()
        };
        assert_eq!(of(None, "text/csv"), Some(Form::Csv));
        assert_eq!(of(None, "text/csv;q=0.9, */*"), Some(Form::Csv));
        assert_eq!(of(None, "application/json, text/csv"), Some(Form::Json));
        assert_eq!(of(None, "text/html"), Some(Form::Json));
        assert_eq!(of(Some("csv"), "application/json"), Some(Form::Csv));
        assert_eq!(of(Some("xml"), "*/*"), None);
    }
}
