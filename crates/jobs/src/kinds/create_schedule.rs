//! `schedule.create`: Schedules a content version for an account at a moment.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{
    Caller, ConnectionId, ContentVersionId, JobKind, Kind, Problem, Queue, Retry, ScheduleId,
    Scope, Spec, wall_time,
};

/// Arguments of `schedule.create`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateSchedule {
    /// What goes out.
    pub content_version_id: ContentVersionId,
    /// Where it goes out.
    pub platform_connection_id: ConnectionId,
    /// The wall time in `timezone`, such as `2026-12-24T18:00:00`.
    #[schema(value_type = String, example = "2026-12-24T18:00:00")]
    pub at: NaiveDateTime,
    /// IANA zone of `at`.
    pub timezone: String,
    /// How often a failed attempt is repeated.
    #[serde(default = "three")]
    pub max_retries: u32,
}

/// What `schedule.create` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedSchedule {
    /// The schedule.
    pub schedule_id: ScheduleId,
    /// The moment that wall time and zone mean.
    pub scheduled_at: DateTime<Utc>,
}

impl JobKind for CreateSchedule {
    const KIND: Kind = Kind::CreateSchedule;
    const SPEC: Spec = Spec {
        summary: "Schedules a content version for an account at a moment.",
        args_version: 1,
        queue: Queue::Interactive,
        caller: Caller::Organization(Scope::SchedulesWrite),
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(30),
        secrets: &[],
    };
    type Output = CreatedSchedule;

    fn check(&self) -> Result<(), Problem> {
        wall_time::zone(&self.timezone)?;
        check_retries(self.max_retries)
    }
}

fn three() -> u32 {
    3
}

pub(super) fn check_retries(max_retries: u32) -> Result<(), Problem> {
    if max_retries > 20 {
        return Err(Problem::argument("maxRetries", "expected 0 to 20"));
    }
    Ok(())
}
