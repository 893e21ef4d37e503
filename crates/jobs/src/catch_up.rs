//! What becomes of a schedule that could not go out on time.
//!
//! **Invariant:** nothing due is silently late, and nothing is silently left out: what does not go out becomes
//! `missed`, and says so.

use serde::{Deserialize, Serialize};

use crate::Problem;

/// What becomes of a schedule that is more than a minute late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// It is missed.
    Skip,
    /// It goes out if it is at most an hour late; of a series only the newest occurrence that is due.
    #[default]
    Latest,
    /// It goes out if it is late by no more than `catchUpWindowSecs`, and so do all others of its series.
    All,
}

/// How late `all` lets a schedule go out when nothing else is said: a day.
const ALL_SECS: u32 = 24 * 3600;
/// A year.
const MOST_SECS: u32 = 366 * 24 * 3600;

impl CatchUp {
    /// The word in rows and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            CatchUp::Skip => "skip",
            CatchUp::Latest => "latest",
            CatchUp::All => "all",
        }
    }

    /// The policy with this word.
    pub fn of(word: &str) -> Option<CatchUp> {
        [CatchUp::Skip, CatchUp::Latest, CatchUp::All].into_iter().find(|it| it.as_str() == word)
    }

    /// How late a schedule may go out.
    pub fn secs(self, window_secs: Option<u32>) -> i32 {
        let secs = match self {
            CatchUp::Skip => 60,
            CatchUp::Latest => 3600,
            CatchUp::All => window_secs.unwrap_or(ALL_SECS),
        };
        i32::try_from(secs).unwrap_or(i32::MAX)
    }

    /// Checks the window that goes with a policy.
    pub(crate) fn check(self, window_secs: Option<u32>) -> Result<(), Problem> {
        match window_secs {
            None => Ok(()),
            Some(_) if self != CatchUp::All => Err(Problem::argument(
                "catchUpWindowSecs",
                format!("only the policy \"all\" has a window, not {:?}", self.as_str()),
            )),
            Some(60..=MOST_SECS) => Ok(()),
            Some(_) => Err(Problem::argument(
                "catchUpWindowSecs",
                format!("expected 60 to {MOST_SECS} seconds"),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_all_has_a_window() {
        assert_eq!(CatchUp::All.check(Some(60)), Ok(()));
        assert_eq!(CatchUp::Skip.check(None), Ok(()));
        for (policy, secs) in [(CatchUp::All, 59), (CatchUp::Latest, 60), (CatchUp::Skip, 60)] {
            let problem = policy.check(Some(secs)).expect_err("it is wrong");
            assert_eq!(problem.field.as_deref(), Some("args.catchUpWindowSecs"));
        }
        assert_eq!(CatchUp::All.secs(Some(7200)), 7200);
        assert_eq!(CatchUp::of("latest"), Some(CatchUp::default()));
    }
}
