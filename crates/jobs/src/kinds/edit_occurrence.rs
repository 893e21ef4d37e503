//! `occurrence.edit`: Gives one occurrence of a recurring schedule other content.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, ContentVersionId, JobKind, Kind, Queue, Retry, ScheduleId, Scope, Spec};

/// Arguments of `occurrence.edit`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EditOccurrence {
    /// The occurrence: the schedule that goes out.
    pub schedule_id: ScheduleId,
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
}
