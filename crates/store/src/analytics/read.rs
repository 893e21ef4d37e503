//! What `/v1/analytics` and `/v1/posts/{id}/engagement` read: sums of ranges, by time, by account, by
//! post, by the clock.
//!
//! **Invariant:** what is not known is `None`, and never zero; no read looks at single events.

mod posts;
mod range;

pub use posts::{PostRow, Posts, post, posts, top};
pub use range::{Account, Edge, Grain, Range, accounts, range};

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use crate::{Conn, Result};
use platforms::{EngagementType, Totals};

/// The sums of a subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// What happened in the range; `None` where nothing was told of it.
    pub happened: Totals,
    /// Which types were known before the range began.
    pub known: [bool; EngagementType::ALL.len()],
}

impl Sums {
    /// What is shown: nothing happened where a type was known and nothing was told.
    pub fn shown(&self) -> Totals {
        fill(self.happened, self.known)
    }
}

/// Puts 0 where something is known and nothing was told.
fn fill(mut totals: Totals, known: [bool; EngagementType::ALL.len()]) -> Totals {
    for (of, known) in EngagementType::ALL.into_iter().zip(known) {
        if known {
            totals[of].get_or_insert(0);
        }
    }
    totals
}

/// Totals from the columns of a row.
macro_rules! totals {
    ($row:expr) => {
        $crate::analytics::read::totals_of([
            $row.likes,
            $row.comments,
            $row.impressions,
            $row.clicks,
            $row.shares,
            $row.saves,
        ])
    };
}
use totals;

fn totals_of(columns: [Option<i64>; EngagementType::ALL.len()]) -> Totals {
    let mut totals = Totals::default();
    for (of, column) in EngagementType::ALL.into_iter().zip(columns) {
        totals[of] = column;
    }
    totals
}

/// The sums of each of these subjects (organizations, connections, posts) from one moment to another,
/// both of them the beginnings of periods of the grain; in the order of the subjects.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn sums(
    conn: &mut Conn,
    subjects: &[Uuid],
    grain: Grain,
    timezone: &str,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Vec<Sums>> {
    let rows =
        sqlx::query_file!("src/analytics/sums.sql", subjects, grain.as_str(), from, to, timezone)
            .fetch_all(conn)
            .await?;
    let sums = rows.into_iter().map(|row| Sums {
        happened: totals!(row),
        known: [
            row.likes_known,
            row.comments_known,
            row.impressions_known,
            row.clicks_known,
            row.shares_known,
            row.saves_known,
        ],
    });
    Ok(sums.collect())
}

/// The sums of several subjects together.
pub fn together(sums: &[Sums]) -> Sums {
    sums.iter().fold(Sums::default(), |mut all, one| {
        for (nth, of) in EngagementType::ALL.into_iter().enumerate() {
            all.happened[of] = match (all.happened[of], one.happened[of]) {
                (Some(a), Some(b)) => Some(a + b),
                (a, b) => a.or(b),
            };
            all.known[nth] |= one.known[nth];
        }
        all
    })
}

/// One period of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// When it begins; the first one of a range that begins within a day, when that day began.
    pub start: DateTime<Utc>,
    /// On which date.
    pub date: NaiveDate,
    /// What happened in it.
    pub totals: Totals,
}

/// The sums of these subjects together, for each period of a range.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn series(
    conn: &mut Conn,
    subjects: &[Uuid],
    by: Grain,
    range: &Range,
) -> Result<Vec<Period>> {
    // Days are read from the rows of days where that is all that is wanted.
    let grain = if by == Grain::Day { range.grain() } else { Grain::Hour };
    let rows = sqlx::query_file!(
        "src/analytics/series.sql",
        subjects,
        grain.as_str(),
        range.from,
        range.to,
        range.timezone,
        by.as_str()
    )
    .fetch_all(conn)
    .await?;
    let periods = rows.into_iter().map(|row| Period {
        start: row.period_start,
        date: row.date,
        totals: totals!(row),
    });
    Ok(periods.collect())
}

/// Shows 0 in periods of which nothing was told, from the first on in which a type is known.
pub fn filled(
    mut periods: Vec<Period>,
    mut known: [bool; EngagementType::ALL.len()],
) -> Vec<Period> {
    for period in &mut periods {
        for (known, of) in known.iter_mut().zip(EngagementType::ALL) {
            *known |= period.totals[of].is_some();
        }
        period.totals = fill(period.totals, known);
    }
    periods
}

/// An hour of the week on the organization's clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeekHour {
    /// 1 is Monday, 7 is Sunday.
    pub weekday: i32,
    /// 0 to 23.
    pub hour: i32,
    /// What happened in it.
    pub totals: Totals,
}

/// The hours of the week in which people did most with what these subjects had posted, over a range.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn best_hours(
    conn: &mut Conn,
    subjects: &[Uuid],
    range: &Range,
    limit: i64,
) -> Result<Vec<WeekHour>> {
    let rows = sqlx::query_file!(
        "src/analytics/best_hours.sql",
        subjects,
        range.from,
        range.to,
        range.timezone,
        limit
    )
    .fetch_all(conn)
    .await?;
    let hours = rows.into_iter().map(|row| WeekHour {
        weekday: row.weekday,
        hour: row.hour,
        totals: totals!(row),
    });
    Ok(hours.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn likes(likes: Option<i64>) -> Totals {
        totals_of([likes, None, None, None, None, None])
    }

    #[test]
    fn days_of_which_nothing_was_told_are_none_until_something_is_known() {
        let period = |day, told| {
            let date = NaiveDate::from_ymd_opt(2026, 11, day).expect("a date");
            Period { start: DateTime::UNIX_EPOCH, date, totals: likes(told) }
        };
        let told = vec![period(1, None), period(2, Some(3)), period(3, None)];
        let shown = |known: bool| {
            let periods = filled(told.clone(), [known, false, false, false, false, false]);
            periods.iter().map(|period| period.totals).collect::<Vec<_>>()
        };
        assert_eq!(shown(false), [likes(None), likes(Some(3)), likes(Some(0))]);
        assert_eq!(shown(true), [likes(Some(0)), likes(Some(3)), likes(Some(0))]);
    }

    #[test]
    fn what_one_of_several_knows_is_known_of_all() {
        let one = Sums { happened: likes(Some(2)), known: [false; 6] };
        let other = Sums { happened: likes(None), known: [true, true, false, false, false, false] };
        let all = together(&[one, other, one]).shown();
        assert_eq!(all, totals_of([Some(4), Some(0), None, None, None, None]));
    }
}
