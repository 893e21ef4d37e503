//! Writes what happened to a schedule, and ends the job with it.
//!
//! **Invariant:** a schedule's status, its event and the end of its job are true in one transaction.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::decide::Next;
use crate::accounts::tokens::TokenOver;
use crate::run::{Answer, Run, failed};
use connectors::Posted;
use jobs::kinds::{IngestEngagement, PublishPost, ReconcilePost};
use jobs::{
    Code, Failure, IntentId, JobKind, NewJob, OrganizationId, Origin, PostId, Problem, ScheduleId,
    Wait, publish_limit_keys,
};
use store::ledger::Finish;
use store::published_posts::NewPost;
use store::schedules::{self, Entry, Locked, Move, Status};
use store::usage::{self, Ended};
use store::{Claimed, billing, engagement, events, published_posts, webhook_events};

/// Tells the people of the organization what became of a schedule.
pub(crate) async fn tell(
    tx: &mut Claimed,
    schedule: &Locked,
    event: &str,
    message: &str,
) -> Result<(), Failure> {
    let data = json!({
        "scheduleId": schedule.id,
        "contentVersionId": schedule.content_version_id,
        "platformConnectionId": schedule.platform_connection_id,
    });
    events::record(tx, schedule.organization_id, event, "schedule", schedule.id.0, message, data)
        .await
        .map_err(failed)
}

/// Locks the schedule of this organization.
///
/// # Errors
/// Dead when there is none.
pub(crate) async fn lock(
    tx: &mut Claimed,
    organization: OrganizationId,
    id: ScheduleId,
) -> Result<Locked, Failure> {
    schedules::lock(tx, id)
        .await
        .map_err(failed)?
        .filter(|schedule| schedule.organization_id == organization)
        .ok_or_else(|| Failure::Dead(Problem::not_found("schedule", id).at("scheduleId")))
}

/// Records the post of a locked schedule, in all places. `false` when the network's id belongs to
/// another schedule's post already.
pub(super) async fn record_post<K: JobKind>(
    run: &Run<K>,
    tx: &mut Claimed,
    schedule: &Locked,
    posted: &Posted,
    outcome: &str,
    message: &str,
) -> Result<bool, Failure> {
    let post = NewPost {
        id: PostId(run.job.id.derive("published post")),
        organization_id: schedule.organization_id,
        schedule_id: schedule.id,
        content_version_id: schedule.content_version_id,
        platform_connection_id: schedule.platform_connection_id,
        platform_post_id: &posted.id,
        platform_post_url: &posted.url,
        published_at: schedule.now,
    };
    let fresh = published_posts::insert(tx, &post).await.map_err(failed)?;
    let entry = entry(run, schedule.now, outcome, message);
    schedules::published(tx, schedule.id, &posted.id, &posted.url, schedule.now, &entry)
        .await
        .map_err(failed)?;
    tell(tx, schedule, "post.published", &format!("{message} {}", posted.url)).await?;
    usage::end(tx, schedule.id.0, Ended::Used).await.map_err(failed)?;
    hear_what_was_told(run, tx, posted).await?;
    Ok(fresh)
}

/// The network may have told of a post before we knew that it was ours.
async fn hear_what_was_told<K: JobKind>(
    run: &Run<K>,
    tx: &mut Claimed,
    posted: &Posted,
) -> Result<(), Failure> {
    let events =
        webhook_events::reopen(tx, engagement::SENDER, &posted.id).await.map_err(failed)?;
    if events.is_empty() {
        return Ok(());
    }
    let args = IngestEngagement { webhook_events: events };
    run.follow_up(tx, [NewJob::new(Origin::Worker, None, &args)]).await
}

/// A line of the attempt log about this run.
pub(super) fn entry<'a, K: JobKind>(
    run: &Run<K>,
    at: DateTime<Utc>,
    outcome: &'a str,
    message: &'a str,
) -> Entry<'a> {
    Entry { at, outcome, message, attempt: Some(run.job.attempt + 1) }
}

/// Does what follows for a locked schedule and ends the run. `output` answers for a job whose work
/// is done because nothing is left to do.
///
/// [`Next::Published`] and [`Next::LookUp`] need the intent and are the caller's.
pub(super) async fn settle<K: JobKind>(
    run: &Run<K>,
    tx: Claimed,
    schedule: &Locked,
    next: Next,
    output: impl FnOnce(Status) -> K::Output,
) -> Answer<K> {
    match next {
        Next::Published(_) | Next::LookUp { .. } => {
            tracing::error!(schedule.id = %schedule.id, "a call's outcome came without its call");
            Err(Failure::Retry(Problem::new(Code::Internal, "an outcome without a call")))
        }
        Next::Hold { reason } => hold(run, tx, schedule, &reason, output).await,
        Next::AwaitApproval { reason } => await_approval(run, tx, schedule, &reason, output).await,
        Next::AwaitPayment { reason } => await_payment(run, tx, schedule, &reason, output).await,
        Next::NewToken { refused, version } => {
            let mut tx = tx;
            let over = token_over(schedule, version, refused.as_deref());
            let (until, why) = over.wait(run, &mut tx).await?;
            wait(run, tx, schedule, until, why).await
        }
        Next::Wait { until, why } => wait(run, tx, schedule, until, why).await,
        Next::Fail(problem) => fail(run, tx, schedule, problem).await,
        Next::Again { problem, forget_media } => {
            again(run, tx, schedule, problem, forget_media).await
        }
        Next::Later { until, why } => {
            let mut tx = tx;
            put_off(run, &mut tx, schedule, &why).await?;
            tx.commit().await.map_err(failed)?;
            Err(Failure::Snooze { until, why, close: true })
        }
    }
}

/// The access token of a schedule's account is over.
pub(super) fn token_over<'a>(
    schedule: &Locked,
    version: i64,
    refused: Option<&'a str>,
) -> TokenOver<'a> {
    TokenOver {
        organization: schedule.organization_id,
        connection: schedule.platform_connection_id,
        version,
        refused,
    }
}

/// The schedule is not to go out yet.
async fn put_off<K: JobKind>(
    run: &Run<K>,
    tx: &mut Claimed,
    schedule: &Locked,
    why: &Wait,
) -> Result<(), Failure> {
    let first = schedule.last_outcome.as_deref() != Some(why.code.as_str());
    let entry = first.then(|| entry(run, schedule.now, &why.code, &why.message));
    let change = Move { entry, ..Move::to(Status::Scheduled) };
    schedules::move_to(tx, schedule.id, &change).await.map_err(failed)
}

/// Waits for a key that is closed. The job waits in the transaction that saw the key closed, so that
/// whoever opens it lets go of the job.
async fn wait<K: JobKind>(
    run: &Run<K>,
    mut tx: Claimed,
    schedule: &Locked,
    until: DateTime<Utc>,
    why: Wait,
) -> Answer<K> {
    put_off(run, &mut tx, schedule, &why).await?;
    run.finish(tx, Finish::Snooze(until, why)).await
}

async fn hold<K: JobKind>(
    run: &Run<K>,
    mut tx: Claimed,
    schedule: &Locked,
    reason: &str,
    output: impl FnOnce(Status) -> K::Output,
) -> Answer<K> {
    let change = Move {
        to: Status::OnHold,
        reason: Some(reason),
        error: Some(reason),
        failed_attempts: 0,
        entry: Some(entry(run, schedule.now, "on_hold", reason)),
    };
    schedules::move_to(&mut tx, schedule.id, &change).await.map_err(failed)?;
    tell(&mut tx, schedule, "post.on_hold", reason).await?;
    run.end(tx, &output(Status::OnHold)).await
}

async fn await_approval<K: JobKind>(
    run: &Run<K>,
    mut tx: Claimed,
    schedule: &Locked,
    reason: &str,
    output: impl FnOnce(Status) -> K::Output,
) -> Answer<K> {
    let entry = entry(run, schedule.now, "on_hold", reason);
    schedules::await_approval(&mut tx, schedule.id, reason, Some(&entry)).await.map_err(failed)?;
    tell(&mut tx, schedule, "post.on_hold", reason).await?;
    run.end(tx, &output(Status::OnHold)).await
}

async fn await_payment<K: JobKind>(
    run: &Run<K>,
    mut tx: Claimed,
    schedule: &Locked,
    reason: &str,
    output: impl FnOnce(Status) -> K::Output,
) -> Answer<K> {
    let hold = billing::share_hold(&mut tx, schedule.organization_id).await.map_err(failed)?;
    if hold.is_none() {
        let message = "the subscription was paid just now".to_owned();
        let why = Wait { code: "retry".to_owned(), message, key: None };
        return wait(run, tx, schedule, schedule.now + TimeDelta::seconds(1), why).await;
    }
    let entry = entry(run, schedule.now, "on_hold", reason);
    schedules::await_payment(&mut tx, schedule.id, reason, Some(&entry)).await.map_err(failed)?;
    tell(&mut tx, schedule, "post.on_hold", reason).await?;
    run.end(tx, &output(Status::OnHold)).await
}

/// The schedule did not go out, and will not without a person.
pub(super) async fn fail<K: JobKind>(
    run: &Run<K>,
    mut tx: Claimed,
    schedule: &Locked,
    problem: Problem,
) -> Answer<K> {
    let change = Move {
        to: Status::Failed,
        reason: Some(&problem.message),
        error: Some(&problem.message),
        failed_attempts: 0,
        entry: Some(entry(run, schedule.now, "failed", &problem.message)),
    };
    schedules::move_to(&mut tx, schedule.id, &change).await.map_err(failed)?;
    tell(&mut tx, schedule, "post.failed", &problem.message).await?;
    run.end_dead(tx, problem).await
}

async fn again<K: JobKind>(
    run: &Run<K>,
    mut tx: Claimed,
    schedule: &Locked,
    problem: Problem,
    forget_media: bool,
) -> Answer<K> {
    if run.is_last_attempt() {
        let message =
            format!("The last of {} attempts failed: {}", run.job.max_attempts, problem.message);
        return fail(run, tx, schedule, Problem { message, ..problem }).await;
    }
    if forget_media {
        schedules::forget_prepared(&mut tx, schedule.id).await.map_err(failed)?;
    }
    let change = Move {
        to: Status::Scheduled,
        reason: None,
        error: Some(&problem.message),
        failed_attempts: 1,
        entry: Some(entry(run, schedule.now, "retry", &problem.message)),
    };
    schedules::move_to(&mut tx, schedule.id, &change).await.map_err(failed)?;
    tx.commit().await.map_err(failed)?;
    Err(Failure::Retry(problem))
}

/// The job that publishes a schedule now.
pub(crate) fn publish_job(schedule: &Locked, max_attempts: u32) -> NewJob {
    let args = PublishPost { schedule_id: schedule.id };
    let organization = schedule.organization_id;
    let mut job = NewJob::new(Origin::Worker, Some(organization), &args);
    job.max_attempts = max_attempts.max(1);
    job.limit_keys = publish_limit_keys(
        schedule.platform,
        &schedule.account_id,
        schedule.platform_connection_id,
        organization,
    );
    job.unique_key = Some(schedules::publish_key(schedule.id));
    job
}

/// The job that looks an intent up, not before `run_at`.
pub(crate) fn reconcile_job(
    organization: OrganizationId,
    schedule: ScheduleId,
    intent: IntentId,
    run_at: DateTime<Utc>,
) -> NewJob {
    let args = ReconcilePost { schedule_id: schedule, intent_id: intent };
    let mut job = NewJob::new(Origin::Worker, Some(organization), &args);
    job.run_at = Some(run_at);
    job.unique_key = Some(schedules::reconcile_key(intent));
    job
}
