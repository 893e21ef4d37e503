//! `post.delete`: Deletes a published post at the network.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, JobKind, Kind, PostId, Queue, Retry, Scope, Spec};

/// Arguments of `post.delete`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeletePost {
    /// The published post.
    pub published_post_id: PostId,
}

/// What `post.delete` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeletedPost {
    /// The published post.
    pub published_post_id: PostId,
}

impl JobKind for DeletePost {
    const KIND: Kind = Kind::DeletePost;
    const SPEC: Spec = Spec {
        summary: "Deletes a published post at the network.",
        args_version: 1,
        queue: Queue::Publish,
        caller: Caller::Organization(Scope::SchedulesWrite),
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(60),
        secrets: &[],
    };
    type Output = DeletedPost;
}
