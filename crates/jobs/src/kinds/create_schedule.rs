//! `schedule.create`: Schedules a content version for an account, at a moment or again and again.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{
    Caller, CatchUp, ConnectionId, ContentVersionId, JobKind, Kind, Problem, Queue, Recurrence,
    Retry, ScheduleId, Scope, Spec, wall_time,
};

/// Arguments of `schedule.create`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateSchedule {
    /// What goes out.
    pub content_version_id: ContentVersionId,
    /// Where it goes out.
    pub platform_connection_id: ConnectionId,
    /// The wall time in `timezone`, such as `2026-12-24T18:00:00`. With a `recurrence` it may be absent:
    /// occurrences begin at it, or now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "2026-12-24T18:00:00")]
    pub at: Option<NaiveDateTime>,
    /// IANA zone of `at`, and of all times of the recurrence.
    pub timezone: String,
    /// How it recurs: it publishes nothing itself then, its occurrences go out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurrence: Option<Recurrence>,
    /// What becomes of it, or of its occurrences, when they are more than a minute late.
    #[serde(default)]
    pub catch_up: CatchUp,
    /// How late `all` lets them go out: 60 or more, a day when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 60)]
    pub catch_up_window_secs: Option<u32>,
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
    /// The moment that wall time and zone mean; that of the first occurrence, where it recurs.
    pub scheduled_at: DateTime<Utc>,
}

impl JobKind for CreateSchedule {
    const KIND: Kind = Kind::CreateSchedule;
    const SPEC: Spec = Spec {
        summary: "Schedules a content version for an account, at a moment or again and again.",
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
        match &self.recurrence {
            Some(recurrence) => recurrence.check(Some(self.content_version_id))?,
            None if self.at.is_none() => {
                let message = "expected a wall time such as 2026-12-24T18:00:00, or a recurrence";
                return Err(Problem::argument("at", message));
            }
            None => {}
        }
        self.catch_up.check(self.catch_up_window_secs)?;
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
