//! `content.reject`: A person says that a content request does not go out as it is.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, ContentRequestId, JobKind, Kind, Problem, Queue, Retry, Scope, Spec};

/// Arguments of `content.reject`.
///
/// No version of a rejected request goes out, whether the organization requires approval or not: what
/// is scheduled of them is put on hold and goes on when the content is approved after all. When one of
/// them is being published at this moment, the rejection is refused. An edit brings the request back
/// into review.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RejectContent {
    /// The request.
    pub content_request_id: ContentRequestId,
    /// Why, for whoever edits it: 1 to 2000 characters.
    pub reason: String,
}

/// What `content.reject` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RejectedContent {
    /// The request.
    pub content_request_id: ContentRequestId,
    /// How many schedules were put on hold.
    pub schedules_on_hold: i64,
    /// How many posts of it are out already and stay there.
    pub posts_out: i64,
}

impl JobKind for RejectContent {
    const KIND: Kind = Kind::RejectContent;
    const SPEC: Spec = Spec {
        summary: "A person rejects a content request; what is scheduled of it is put on hold.",
        args_version: 1,
        queue: Queue::Interactive,
        caller: Caller::Organization(Scope::ContentApprove),
        retry: Retry::INTERACTIVE,
        timeout: Duration::from_secs(30),
        secrets: &[],
    };
    type Output = RejectedContent;

    fn check(&self) -> Result<(), Problem> {
        if self.reason.trim().is_empty() || self.reason.chars().count() > 2000 {
            return Err(Problem::argument("reason", "expected 1 to 2000 characters"));
        }
        Ok(())
    }
}
