//! Pages of lists: newest first, by a cursor.
//!
//! **Invariant:** who follows `nextCursor` to its end sees every row that was there at the start
//! exactly once.

use axum::Json;
use serde::Serialize;
use uuid::Uuid;

use crate::problem::{Problem, Result};
use store::Page;

const DEFAULT_LIMIT: i64 = 50;
const HIGHEST_LIMIT: i64 = 200;

/// A page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Items<T> {
    /// The rows.
    pub(crate) items: Vec<T>,
    /// What to give as `cursor` for the next page; null when this is the last one.
    pub(crate) next_cursor: Option<String>,
}

/// How many rows the caller wants.
///
/// # Errors
/// 422 when it is not 1 to 200.
pub(crate) fn limit(wanted: Option<i64>) -> Result<i64> {
    match wanted.unwrap_or(DEFAULT_LIMIT) {
        limit @ 1..=HIGHEST_LIMIT => Ok(limit),
        _ => Err(Problem::invalid("limit", format!("expected 1 to {HIGHEST_LIMIT}"))),
    }
}

/// Refuses a word that is none of those that a column can hold.
///
/// # Errors
/// 422 naming the parameter and the words.
pub(crate) fn one_of(parameter: &str, given: Option<&str>, words: &[&str]) -> Result<()> {
    match given {
        Some(given) if !words.contains(&given) => Err(Problem::invalid(
            parameter,
            format!("unknown {parameter} {given:?}: expected one of {}", words.join(", ")),
        )),
        _ => Ok(()),
    }
}

/// The page that the caller wants, and one row more, which tells whether another page follows.
///
/// # Errors
/// 422 when the limit is not 1 to 200.
pub(crate) fn page(cursor: Option<Uuid>, wanted: Option<i64>) -> Result<Page> {
    Ok(Page { before: cursor, limit: limit(wanted)? + 1 })
}

/// The answer for rows that were read with [`page`].
pub(crate) fn answer<T>(mut rows: Vec<T>, page: Page, id: impl Fn(&T) -> Uuid) -> Json<Items<T>> {
    let wanted = usize::try_from(page.limit - 1).unwrap_or_default();
    let more = rows.len() > wanted;
    rows.truncate(wanted);
    let next_cursor = rows.last().filter(|_| more).map(|last| id(last).to_string());
    Json(Items { items: rows, next_cursor })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_given_only_when_more_rows_follow() {
        let page = page(None, Some(2)).expect("within the limits");
        let rows = |count: u128| (1..=count).rev().map(Uuid::from_u128).collect::<Vec<_>>();
        let Json(last) = answer(rows(2), page, |id| *id);
        assert_eq!((last.items.len(), last.next_cursor), (2, None));
        let Json(first) = answer(rows(3), page, |id| *id);
        assert_eq!(first.items.len(), 2);
        assert_eq!(first.next_cursor, Some(Uuid::from_u128(2).to_string()));
    }

    #[test]
    fn a_limit_outside_its_range_is_refused() {
        assert!(limit(Some(0)).is_err() && limit(Some(201)).is_err() && limit(Some(-1)).is_err());
        assert_eq!(limit(None).ok(), Some(DEFAULT_LIMIT));
    }
}
