//! `job.cancel`: at once when the job waits, on request when it runs.
//!
//! **Invariant:** the job is locked before the schedule that it would have published, and before what
//! it would have counted.

use crate::content::generate_content;
use crate::run::{Answer, Run, failed};
use jobs::kinds::{CancelJob, CancelledJob, PublishPost};
use jobs::{Code, Failure, Kind, Problem, Queue, ScheduleId};
use store::ledger::{self, Cancelled, JobView};
use store::schedules::{self, Entry, Move, Status};
use store::usage::{self, Ended};
use store::{Claimed, content_requests};

/// Cancels a job.
pub(crate) async fn cancel_job(run: Run<CancelJob>) -> Answer<CancelJob> {
    let id = run.args.job_id;
    let organization = run.job.organization_id;
    let mut tx = run.begin().await?;
    let job = ledger::get(&mut tx, id)
        .await
        .map_err(failed)?
        .filter(|job| organization.is_none_or(|own| job.organization_id == Some(own.0)))
        .ok_or_else(|| Failure::Dead(Problem::not_found("job", id).at("jobId")))?;
    let reason = match run.job.actor.as_str() {
        "" => "cancelled on request".to_owned(),
        actor => format!("cancelled by {actor}"),
    };
    match ledger::cancel(&mut tx, organization, id, &reason).await.map_err(failed)? {
        Cancelled::AtOnce { notify_end } => {
            cancel_its_schedule(&mut tx, &job, &reason).await?;
            give_back(&mut tx, &job, &reason).await?;
            let answer = run.end(tx, &CancelledJob { outcome: "cancelled".to_owned() }).await?;
            if notify_end {
                run.fleet.bell.ended(id.0);
            }
            Ok(answer)
        }
        Cancelled::Requested => {
            run.end(tx, &CancelledJob { outcome: "requested".to_owned() }).await
        }
        Cancelled::NotLive => {
            let message = format!("The job {id} has ended.");
            Err(Failure::Dead(Problem::new(Code::Conflict, message).at("jobId")))
        }
    }
}

/// A schedule whose publishing job was cancelled would wait for nothing.
async fn cancel_its_schedule(tx: &mut Claimed, job: &JobView, reason: &str) -> Result<(), Failure> {
    let Some(id) = published_by(job) else { return Ok(()) };
    let Some(schedule) = schedules::lock(tx, id).await.map_err(failed)? else { return Ok(()) };
    if schedule.status != Status::Scheduled {
        return Ok(());
    }
    let reason = format!("Its publishing job was {reason}.");
    let entry = Entry { at: schedule.now, outcome: "cancelled", message: &reason, attempt: None };
    let change = Move { reason: Some(&reason), entry: Some(entry), ..Move::to(Status::Cancelled) };
    schedules::move_to(tx, id, &change).await.map_err(failed)?;
    usage::end(tx, id.0, Ended::Released).await.map(drop).map_err(failed)
}

/// What a job that waited would have generated, and what that would have counted.
async fn give_back(tx: &mut Claimed, job: &JobView, reason: &str) -> Result<(), Failure> {
    if job.kind == Kind::GenerateContent.as_str() {
        let request = generate_content::request_of(job.id);
        content_requests::not_generated(tx, request, reason).await.map_err(failed)?;
    }
    usage::end(tx, job.id.0, Ended::Released).await.map(drop).map_err(failed)
}

fn published_by(job: &JobView) -> Option<ScheduleId> {
    if job.kind != Kind::PublishPost.as_str() || job.queue != Queue::Publish.as_str() {
        return None;
    }
    let args: PublishPost = serde_json::from_value(job.args.clone()).ok()?;
    Some(args.schedule_id)
}
