//! `schedule.check`: Looks ahead of time whether a schedule can go out, and warns where it cannot.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, JobKind, Kind, Queue, Retry, ScheduleId, Spec};

/// Arguments of `schedule.check`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckSchedule {
    /// The schedule.
    pub schedule_id: ScheduleId,
    /// Whether the network is asked if it still takes the account's token.
    pub ask_network: bool,
}

/// What `schedule.check` answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckedSchedule {
    /// How many warnings the schedule has now.
    pub warnings: usize,
    /// How many causes were told, because no other schedule of the account had them.
    pub told: usize,
}

impl JobKind for CheckSchedule {
    const KIND: Kind = Kind::CheckSchedule;
    const SPEC: Spec = Spec {
        summary: "Looks ahead of time whether a schedule can go out, and warns where it cannot.",
        args_version: 1,
        queue: Queue::Maintenance,
        caller: Caller::Internal,
        retry: Retry {
            max_attempts: 5,
            base: Duration::from_secs(5),
            cap: Duration::from_secs(120),
        },
        timeout: Duration::from_secs(60),
        secrets: &[],
    };
    type Output = CheckedSchedule;
}
