//! `post.resolve`: A person says what became of an unconfirmed post.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, JobKind, Kind, Problem, Queue, Retry, ScheduleId, Scope, Spec};

/// Arguments of `post.resolve`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResolvePost {
    /// The schedule.
    pub schedule_id: ScheduleId,
    /// What is true.
    pub resolution: Resolution,
    /// The network's id of the post, when it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform_post_id: Option<String>,
}

/// What `post.resolve` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedPost {
    /// The schedule.
    pub schedule_id: ScheduleId,
}

impl JobKind for ResolvePost {
    const KIND: Kind = Kind::ResolvePost;
    const SPEC: Spec = Spec {
        summary: "A person says what became of an unconfirmed post.",
        args_version: 1,
        queue: Queue::Interactive,
        caller: Caller::Organization(Scope::SchedulesWrite),
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(30),
        secrets: &[],
    };
    type Output = ResolvedPost;

    fn check(&self) -> Result<(), Problem> {
        match (self.resolution, &self.platform_post_id) {
            (Resolution::Published, None) => Err(Problem::argument(
                "platformPostId",
                "expected the network's id of the post when the resolution is published",
            )),
            (Resolution::PublishAgain, Some(_)) => Err(Problem::argument(
                "platformPostId",
                "expected no such field when the resolution is publishAgain",
            )),
            (Resolution::Published, Some(id)) if id.is_empty() || id.len() > 200 => {
                Err(Problem::argument("platformPostId", "expected 1 to 200 characters"))
            }
            (Resolution::Published, Some(_)) | (Resolution::PublishAgain, None) => Ok(()),
        }
    }
}

/// What a person found when looking at the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Resolution {
    /// The post is there.
    Published,
    /// It is not there: publish it again.
    PublishAgain,
}
