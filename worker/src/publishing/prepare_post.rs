//! `post.prepare`: media goes to the network ahead of time, so that the post goes out on time.
//!
//! **Invariant:** what can wait for the publishing job (another attempt, a closed key) does not
//! change the schedule.

use super::decide::Next;
use super::settle::{lock, settle};
use super::target;
use super::upload::upload_missing;
use crate::run::{Answer, Ended, Run, failed};
use jobs::Failure;
use jobs::kinds::{PreparePost, PreparedPost};
use store::schedules::Status;

/// Uploads a schedule's media.
pub(crate) async fn prepare_post(run: Run<PreparePost>) -> Answer<PreparePost> {
    let mut tx = run.begin().await?;
    let schedule = lock(&mut tx, run.organization()?, run.args.schedule_id).await?;
    if schedule.status != Status::Scheduled {
        return run.end(tx, &PreparedPost { media: 0 }).await;
    }
    let target = match target::open(&run, &mut tx, &schedule).await? {
        Ok(target) => target,
        Err(next) => {
            drop(tx);
            return give_way(&run, next).await;
        }
    };
    tx.commit().await.map_err(failed)?;
    match upload_missing(&run, &target).await? {
        Ok(media_ids) => Ok(Ended::Done(PreparedPost { media: media_ids.len() })),
        Err(next) => give_way(&run, next).await,
    }
}

async fn give_way(run: &Run<PreparePost>, next: Next) -> Answer<PreparePost> {
    match next {
        Next::Again { problem, .. } => Err(Failure::Retry(problem)),
        Next::Later { until, why } => Err(Failure::Snooze { until, why, close: true }),
        next => {
            let mut tx = run.begin().await?;
            let schedule = lock(&mut tx, run.organization()?, run.args.schedule_id).await?;
            if schedule.status != Status::Scheduled {
                return run.end(tx, &PreparedPost { media: 0 }).await;
            }
            settle(run, tx, &schedule, next, |_| PreparedPost { media: 0 }).await
        }
    }
}
