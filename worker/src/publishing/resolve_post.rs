//! `post.resolve`: a person says what became of an unconfirmed post.
//!
//! **Invariant:** a person's word settles the intent once; what is settled is not resolved again.

use super::decide::attempts_left;
use super::settle::{lock, publish_job, record_post, tell};
use crate::run::{Answer, Run, failed};
use connectors::Posted;
use jobs::kinds::{Resolution, ResolvePost, ResolvedPost};
use jobs::{Code, Failure, Problem};
use store::Claimed;
use store::intents::{self, Closing, Intent, Standing};
use store::schedules::{self, Entry, Locked, Status};

/// Settles an unconfirmed schedule.
pub(crate) async fn resolve_post(run: Run<ResolvePost>) -> Answer<ResolvePost> {
    let mut tx = run.begin().await?;
    let schedule = lock(&mut tx, run.organization()?, run.args.schedule_id).await?;
    if schedule.status != Status::Unconfirmed {
        let message = format!(
            "The schedule is {}; only an unconfirmed one can be resolved.",
            schedule.status
        );
        return Err(Failure::Dead(Problem::new(Code::Conflict, message).at("scheduleId")));
    }
    let intent = intents::lock_current(&mut tx, schedule.id).await.map_err(failed)?;
    if let Some(Standing::Published { url, .. }) = intent.as_ref().map(Intent::standing) {
        let message = format!("The network has said meanwhile that the post is out: {url}");
        return Err(Failure::Dead(Problem::new(Code::Conflict, message).at("scheduleId")));
    }
    match (run.args.resolution, run.args.platform_post_id.as_deref()) {
        (Resolution::Published, Some(post_id)) => {
            is_there(&run, tx, &schedule, intent.as_ref(), post_id).await
        }
        (Resolution::Published, None) => Err(Failure::Dead(Problem::argument(
            "platformPostId",
            "expected the network's id of the post",
        ))),
        (Resolution::PublishAgain, _) => publish_again(&run, tx, &schedule, intent.as_ref()).await,
    }
}

fn who(run: &Run<ResolvePost>) -> &str {
    if run.job.actor.is_empty() { "a person" } else { &run.job.actor }
}

async fn is_there(
    run: &Run<ResolvePost>,
    mut tx: Claimed,
    schedule: &Locked,
    intent: Option<&Intent>,
    post_id: &str,
) -> Answer<ResolvePost> {
    let connector = run.fleet.connector(schedule.platform);
    let url = connector.permalink(&schedule.account_name, post_id);
    let posted = Posted { id: post_id.to_owned(), url };
    if let Some(intent) = intent {
        let closing = Closing::Published { id: &posted.id, url: &posted.url };
        intents::close(&mut tx, intent.id, &closing).await.map_err(failed)?;
    }
    let message = format!("Published; {} found the post on the account.", who(run));
    if !record_post(run, &mut tx, schedule, &posted, "resolved", &message).await? {
        let message = format!("The post {post_id} belongs to another schedule.");
        return Err(Failure::Dead(Problem::new(Code::Conflict, message).at("platformPostId")));
    }
    run.end(tx, &ResolvedPost { schedule_id: schedule.id }).await
}

async fn publish_again(
    run: &Run<ResolvePost>,
    mut tx: Claimed,
    schedule: &Locked,
    intent: Option<&Intent>,
) -> Answer<ResolvePost> {
    let message =
        format!("{} says that it is not on the account; it is published again.", who(run));
    if let Some(intent) = intent {
        intents::close(&mut tx, intent.id, &Closing::Absent { reason: &message })
            .await
            .map_err(failed)?;
    }
    let entry = Entry { at: schedule.now, outcome: "resolved", message: &message, attempt: None };
    schedules::restart(&mut tx, schedule.id, schedule.retry_count, Some(&entry))
        .await
        .map_err(failed)?;
    tell(&mut tx, schedule, "post.resolved", &message).await?;
    let attempts = attempts_left(schedule.max_retries, schedule.retry_count).unwrap_or(1);
    let job = publish_job(schedule, attempts);
    run.follow_up(&mut tx, [job]).await?;
    run.end(tx, &ResolvedPost { schedule_id: schedule.id }).await
}
