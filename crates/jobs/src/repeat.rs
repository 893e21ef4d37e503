//! How a schedule recurs, as a person asks for it.
//!
//! **Invariant:** what passes has a first occurrence, and an end that is not before it.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::recurrence::{Occurrence, Pattern};
use crate::series::Series;
use crate::{ContentVersionId, Problem, wall_time};

/// The most versions that take turns.
const MOST_VERSIONS: usize = 100;

/// How a schedule recurs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recurrence {
    /// When: daily, weekly, monthly, or by a cron expression.
    pub rule: Pattern,
    /// The last wall time at which it may go out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "2026-12-31T23:59:59")]
    pub end_date: Option<NaiveDateTime>,
    /// How many occurrences there are in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub count: Option<u32>,
    /// Versions that take turns, beginning with `contentVersionId`: networks refuse a text that they have
    /// just seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_version_ids: Option<Vec<ContentVersionId>>,
}

/// A series as it begins.
#[derive(Clone, Debug)]
pub struct Begun {
    /// The series.
    pub series: Series,
    /// Its first occurrence.
    pub first: Occurrence,
    /// The moment of its end date.
    pub ends_at: Option<DateTime<Utc>>,
}

impl Recurrence {
    /// What can be said against it without looking at any row.
    pub(crate) fn check(&self, first_version: Option<ContentVersionId>) -> Result<(), Problem> {
        self.rule.check("recurrence.rule")?;
        if self.count == Some(0) {
            return Err(Problem::argument("recurrence.count", "0: expected at least 1"));
        }
        let Some(versions) = &self.content_version_ids else { return Ok(()) };
        let field = "recurrence.contentVersionIds";
        if versions.is_empty() || versions.len() > MOST_VERSIONS {
            let message =
                format!("expected 1 to {MOST_VERSIONS} versions, found {}", versions.len());
            return Err(Problem::argument(field, message));
        }
        if let Some(first) = first_version
            && versions.first() != Some(&first)
        {
            let message = format!("expected contentVersionId, {first}: it goes out first");
            return Err(Problem::argument(&format!("{field}[0]"), message));
        }
        Ok(())
    }

    /// The series that begins at `starts_at` or later.
    ///
    /// # Errors
    /// A [`Problem`] at the field because of which there is no occurrence.
    pub fn begin(&self, zone: Tz, starts_at: DateTime<Utc>) -> Result<Begun, Problem> {
        let ends_at = self.end_date.map(|end| wall_time::moment(end, zone));
        let most = self.count.map(u64::from);
        let whole = |ends_at| {
            Series::new(&self.rule, zone, starts_at, ends_at, most).map_err(|invalid| {
                let field = format!("recurrence.rule.{}", invalid.field);
                Problem::argument(&field, invalid.message)
            })
        };
        let series = whole(ends_at)?;
        let before = starts_at - TimeDelta::seconds(1);
        let first = series.after(before).next();
        if let Some(first) = first {
            return Ok(Begun { series, first, ends_at });
        }
        let first = whole(None)?.after(before).next();
        let message = match first {
            Some(first) => format!(
                "the first occurrence would be at {}, after this: expected a later end",
                first.at.to_rfc3339()
            ),
            None => "there is no occurrence any more".to_owned(),
        };
        Err(Problem::argument("recurrence.endDate", message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono_tz::Europe::Berlin;
    use serde_json::{Value, json};

    fn read(value: Value) -> Recurrence {
        serde_json::from_value(value).expect("a recurrence")
    }

    #[test]
    fn what_is_wrong_is_named() {
        let daily = json!({ "pattern": "daily", "at": "09:00" });
        let version = ContentVersionId::new();
        for (recurrence, field) in [
            (json!({ "rule": { "pattern": "weekly", "days": [], "at": "09:00" } }), "rule.days"),
            (json!({ "rule": daily, "count": 0 }), "count"),
            (json!({ "rule": daily, "contentVersionIds": [] }), "contentVersionIds"),
            (
                json!({ "rule": daily, "contentVersionIds": [ContentVersionId::new(), version] }),
                "contentVersionIds[0]",
            ),
        ] {
            let problem = read(recurrence).check(Some(version)).expect_err("it is wrong");
            assert_eq!(problem.field, Some(format!("args.recurrence.{field}")));
        }
        let rotating = json!({ "rule": daily, "contentVersionIds": [version] });
        assert_eq!(read(rotating).check(Some(version)), Ok(()));
    }

    #[test]
    fn an_end_before_the_first_occurrence_is_refused_with_that_occurrence() {
        let starts_at: DateTime<Utc> = "2026-07-01T08:00:00Z".parse().expect("a moment");
        let daily = json!({ "pattern": "daily", "at": "09:00" });
        let ending =
            |end: &str| read(json!({ "rule": daily, "endDate": end })).begin(Berlin, starts_at);
        let begun = ending("2026-07-02T09:00:00").expect("one occurrence");
        assert_eq!(begun.first.at.to_rfc3339(), "2026-07-02T09:00:00+02:00");
        let problem = ending("2026-07-02T08:59:59").expect_err("none");
        assert_eq!(problem.field.as_deref(), Some("args.recurrence.endDate"));
        assert!(problem.message.contains("2026-07-02T09:00:00+02:00"), "{}", problem.message);
    }
}
