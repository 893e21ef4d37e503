//! An occurrence of a series as people name it who have no row of it: by the local time that the series plans.
//!
//! **Invariant:** what passes lies within the calendar of ours.

use chrono::{Datelike, NaiveDateTime};

use crate::Problem;

/// The years within which a local time can be planned.
const YEARS: std::ops::RangeInclusive<i32> = 1972..=3900;

/// An occurrence, named within its series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The local time that the series plans.
    pub at_local: NaiveDateTime,
    /// Which pass of a local time that exists twice: 0 for the first, and for all others.
    pub fold: u8,
}

impl Planned {
    /// What the arguments `plannedAtLocal` and `fold` name.
    ///
    /// # Errors
    /// A [`Problem`] at the one that is wrong.
    pub fn read(
        at_local: Option<NaiveDateTime>,
        fold: Option<u8>,
    ) -> Result<Option<Self>, Problem> {
        let Some(at_local) = at_local else {
            return match fold {
                None => Ok(None),
                Some(_) => {
                    Err(Problem::argument("fold", "expected only together with plannedAtLocal"))
                }
            };
        };
        let fold = fold.unwrap_or(0);
        if fold > 1 {
            let message = format!("{fold}: expected 0, or 1 for the second pass of a local time");
            return Err(Problem::argument("fold", message));
        }
        if !YEARS.contains(&at_local.year()) {
            let message = format!("expected a year from {} to {}", YEARS.start(), YEARS.end());
            return Err(Problem::argument("plannedAtLocal", message));
        }
        Ok(Some(Self { at_local, fold }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fold_goes_with_a_local_time_and_is_0_or_1() {
        let at = "2026-10-25T02:30:00".parse().ok();
        assert_eq!(Planned::read(None, None), Ok(None));
        assert_eq!(Planned::read(at, None).map(|it| it.map(|it| it.fold)), Ok(Some(0)));
        assert_eq!(Planned::read(at, Some(1)).map(|it| it.map(|it| it.fold)), Ok(Some(1)));
        let wrong = |at, fold| Planned::read(at, fold).expect_err("it is wrong").field;
        assert_eq!(wrong(None, Some(0)).as_deref(), Some("args.fold"));
        assert_eq!(wrong(at, Some(2)).as_deref(), Some("args.fold"));
        let late = "9999-10-25T02:30:00".parse().ok();
        assert_eq!(wrong(late, None).as_deref(), Some("args.plannedAtLocal"));
    }
}
