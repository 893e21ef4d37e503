//! `occurrence.skip`: Leaves out one occurrence of a recurring schedule.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, JobKind, Kind, Problem, Queue, Retry, ScheduleId, Scope, Spec, prose};

/// Arguments of `occurrence.skip`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SkipOccurrence {
    /// The occurrence: the schedule that goes out.
    pub schedule_id: ScheduleId,
    /// Why, for the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What `occurrence.skip` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SkippedOccurrence {
    /// The occurrence: the schedule that goes out.
    pub schedule_id: ScheduleId,
}

impl JobKind for SkipOccurrence {
    const KIND: Kind = Kind::SkipOccurrence;
    const SPEC: Spec = Spec {
        summary: "Leaves out one occurrence of a recurring schedule.",
        args_version: 1,
        queue: Queue::Interactive,
        caller: Caller::Organization(Scope::SchedulesWrite),
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(30),
        secrets: &[],
    };
    type Output = SkippedOccurrence;

    fn check(&self) -> Result<(), Problem> {
        self.reason.as_deref().map_or(Ok(()), |reason| prose::check_or_empty("reason", reason, 500))
    }
}
