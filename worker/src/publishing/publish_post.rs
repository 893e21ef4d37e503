//! `post.publish`: one write at the network, never repeated blindly.
//!
//! In order: look at the schedule under lock; upload what is missing; commit an intent; make the
//! call in a task of its own, which records the answer; write what it means.
//!
//! **Invariant:** whoever finds an intent whose outcome is not known publishes nothing.

use chrono::TimeDelta;
use sha2::{Digest, Sha256};
use std::ops::ControlFlow;
use std::time::Instant;

use super::call::{self, Call, Sent};
use super::decide::{Next, after_commit};
use super::reconcile_post::wait;
use super::settle::{entry, lock, reconcile_job, record_post, settle, tell};
use super::target::{self, Target};
use super::upload::upload_missing;
use crate::accounts::tokens::waiting;
use crate::run::{Answer, Ended, Run, failed};
use connectors::{Closed, Commit, Draft, Posted};
use jobs::kinds::{PublishPost, PublishedPost};
use jobs::{Code, Failure, IntentId, Problem, Wait, account_key};
use store::intents::{self, Closing, Intent, NewIntent, Standing};
use store::schedules::{self, Locked, Move, Status, Verdict};
use store::{Claimed, ledger};

/// How long a post waits for another one with the same text.
const SAME_TEXT_WAIT: TimeDelta = TimeDelta::seconds(10);

type Step<T> = Result<ControlFlow<Ended<PublishedPost>, T>, Failure>;

/// Publishes a schedule.
pub(crate) async fn publish_post(run: Run<PublishPost>) -> Answer<PublishPost> {
    let target = match begin(&run).await? {
        ControlFlow::Continue(target) => target,
        ControlFlow::Break(ended) => return Ok(ended),
    };
    let media_ids = match upload_missing(&run, &target).await? {
        Ok(media_ids) => media_ids,
        Err(next) => return give_way(&run, &target, next).await,
    };
    let draft = Draft { text: target.content.text.clone(), media_ids };
    let noted = Instant::now();
    let (intent, target) = match open_intent(&run, &target, &draft).await? {
        ControlFlow::Continue(opened) => opened,
        ControlFlow::Break(ended) => return Ok(ended),
    };
    let access = target.access.clone();
    let call = Call { intent, noted, platform: target.content.platform, access, draft };
    let sent = run.shielded(call::send(run.fleet.clone(), call, run.stop.clone())).await;
    let sent = sent.unwrap_or_else(|error| {
        tracing::error!(intent.id = %intent, %error, "the call broke off");
        let reason = "the call broke off".to_owned();
        Sent::Answered { commit: Commit::Unknown { reason }, closed: None }
    });
    conclude(&run, &target, intent, sent).await
}

/// Looks at the schedule and what is known of earlier calls, and takes it in hand.
async fn begin(run: &Run<PublishPost>) -> Step<Target> {
    let mut tx = run.begin().await?;
    let schedule = lock(&mut tx, run.organization()?, run.args.schedule_id).await?;
    let waits = matches!(schedule.status, Status::Scheduled | Status::Publishing);
    if waits || schedule.status == Status::Unconfirmed {
        let current = intents::lock_current(&mut tx, schedule.id).await.map_err(failed)?;
        if let Some(intent) = current {
            return after_earlier_call(run, tx, &schedule, &intent).await.map(ControlFlow::Break);
        }
    }
    if !waits || schedule.is_recurring {
        return over(run, tx, schedule.status, &schedule).await;
    }
    if schedule.scheduled_at > schedule.now {
        let why = Wait {
            code: "due".to_owned(),
            message: "the schedule was moved to a later time".to_owned(),
            key: None,
        };
        return Err(Failure::Snooze { until: schedule.scheduled_at, why, close: false });
    }
    if schedule.status == Status::Scheduled && !of_ours(schedule.last_outcome.as_deref()) {
        match schedules::verdict(&mut tx, schedule.id).await.map_err(failed)? {
            Verdict::Go => {}
            Verdict::Wait => {
                let next =
                    later("catch_up", "what its series planned is looked at", &schedule, None);
                return settle(run, tx, &schedule, next, publish_outcome)
                    .await
                    .map(ControlFlow::Break);
            }
            Verdict::Missed { reason } => {
                let entry = entry(run, schedule.now, "missed", &reason);
                schedules::miss(&mut tx, &schedule, entry).await.map_err(failed)?;
                return run.end(tx, &publish_outcome(Status::Missed)).await.map(ControlFlow::Break);
            }
        }
    }
    let target = match target::open(run, &mut tx, &schedule).await? {
        Ok(target) => target,
        Err(next) => {
            return settle(run, tx, &schedule, next, publish_outcome).await.map(ControlFlow::Break);
        }
    };
    if schedule.status != Status::Publishing {
        let change = Move::to(Status::Publishing);
        schedules::move_to(&mut tx, schedule.id, &change).await.map_err(failed)?;
    }
    tx.commit().await.map_err(failed)?;
    Ok(ControlFlow::Continue(target))
}

/// Whether a schedule is late because of what was tried, or because a person wants it late: it was taken in hand
/// in time, and its retries or the person say how long to go on. Downtimes and waiting for a reconnection are
/// no such reasons.
fn of_ours(last_outcome: Option<&str>) -> bool {
    let ours = ["retry", "rate_limited", "quota", "look_up", "retried", "resolved", "refreshing"];
    last_outcome.is_some_and(|outcome| ours.contains(&outcome))
}

async fn over(
    run: &Run<PublishPost>,
    tx: Claimed,
    status: Status,
    schedule: &Locked,
) -> Step<Target> {
    let output = PublishedPost {
        outcome: status.as_str().to_owned(),
        platform_post_id: schedule.published_post_id.clone(),
        platform_post_url: schedule.published_post_url.clone(),
    };
    run.end(tx, &output).await.map(ControlFlow::Break)
}

/// An earlier claim made a call, or was about to: nothing is sent before its outcome is known.
async fn after_earlier_call(
    run: &Run<PublishPost>,
    tx: Claimed,
    schedule: &Locked,
    intent: &Intent,
) -> Answer<PublishPost> {
    match intent.standing() {
        Standing::Published { id, url } => {
            let message = "Published by a worker that could not write it down.";
            published(run, tx, schedule, Posted { id, url }, message, None).await
        }
        Standing::Open if schedule.now < intent.answer_before => {
            let why = Wait {
                code: "look_up".to_owned(),
                message: "an earlier call may still be answered".to_owned(),
                key: None,
            };
            Err(Failure::Snooze { until: intent.answer_before, why, close: false })
        }
        Standing::Open | Standing::Unknown if schedule.status == Status::Unconfirmed => {
            run.end(tx, &publish_outcome(Status::Unconfirmed)).await
        }
        Standing::Open | Standing::Unknown => {
            let reason = "The worker that published it died before it could write down the answer.";
            unconfirmed(run, tx, schedule, intent.id, reason).await
        }
        Standing::NoPost => {
            tracing::error!(intent.id = %intent.id, "a settled intent was taken for an open one");
            Err(Failure::Retry(Problem::new(Code::Internal, "a settled intent is in the way")))
        }
    }
}

/// What the job answers when there is no post to name.
fn publish_outcome(status: Status) -> PublishedPost {
    PublishedPost {
        outcome: status.as_str().to_owned(),
        platform_post_id: None,
        platform_post_url: None,
    }
}

/// Something stands in the way before any call was made.
async fn give_way(run: &Run<PublishPost>, target: &Target, next: Next) -> Answer<PublishPost> {
    let mut tx = run.begin().await?;
    let schedule = lock(&mut tx, target.schedule.organization_id, target.schedule.id).await?;
    if schedule.status != Status::Publishing {
        return run.end(tx, &publish_outcome(schedule.status)).await;
    }
    settle(run, tx, &schedule, next, publish_outcome).await
}

/// Commits that a call is about to be made, if nothing has come in between, and opens the token that
/// the account has now.
async fn open_intent(
    run: &Run<PublishPost>,
    target: &Target,
    draft: &Draft,
) -> Step<(IntentId, Target)> {
    let mut tx = run.begin().await?;
    let schedule = lock(&mut tx, target.schedule.organization_id, target.schedule.id).await?;
    if schedule.status != Status::Publishing {
        return run.end(tx, &publish_outcome(schedule.status)).await.map(ControlFlow::Break);
    }
    // The account may have been disconnected, or the content changed, while media went up.
    let looked = match target::open(run, &mut tx, &schedule).await? {
        Err(next) => Err(next),
        Ok(now) if !now.content.shows_the_same(&target.content) => {
            Err(later("retry", "the content was changed just now", &schedule, None))
        }
        Ok(now) => match closed_key(run, &mut tx, target, &schedule).await? {
            Some(next) => Err(next),
            None => Ok(now),
        },
    };
    let target = match looked {
        Ok(target) => target,
        Err(next) => {
            return settle(run, tx, &schedule, next, publish_outcome).await.map(ControlFlow::Break);
        }
    };
    let id = IntentId(run.job.id.derive(&format!("intent {}", run.job.claim_no)));
    let intent = NewIntent {
        id,
        organization_id: schedule.organization_id,
        schedule_id: schedule.id,
        platform_connection_id: schedule.platform_connection_id,
        claim: run.claim(),
        text_hash: Sha256::digest(draft.text.as_bytes()).into(),
        text: &draft.text,
        media_ids: &draft.media_ids,
        send_window: run.fleet.publishing.send_window,
        request_timeout: run.fleet.publishing.request_timeout,
    };
    if !intents::open(&mut tx, &intent).await.map_err(failed)? {
        let message = "another post with the same text is on its way to this account";
        let next = later("look_up", message, &schedule, Some(SAME_TEXT_WAIT));
        return settle(run, tx, &schedule, next, publish_outcome).await.map(ControlFlow::Break);
    }
    tx.commit().await.map_err(failed)?;
    Ok(ControlFlow::Continue((id, target)))
}

fn later(code: &str, message: &str, schedule: &Locked, wait: Option<TimeDelta>) -> Next {
    let why = Wait { code: code.to_owned(), message: message.to_owned(), key: None };
    Next::Later { until: schedule.now + wait.unwrap_or(TimeDelta::seconds(1)), why }
}

/// Whether the network closed a key that this call needs, for this account or for our whole app.
async fn closed_key(
    run: &Run<PublishPost>,
    tx: &mut Claimed,
    target: &Target,
    schedule: &Locked,
) -> Result<Option<Next>, Failure> {
    let connector = run.fleet.connector(target.content.platform);
    let mut keys = connector.publish_keys(&target.content.account_id);
    keys.push(account_key(target.content.platform, &target.content.account_id));
    if let Some(closed) = ledger::closed(tx, &keys).await.map_err(failed)? {
        let (code, message) = match closed.for_good {
            true => ("paused", "a person paused the account".to_owned()),
            false => ("rate_limited", format!("{}: {}", closed.key, closed.reason)),
        };
        let why = Wait { code: code.to_owned(), message, key: Some(closed.key) };
        return Ok(Some(Next::Wait { until: closed.until, why }));
    }
    let waiting = waiting(tx, schedule.platform_connection_id).await?;
    Ok(waiting.map(|(until, why)| Next::Wait { until, why }))
}

/// Writes what the network's answer means.
async fn conclude(
    run: &Run<PublishPost>,
    target: &Target,
    intent: IntentId,
    sent: Sent,
) -> Answer<PublishPost> {
    let mut tx = run.begin().await?;
    let schedule = lock(&mut tx, target.schedule.organization_id, target.schedule.id).await?;
    let (commit, closed) = match sent {
        Sent::TooLate => {
            let next =
                later("retry", "the worker was too slow to send it in time", &schedule, None);
            return settle(run, tx, &schedule, next, publish_outcome).await;
        }
        Sent::Answered { commit, closed } => (commit, closed),
    };
    match after_commit(commit, target.account(), schedule.now) {
        Next::Published(posted) => {
            let closed = closed.map(|closed| (target.account().ledger_key(Some(&closed)), closed));
            published(run, tx, &schedule, posted, "Published.", closed).await
        }
        Next::LookUp { reason } => {
            let reason = format!("Whether the post is out is not known yet: {reason}");
            unconfirmed(run, tx, &schedule, intent, &reason).await
        }
        next => settle(run, tx, &schedule, next, publish_outcome).await,
    }
}

async fn published(
    run: &Run<PublishPost>,
    mut tx: Claimed,
    schedule: &Locked,
    posted: Posted,
    message: &str,
    closed: Option<(String, Closed)>,
) -> Answer<PublishPost> {
    if !record_post(run, &mut tx, schedule, &posted, "published", message).await? {
        tracing::warn!(schedule.id = %schedule.id, "the post was recorded before");
    }
    if let Some((key, closed)) = closed {
        let reason = "the network's budget for this call is used up";
        ledger::close_key(&mut tx, &key, Some(closed.until(schedule.now)), reason)
            .await
            .map_err(failed)?;
    }
    let output = PublishedPost {
        outcome: Status::Published.as_str().to_owned(),
        platform_post_id: Some(posted.id),
        platform_post_url: Some(posted.url),
    };
    run.end(tx, &output).await
}

/// The post may be out: nothing is sent again before a look.
async fn unconfirmed(
    run: &Run<PublishPost>,
    mut tx: Claimed,
    schedule: &Locked,
    intent: IntentId,
    reason: &str,
) -> Answer<PublishPost> {
    intents::close(&mut tx, intent, &Closing::Unknown { reason }).await.map_err(failed)?;
    let call = intents::get(&mut tx, intent).await.map_err(failed)?;
    let change = Move {
        to: Status::Unconfirmed,
        reason: Some(reason),
        error: Some(reason),
        failed_attempts: 0,
        entry: Some(entry(run, schedule.now, "unconfirmed", reason)),
    };
    schedules::move_to(&mut tx, schedule.id, &change).await.map_err(failed)?;
    tell(&mut tx, schedule, "post.unconfirmed", reason).await?;
    let answer_before = call.map_or(schedule.now, |call| call.answer_before);
    let run_at = answer_before.max(schedule.now) + wait(&run.fleet, schedule.platform);
    let look_up = reconcile_job(schedule.organization_id, schedule.id, intent, run_at);
    run.follow_up(&mut tx, [look_up]).await?;
    run.end(tx, &publish_outcome(Status::Unconfirmed)).await
}
