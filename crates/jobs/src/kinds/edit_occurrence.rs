//! `occurrence.edit`: Gives one occurrence of a recurring schedule other content.

use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{
    Caller, ContentVersionId, JobKind, Kind, Planned, Problem, Queue, Retry, ScheduleId, Scope,
    Spec,
};

/// Arguments of `occurrence.edit`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EditOccurrence {
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
    /// What goes out.
    pub content_version_id: ContentVersionId,
}

/// What `occurrence.edit` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EditedOccurrence {
    /// The occurrence: the schedule that goes out.
    pub schedule_id: ScheduleId,
}

impl JobKind for EditOccurrence {
    const KIND: Kind = Kind::EditOccurrence;
    const SPEC: Spec = Spec {
        summary: "Gives one occurrence of a recurring schedule other content.",
        args_version: 1,
        queue: Queue::Interactive,
        caller: Caller::Organization(Scope::SchedulesWrite),
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(30),
        secrets: &[],
    };
    type Output = EditedOccurrence;

    fn check(&self) -> Result<(), Problem> {
        Planned::read(self.planned_at_local, self.fold).map(drop)
    }
}
