//! `post.reconcile`: Finds out what became of a publishing call that ended without a clear answer.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, IntentId, JobKind, Kind, Queue, Retry, ScheduleId, Spec};

/// Arguments of `post.reconcile`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReconcilePost {
    /// The schedule.
    pub schedule_id: ScheduleId,
    /// The call in question.
    pub intent_id: IntentId,
}

/// What `post.reconcile` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReconciledPost {
    /// `published`, `absent` (it will be published again), or why there was nothing to do.
    pub outcome: String,
}

impl JobKind for ReconcilePost {
    const KIND: Kind = Kind::ReconcilePost;
    const SPEC: Spec = Spec {
        summary: "Finds out what became of a publishing call that ended without a clear answer.",
        args_version: 1,
        queue: Queue::Publish,
        caller: Caller::Internal,
        retry: Retry {
            max_attempts: 6,
            base: Duration::from_secs(2),
            cap: Duration::from_secs(120),
        },
        timeout: Duration::from_secs(120),
        secrets: &[],
    };
    type Output = ReconciledPost;
}
