//! `post.prepare`: Uploads a schedule's media to the network ahead of time.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, JobKind, Kind, Queue, Retry, ScheduleId, Spec};

/// Arguments of `post.prepare`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PreparePost {
    /// The schedule.
    pub schedule_id: ScheduleId,
}

/// What `post.prepare` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreparedPost {
    /// How many attachments the network holds.
    pub media: usize,
}

impl JobKind for PreparePost {
    const KIND: Kind = Kind::PreparePost;
    const SPEC: Spec = Spec {
        summary: "Uploads a schedule's media to the network ahead of time.",
        args_version: 1,
        queue: Queue::Publish,
        caller: Caller::Internal,
        retry: Retry {
            max_attempts: 5,
            base: Duration::from_secs(2),
            cap: Duration::from_secs(60),
        },
        timeout: Duration::from_secs(300),
        secrets: &[],
    };
    type Output = PreparedPost;
}
