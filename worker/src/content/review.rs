//! What reviewing and changing content share: the locks, what a change does to an approval, and what
//! an approval does to schedules.
//!
//! Whoever reviews or changes content locks the schedules of the request's versions, then the request.
//! Whoever publishes locks the schedule, then shares the request until the intent is committed. So one
//! of both comes first: either the intent is seen here, and the change is refused because the post is
//! on its way; or the change is seen there, and nothing goes out.
//!
//! **Invariant:** what was approved and what is shown differ in no committed state in which the
//! request is called approved.

use serde_json::json;

use crate::publishing::settle;
use crate::run::{Run, failed};
use jobs::kinds::SeenVersion;
use jobs::review::{RequestStatus, Step, next};
use jobs::{
    Code, ContentRequestId, ContentVersionId, Failure, JobKind, Problem, ReviewId, ScheduleId,
};
use platforms::Platform;
use store::content_reviews::{self, NewReview};
use store::content_versions::{self, ContentVersion};
use store::schedules::{self, Entry, Locked, Move, OnItsWay, Status, Verdict};
use store::{Claimed, billing, content_requests, events};

/// How often the locks are taken anew because the content was scheduled in between.
const RACES: usize = 5;

/// A locked content request with the locked schedules of its versions that may still go out.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) request: content_requests::Locked,
    pub(super) schedules: Vec<Locked>,
}

/// Locks a request of the run's organization.
///
/// # Errors
/// Dead when there is none.
pub(super) async fn lock<K: JobKind>(
    run: &Run<K>,
    id: ContentRequestId,
) -> Result<(Claimed, Held), Failure> {
    let organization = run.organization()?;
    for _ in 0..RACES {
        let mut tx = run.begin().await?;
        content_requests::get(&mut tx, id)
            .await
            .map_err(failed)?
            .filter(|request| request.organization_id == organization)
            .ok_or_else(|| {
                Failure::Dead(Problem::not_found("content request", id).at("contentRequestId"))
            })?;
        let mut held = Vec::new();
        for schedule in schedules::of_content(&mut tx, id).await.map_err(failed)? {
            held.push(settle::lock(&mut tx, organization, schedule).await?);
        }
        let Some(request) = content_requests::lock(&mut tx, id).await.map_err(failed)? else {
            continue;
        };
        let now = schedules::of_content(&mut tx, id).await.map_err(failed)?;
        if now.iter().all(|id| held.iter().any(|schedule| schedule.id == *id)) {
            return Ok((tx, Held { request, schedules: held }));
        }
    }
    Err(Failure::Retry(Problem::new(Code::Conflict, "the content is being scheduled right now")))
}

/// Locks the request of a version of the run's organization, and answers the version as it is then.
///
/// # Errors
/// Dead when there is none.
pub(super) async fn lock_version<K: JobKind>(
    run: &Run<K>,
    id: ContentVersionId,
) -> Result<(Claimed, Held, ContentVersion), Failure> {
    let mut tx = run.begin().await?;
    let version = own_version(run, &mut tx, id).await?;
    tx.commit().await.map_err(failed)?;
    let (mut tx, held) = lock(run, version.content_request_id).await?;
    let version = own_version(run, &mut tx, id).await?;
    Ok((tx, held, version))
}

/// A version of the run's organization.
///
/// # Errors
/// Dead when there is none.
pub(super) async fn own_version<K: JobKind>(
    run: &Run<K>,
    tx: &mut Claimed,
    id: ContentVersionId,
) -> Result<ContentVersion, Failure> {
    let organization = run.organization()?;
    content_versions::get(tx, id)
        .await
        .map_err(failed)?
        .filter(|version| version.organization_id == organization)
        .ok_or_else(|| {
            Failure::Dead(Problem::not_found("content version", id).at("contentVersionId"))
        })
}

/// A version's network.
///
/// # Errors
/// Dead when this build does not know it.
pub(super) fn platform(version: &ContentVersion) -> Result<Platform, Failure> {
    version.platform.parse().map_err(|_| {
        Failure::Dead(Problem::new(Code::Internal, "The version's network is unknown."))
    })
}

impl Held {
    /// Refuses when one of these versions is on its way to its network. `done` says what was to be
    /// done to what `field` names.
    pub(super) async fn not_on_its_way(
        &self,
        tx: &mut Claimed,
        versions: &[ContentVersionId],
        done: &str,
        field: &str,
    ) -> Result<(), Failure> {
        let ids: Vec<_> = self
            .schedules
            .iter()
            .filter(|schedule| versions.contains(&schedule.content_version_id))
            .map(|schedule| schedule.id)
            .collect();
        let message = match schedules::on_its_way(tx, &ids).await.map_err(failed)? {
            None => return Ok(()),
            Some(OnItsWay::BeingPublished(schedule)) => format!(
                "It is being published right now (schedule {schedule}) and cannot be {done}."
            ),
            Some(OnItsWay::MayBeOut(schedule)) => format!(
                "It may be published: what became of the schedule {schedule} is not known yet. It \
                 cannot be {done} before that is found out."
            ),
        };
        Err(Failure::Dead(Problem::new(Code::Conflict, message).at(field)))
    }

    /// Puts what is to go out of these versions on hold until they are approved; answers how many. What
    /// waits for an approval already says the new reason from now on.
    pub(super) async fn hold(
        &self,
        tx: &mut Claimed,
        versions: &[ContentVersionId],
        reason: &str,
    ) -> Result<i64, Failure> {
        let mut count = 0;
        for schedule in &self.schedules {
            if !versions.contains(&schedule.content_version_id) {
                continue;
            }
            if schedule.status.goes_out() {
                let entry =
                    Entry { at: schedule.now, outcome: "on_hold", message: reason, attempt: None };
                schedules::await_approval(tx, schedule.id, reason, Some(&entry))
                    .await
                    .map_err(failed)?;
                settle::tell(tx, schedule, "post.on_hold", reason).await?;
                count += 1;
            } else if schedule.awaits_approval {
                schedules::await_approval(tx, schedule.id, reason, None).await.map_err(failed)?;
            }
        }
        Ok(count)
    }
}

/// What a change did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Changed {
    /// Where the request stands now.
    pub(super) status: RequestStatus,
    /// How many schedules were put on hold.
    pub(super) on_hold: i64,
}

/// Follows a change of what a selected version of a locked request shows, or of which is selected: ends
/// the approvals of these versions, brings the request back into review, and puts what is scheduled of
/// them on hold where approval is required. `what` says what happened, as a sentence.
pub(super) async fn changed<K: JobKind>(
    run: &Run<K>,
    tx: &mut Claimed,
    held: &Held,
    versions: &[ContentVersionId],
    what: &str,
) -> Result<Changed, Failure> {
    let request = held.request;
    let mut voided = Vec::new();
    let mut by = Vec::new();
    for id in versions {
        if let Some(approval) = content_versions::disapprove(tx, *id).await.map_err(failed)? {
            voided.push(SeenVersion { content_version_id: *id, content_hash: approval.hash });
            by.push(approval.by);
        }
    }
    let status = next(request.status, Step::Change).map_err(Failure::Dead)?;
    if status != request.status {
        content_requests::back_in_review(tx, request.id).await.map_err(failed)?;
    }
    if !voided.is_empty() {
        let review = NewReview {
            id: ReviewId(run.job.id.derive("review")),
            organization: request.organization_id,
            content_request: request.id,
            decision: "voided",
            reason: Some(what),
            decided_by: &run.job.actor,
            versions: &voided,
        };
        content_reviews::insert(tx, review).await.map_err(failed)?;
        let message = format!("{what} The approval by {} no longer holds.", by.join(" and "));
        tell(run, tx, request.id, "content.approval_voided", &message, &voided).await?;
    } else if request.status == RequestStatus::Rejected {
        let message = format!("{what} The rejected content can be reviewed again.");
        tell(run, tx, request.id, "content.in_review", &message, &[]).await?;
    }
    let on_hold = match request.approval_required {
        true => {
            let reason = format!("{what} It goes out when it is approved again.");
            held.hold(tx, versions, &reason).await?
        }
        false => 0,
    };
    schedules::check_again(tx, request.id).await.map_err(failed)?;
    Ok(Changed { status, on_hold })
}

/// Tells the people of the organization what became of a content request.
pub(super) async fn tell<K: JobKind>(
    run: &Run<K>,
    tx: &mut Claimed,
    request: ContentRequestId,
    event: &str,
    message: &str,
    versions: &[SeenVersion],
) -> Result<(), Failure> {
    let ids: Vec<_> = versions.iter().map(|version| version.content_version_id).collect();
    let data = json!({
        "contentRequestId": request, "contentVersionIds": ids, "actor": run.job.actor,
    });
    let organization = run.organization()?;
    events::record(tx, organization, event, "content_request", request.0, message, data)
        .await
        .map_err(failed)
}

/// What became of schedules that waited for an approval.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resumed {
    /// Those that go on.
    pub(crate) resumed: Vec<ScheduleId>,
    /// Those that stay on hold.
    pub(crate) on_hold: Vec<ScheduleId>,
}

/// Makes a locked schedule wait for a payment; `false` when its organization paid just now.
async fn await_payment(tx: &mut Claimed, schedule: &Locked, reason: &str) -> Result<bool, Failure> {
    if billing::share_hold(tx, schedule.organization_id).await.map_err(failed)?.is_none() {
        return Ok(false);
    }
    let entry = Entry { at: schedule.now, outcome: "on_hold", message: reason, attempt: None };
    schedules::await_payment(tx, schedule.id, reason, Some(&entry)).await.map_err(failed)?;
    settle::tell(tx, schedule, "post.on_hold", reason).await?;
    Ok(true)
}

/// Lets locked schedules go on whose content may go out now. One that cannot stays on hold, and its
/// reason says what a person can do; one whose content may still not go out is left alone.
pub(crate) async fn resume(
    tx: &mut Claimed,
    waiting: &[Locked],
    why: &str,
) -> Result<Resumed, Failure> {
    let mut outcome = Resumed::default();
    for schedule in waiting {
        let checked = schedules::check_publishable(
            tx,
            schedule.organization_id,
            schedule.content_version_id,
            schedule.platform_connection_id,
        );
        let obstacle = match checked.await.map_err(failed)? {
            Err(problem) if problem.code == Code::NotApproved => continue,
            Err(problem) if problem.code == Code::PaymentRequired => {
                if await_payment(tx, schedule, &problem.message).await? {
                    outcome.on_hold.push(schedule.id);
                    continue;
                }
                None
            }
            Err(problem) => Some(problem.message),
            Ok(_) => None,
        };
        let Some(obstacle) = obstacle else {
            let verdict = schedules::verdict(tx, schedule.id).await.map_err(failed)?;
            if let Verdict::Missed { reason } = verdict {
                let reason = format!("{why} {reason}");
                let entry =
                    Entry { at: schedule.now, outcome: "missed", message: &reason, attempt: None };
                schedules::miss(tx, schedule, entry).await.map_err(failed)?;
                continue;
            }
            let entry = Entry { at: schedule.now, outcome: "resumed", message: why, attempt: None };
            schedules::resume(tx, schedule.id, &entry).await.map_err(failed)?;
            settle::tell(tx, schedule, "post.resumed", why).await?;
            outcome.resumed.push(schedule.id);
            continue;
        };
        let reason = format!("{why} {obstacle}");
        let entry = Entry { at: schedule.now, outcome: "on_hold", message: &reason, attempt: None };
        let change = Move { reason: Some(&reason), entry: Some(entry), ..Move::to(Status::OnHold) };
        schedules::move_to(tx, schedule.id, &change).await.map_err(failed)?;
        settle::tell(tx, schedule, "post.on_hold", &reason).await?;
        outcome.on_hold.push(schedule.id);
    }
    Ok(outcome)
}
