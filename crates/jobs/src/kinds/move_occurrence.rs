//! `occurrence.move`: Gives one occurrence of a recurring schedule another time.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{
    Caller, JobKind, Kind, Planned, Problem, Queue, Retry, ScheduleId, Scope, Spec, wall_time,
};

/// Arguments of `occurrence.move`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MoveOccurrence {
    /// The occurrence: the schedule that goes out; or its series, and `plannedAtLocal`.
    pub schedule_id: ScheduleId,
    /// With the id of a series: the local time, in its zone, of the occurrence that is meant. It need not be
    /// made yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "2026-12-24T18:00:00")]
    pub planned_at_local: Option<NaiveDateTime>,
    /// With `plannedAtLocal`: which pass of a local time that exists twice, 0 or 1; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1)]
    pub fold: Option<u8>,
    /// The wall time.
    #[schema(value_type = String, example = "2026-12-24T18:00:00")]
    pub at: NaiveDateTime,
    /// IANA zone of `at`; that of the series when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
}

/// What `occurrence.move` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MovedOccurrence {
    /// The occurrence: the schedule that goes out.
    pub schedule_id: ScheduleId,
    /// The moment that wall time and zone mean.
    pub scheduled_at: DateTime<Utc>,
}

impl JobKind for MoveOccurrence {
    const KIND: Kind = Kind::MoveOccurrence;
    const SPEC: Spec = Spec {
        summary: "Gives one occurrence of a recurring schedule another time.",
        args_version: 1,
        queue: Queue::Interactive,
        caller: Caller::Organization(Scope::SchedulesWrite),
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(30),
        secrets: &[],
    };
    type Output = MovedOccurrence;

    fn check(&self) -> Result<(), Problem> {
        Planned::read(self.planned_at_local, self.fold)?;
        self.timezone.as_deref().map_or(Ok(()), |timezone| wall_time::zone(timezone).map(drop))
    }
}
