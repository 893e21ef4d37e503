//! `post.publish`: Publishes a schedule: one write at the network, never repeated blindly.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, JobKind, Kind, Queue, Retry, ScheduleId, Spec};

/// Arguments of `post.publish`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PublishPost {
    /// The schedule.
    pub schedule_id: ScheduleId,
}

/// What `post.publish` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PublishedPost {
    /// `published`, `unconfirmed` (a look-up follows), or why there was nothing to do.
    pub outcome: String,
    /// The network's id of the post.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform_post_id: Option<String>,
    /// Where people see the post.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform_post_url: Option<String>,
}

impl JobKind for PublishPost {
    const KIND: Kind = Kind::PublishPost;
    const SPEC: Spec = Spec {
        summary: "Publishes a schedule: one write at the network, never repeated blindly.",
        args_version: 1,
        queue: Queue::Publish,
        caller: Caller::Internal,
        retry: Retry {
            max_attempts: 4,
            base: Duration::from_secs(1),
            cap: Duration::from_secs(60),
        },
        timeout: Duration::from_secs(300),
        secrets: &[],
    };
    type Output = PublishedPost;
}
