//! `schedule.cancel`: Cancels a schedule that has not gone out; ends a recurring one, and cancels what is ahead of it.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, JobKind, Kind, Queue, Retry, ScheduleId, Scope, Spec};

/// Arguments of `schedule.cancel`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CancelSchedule {
    /// The schedule.
    pub schedule_id: ScheduleId,
    /// Why, for the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What `schedule.cancel` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CancelledSchedule {
    /// The schedule.
    pub schedule_id: ScheduleId,
}

impl JobKind for CancelSchedule {
    const KIND: Kind = Kind::CancelSchedule;
    const SPEC: Spec = Spec {
        summary: "Cancels a schedule that has not gone out; ends a recurring one, and cancels what is ahead of it.",
        args_version: 1,
        queue: Queue::Interactive,
        caller: Caller::Organization(Scope::SchedulesWrite),
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(30),
        secrets: &[],
    };
    type Output = CancelledSchedule;
}
