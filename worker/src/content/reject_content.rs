//! `content.reject`: a person says that a request does not go out as it is.
//!
//! **Invariant:** no version of it begins to go out after the rejection is committed.

use super::approve_content::selected;
use super::review::{self, lock};
use crate::run::{Answer, Run, failed};
use jobs::kinds::{RejectContent, RejectedContent};
use jobs::review::{Step, next};
use jobs::{ContentVersionId, Failure, Problem, ReviewId};
use store::content_reviews::{self, NewReview};
use store::{content_requests, content_versions, published_posts, schedules};

/// Rejects a content request.
pub(crate) async fn reject_content(run: Run<RejectContent>) -> Answer<RejectContent> {
    let (mut tx, held) = lock(&run, run.args.content_request_id).await?;
    let (request, actor) = (held.request, run.job.actor.as_str());
    let conflict = |problem: Problem| Failure::Dead(problem.at("contentRequestId"));
    next(request.status, Step::Reject).map_err(conflict)?;
    let versions = content_versions::of_request(&mut tx, request.id).await.map_err(failed)?;
    let ids: Vec<ContentVersionId> = versions.iter().map(|version| version.id).collect();
    held.not_on_its_way(&mut tx, &ids, "rejected", "contentRequestId").await?;

    let reason = run.args.reason.trim();
    let rejected = selected(&mut tx, request.id).await?;
    for id in &ids {
        content_versions::disapprove(&mut tx, *id).await.map_err(failed)?;
    }
    content_requests::reject(&mut tx, request.id, actor, reason).await.map_err(failed)?;
    let new = NewReview {
        id: ReviewId(run.job.id.derive("review")),
        organization: request.organization_id,
        content_request: request.id,
        decision: "rejected",
        reason: Some(reason),
        decided_by: actor,
        versions: &rejected,
    };
    content_reviews::insert(&mut tx, new).await.map_err(failed)?;
    let message = format!("Rejected by {actor}: {reason}");
    review::tell(&run, &mut tx, request.id, "content.rejected", &message, &rejected).await?;
    let schedules_on_hold = held.hold(&mut tx, &ids, &message).await?;
    schedules::check_again(&mut tx, request.id).await.map_err(failed)?;
    let posts_out = published_posts::of_content(&mut tx, request.id).await.map_err(failed)?;
    let output = RejectedContent { content_request_id: request.id, schedules_on_hold, posts_out };
    run.end(tx, &output).await
}
