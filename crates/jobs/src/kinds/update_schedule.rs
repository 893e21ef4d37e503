//! `schedule.update`: Changes what, where or when of a schedule that has not gone out, or of what is ahead of a recurring one; absent fields stay as they are.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{
    Caller, CatchUp, ConnectionId, ContentVersionId, JobKind, Kind, Problem, Queue, Recurrence,
    Retry, ScheduleId, Scope, Spec, wall_time,
};

/// Arguments of `schedule.update`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateSchedule {
    /// The schedule.
    pub schedule_id: ScheduleId,
    /// What goes out. Of a recurring one: alone, in place of versions that took turns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_version_id: Option<ContentVersionId>,
    /// Where it goes out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform_connection_id: Option<ConnectionId>,
    /// The wall time. Of a recurring one: the one at which occurrences begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "2026-12-24T18:00:00")]
    pub at: Option<NaiveDateTime>,
    /// IANA zone of the wall time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// How it recurs from now on, in place of all that was said of it. Only of one that recurs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurrence: Option<Recurrence>,
    /// What becomes of it, or of its occurrences, when they are more than a minute late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catch_up: Option<CatchUp>,
    /// How late `all` lets them go out: 60 or more, a day when absent. Only with `catchUp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 60)]
    pub catch_up_window_secs: Option<u32>,
    /// How often a failed attempt is repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u32>,
}

/// What `schedule.update` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdatedSchedule {
    /// The schedule.
    pub schedule_id: ScheduleId,
    /// The moment that wall time and zone mean; that of the next occurrence, where it recurs.
    pub scheduled_at: DateTime<Utc>,
}

impl JobKind for UpdateSchedule {
    const KIND: Kind = Kind::UpdateSchedule;
    const SPEC: Spec = Spec {
        summary: "Changes what, where or when of a schedule that has not gone out, or of what is ahead of a recurring one; absent fields stay as they are.",
        args_version: 1,
        queue: Queue::Interactive,
        caller: Caller::Organization(Scope::SchedulesWrite),
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(30),
        secrets: &[],
    };
    type Output = UpdatedSchedule;

    fn check(&self) -> Result<(), Problem> {
        if let Some(timezone) = &self.timezone {
            wall_time::zone(timezone)?;
        }
        if let Some(recurrence) = &self.recurrence {
            recurrence.check(self.content_version_id)?;
        }
        match self.catch_up {
            Some(catch_up) => catch_up.check(self.catch_up_window_secs)?,
            None if self.catch_up_window_secs.is_some() => {
                let message = "expected only together with catchUp";
                return Err(Problem::argument("catchUpWindowSecs", message));
            }
            None => {}
        }
        if let Some(max_retries) = self.max_retries {
            super::create_schedule::check_retries(max_retries)?;
        }
        Ok(())
    }
}
