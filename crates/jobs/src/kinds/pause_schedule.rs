//! `schedule.pause`: Pauses a recurring schedule: its occurrences wait until it is resumed.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, JobKind, Kind, Problem, Queue, Retry, ScheduleId, Scope, Spec, prose};

/// Arguments of `schedule.pause`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PauseSchedule {
    /// The recurring schedule.
    pub schedule_id: ScheduleId,
    /// Why, for the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What `schedule.pause` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PausedSchedule {
    /// The recurring schedule.
    pub schedule_id: ScheduleId,
    /// How many occurrences wait.
    pub waiting: i64,
}

impl JobKind for PauseSchedule {
    const KIND: Kind = Kind::PauseSchedule;
    const SPEC: Spec = Spec {
        summary: "Pauses a recurring schedule: its occurrences wait until it is resumed.",
        args_version: 1,
        queue: Queue::Interactive,
        caller: Caller::Organization(Scope::SchedulesWrite),
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(30),
        secrets: &[],
    };
    type Output = PausedSchedule;

    fn check(&self) -> Result<(), Problem> {
        self.reason.as_deref().map_or(Ok(()), |reason| prose::check_or_empty("reason", reason, 500))
    }
}
