//! `content.approve`: a person approves the selected versions of a request, exactly as they are.
//!
//! **Invariant:** what is approved is what was seen, where the person says what they saw.

use super::review::{self, lock};
use crate::run::{Answer, Run, failed};
use jobs::kinds::{ApproveContent, ApprovedContent, SeenVersion};
use jobs::review::{Step, next};
use jobs::{Code, Failure, Problem, ReviewId};
use store::content_reviews::{self, NewReview};
use store::content_versions::{self, ContentVersion};
use store::{Claimed, content_requests, schedules};

/// Approves a content request.
pub(crate) async fn approve_content(run: Run<ApproveContent>) -> Answer<ApproveContent> {
    let (mut tx, held) = lock(&run, run.args.content_request_id).await?;
    let (request, actor) = (held.request, run.job.actor.as_str());
    let conflict = |problem: Problem| Failure::Dead(problem.at("contentRequestId"));
    next(request.status, Step::Approve).map_err(conflict)?;
    let selected = selected(&mut tx, request.id).await?;
    if selected.is_empty() {
        let message = "No version is selected: there is nothing to approve.";
        return Err(conflict(Problem::new(Code::Conflict, message)));
    }
    as_seen(&run.args.versions, &selected).map_err(Failure::Dead)?;

    content_versions::approve(&mut tx, request.id, actor).await.map_err(failed)?;
    content_requests::approve(&mut tx, request.id, actor).await.map_err(failed)?;
    let new = NewReview {
        id: ReviewId(run.job.id.derive("review")),
        organization: request.organization_id,
        content_request: request.id,
        decision: "approved",
        reason: None,
        decided_by: actor,
        versions: &selected,
    };
    content_reviews::insert(&mut tx, new).await.map_err(failed)?;
    let message = format!("Approved by {actor}.");
    review::tell(&run, &mut tx, request.id, "content.approved", &message, &selected).await?;
    let waiting: Vec<_> =
        held.schedules.into_iter().filter(|schedule| schedule.awaits_approval).collect();
    let resumed = review::resume(&mut tx, &waiting, &message).await?;
    schedules::check_again(&mut tx, request.id).await.map_err(failed)?;
    let output = ApprovedContent {
        content_request_id: request.id,
        content_version_ids: selected.iter().map(|seen| seen.content_version_id).collect(),
        schedules_resumed: i64::try_from(resumed.resumed.len()).unwrap_or(i64::MAX),
        schedules_on_hold: i64::try_from(resumed.on_hold.len()).unwrap_or(i64::MAX),
    };
    run.end(tx, &output).await
}

/// The selected versions of a locked request, as they are.
pub(super) async fn selected(
    tx: &mut Claimed,
    request: jobs::ContentRequestId,
) -> Result<Vec<SeenVersion>, Failure> {
    let versions = content_versions::of_request(tx, request).await.map_err(failed)?;
    let seen = |version: ContentVersion| SeenVersion {
        content_version_id: version.id,
        content_hash: version.content_hash,
    };
    Ok(versions.into_iter().filter(|version| version.is_selected).map(seen).collect())
}

/// Whether a person who says what they saw saw what is there.
fn as_seen(seen: &[SeenVersion], selected: &[SeenVersion]) -> Result<(), Problem> {
    if seen.is_empty() {
        return Ok(());
    }
    let no = |field: &str, message: String| Err(Problem::new(Code::Conflict, message).at(field));
    for (index, seen) in seen.iter().enumerate() {
        let id = seen.content_version_id;
        match selected.iter().find(|version| version.content_version_id == id) {
            None => {
                let message = format!("The version {id} is not a selected one of this request.");
                return no(&format!("versions[{index}].contentVersionId"), message);
            }
            Some(version) if version.content_hash != seen.content_hash => {
                let message = format!(
                    "The version {id} was changed since: its hash is {}. Look at it again.",
                    version.content_hash
                );
                return no(&format!("versions[{index}].contentHash"), message);
            }
            Some(_) => {}
        }
    }
    let unseen = selected.iter().find(|version| {
        !seen.iter().any(|seen| seen.content_version_id == version.content_version_id)
    });
    match unseen {
        None => Ok(()),
        Some(version) => no(
            "versions",
            format!(
                "The version {} is selected too and would be approved unseen.",
                version.content_version_id
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobs::ContentVersionId;

    #[test]
    fn nothing_is_approved_that_was_not_seen() {
        let version = |hash: &str| SeenVersion {
            content_version_id: ContentVersionId::new(),
            content_hash: hash.to_owned(),
        };
        let (one, two) = (version("a"), version("b"));
        let both = [one.clone(), two.clone()];
        assert_eq!(as_seen(&[], &both), Ok(()));
        assert_eq!(as_seen(&[two.clone(), one.clone()], &both), Ok(()));
        let field = |seen: &[SeenVersion], selected: &[SeenVersion]| {
            let problem = as_seen(seen, selected).expect_err("a difference");
            assert_eq!(problem.code, Code::Conflict);
            problem.field.expect("a field")
        };
        assert_eq!(field(&both[..1], &both), "args.versions");
        assert_eq!(field(&both, &both[..1]), "args.versions[1].contentVersionId");
        let changed = SeenVersion { content_hash: "c".to_owned(), ..two };
        assert_eq!(field(&[one, changed], &both), "args.versions[1].contentHash");
    }
}
