//! `job.cancel`: Cancels a job: at once when it waits, as soon as it can stop when it runs.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, JobId, JobKind, Kind, Queue, Retry, Scope, Spec};

/// Arguments of `job.cancel`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CancelJob {
    /// The job.
    pub job_id: JobId,
}

/// What `job.cancel` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CancelledJob {
    /// `cancelled`, or `requested` when it runs right now.
    pub outcome: String,
}

impl JobKind for CancelJob {
    const KIND: Kind = Kind::CancelJob;
    const SPEC: Spec = Spec {
        summary: "Cancels a job: at once when it waits, as soon as it can stop when it runs.",
        args_version: 1,
        queue: Queue::Control,
        caller: Caller::Organization(Scope::JobsWrite),
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(30),
        secrets: &[],
    };
    type Output = CancelledJob;
}
