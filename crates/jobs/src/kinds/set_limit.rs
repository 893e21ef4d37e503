//! `limit.set`: Limits how many jobs that share a key run at once, and how many start in a time.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, JobKind, Kind, Problem, Queue, Retry, Spec};

/// Arguments of `limit.set`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetLimit {
    /// A key, or all keys of which one part between colons is `*` here.
    pub pattern: String,
    /// At most so many runs at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// At most so many starts, in `perSecs` seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts: Option<u32>,
    /// The time of `starts`, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_secs: Option<u32>,
}

/// What `limit.set` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LimitSet {
    /// The pattern.
    pub pattern: String,
}

impl JobKind for SetLimit {
    const KIND: Kind = Kind::SetLimit;
    const SPEC: Spec = Spec {
        summary: "Limits how many jobs that share a key run at once, and how many start in a time.",
        args_version: 1,
        queue: Queue::Control,
        caller: Caller::Operator,
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(30),
        secrets: &[],
    };
    type Output = LimitSet;

    fn check(&self) -> Result<(), Problem> {
        check_pattern(&self.pattern)?;
        let most = 1..=1_000_000;
        for (field, value) in
            [("concurrency", self.concurrency), ("starts", self.starts), ("perSecs", self.per_secs)]
        {
            if value.is_some_and(|value| !most.contains(&value)) {
                return Err(Problem::argument(field, "expected 1 to 1000000"));
            }
        }
        match (self.concurrency, self.starts, self.per_secs) {
            (_, Some(_), None) => {
                Err(Problem::argument("perSecs", "expected the time in which `starts` may begin"))
            }
            (_, None, Some(_)) => {
                Err(Problem::argument("starts", "expected how many may begin in `perSecs`"))
            }
            (None, None, None) => Err(Problem::argument(
                "concurrency",
                "expected `concurrency`, or `starts` with `perSecs`",
            )),
            (Some(_), None, None) | (_, Some(_), Some(_)) => Ok(()),
        }
    }
}

pub(super) fn check_pattern(pattern: &str) -> Result<(), Problem> {
    let stars = pattern.split(':').filter(|part| *part == "*").count();
    if pattern.is_empty() || pattern.len() > 200 || stars > 1 {
        return Err(Problem::argument(
            "pattern",
            "expected a key of at most 200 bytes, of which one part between colons may be `*`",
        ));
    }
    Ok(())
}
