//! `job.retry`: Enqueues a dead or cancelled job again as a new job.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, JobId, JobKind, Kind, Queue, Retry, Scope, Spec};

/// Arguments of `job.retry`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetryJob {
    /// The dead or cancelled job.
    pub job_id: JobId,
}

/// What `job.retry` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetriedJob {
    /// The new job.
    pub job_id: JobId,
}

impl JobKind for RetryJob {
    const KIND: Kind = Kind::RetryJob;
    const SPEC: Spec = Spec {
        summary: "Enqueues a dead or cancelled job again as a new job.",
        args_version: 1,
        queue: Queue::Control,
        caller: Caller::Organization(Scope::JobsWrite),
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(30),
        secrets: &[],
    };
    type Output = RetriedJob;
}
