//! `schedule.resume`: Resumes a paused schedule: what is ahead goes out again, what fell into the pause is left out.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, JobKind, Kind, Queue, Retry, ScheduleId, Scope, Spec};

/// Arguments of `schedule.resume`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResumeSchedule {
    /// The recurring schedule.
    pub schedule_id: ScheduleId,
}

/// What `schedule.resume` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResumedSchedule {
    /// The recurring schedule.
    pub schedule_id: ScheduleId,
    /// How many occurrences wait no more.
    pub resumed: i64,
    /// How many fell into the pause.
    pub skipped: i64,
}

impl JobKind for ResumeSchedule {
    const KIND: Kind = Kind::ResumeSchedule;
    const SPEC: Spec = Spec {
        summary: "Resumes a paused schedule: what is ahead goes out again, what fell into the pause is left out.",
        args_version: 1,
        queue: Queue::Interactive,
        caller: Caller::Organization(Scope::SchedulesWrite),
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(30),
        secrets: &[],
    };
    type Output = ResumedSchedule;
}
