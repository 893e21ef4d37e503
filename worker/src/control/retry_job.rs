//! `job.retry`: a dead or cancelled job again, as a new job.
//!
//! A publishing job is more than its row: its schedule is brought back with it, and one whose post
//! may be out is looked up instead.
//!
//! **Invariant:** a job that may have published is never enqueued again before a look.

use serde_json::{Map, Value};

use crate::publishing::settle::{self, publish_job, reconcile_job};
use crate::run::{Answer, Run, failed};
use jobs::kinds::{PreparePost, PublishPost, ReconcilePost, RetriedJob, RetryJob};
use jobs::{Code, Failure, JobId, Kind, NewJob, OrganizationId, Origin, Problem, ScheduleId};
use seal::{Aad, Sealed};
use serde::de::DeserializeOwned;
use store::ledger::{self, Enqueued, JobView};
use store::schedules::{self, Entry, Locked, Status};
use store::{Claimed, intents};

/// Enqueues an ended job again.
pub(crate) async fn retry_job(run: Run<RetryJob>) -> Answer<RetryJob> {
    let old_id = run.args.job_id;
    let own = run.job.organization_id;
    let mut tx = run.begin().await?;
    let old = ledger::get(&mut tx, old_id)
        .await
        .map_err(failed)?
        .filter(|job| own.is_none_or(|own| job.organization_id == Some(own.0)))
        .ok_or_else(|| Failure::Dead(Problem::not_found("job", old_id).at("jobId")))?;
    if !matches!(old.state.as_str(), "dead" | "cancelled") {
        let message = format!("The job is {}; only a dead or cancelled one is retried.", old.state);
        return Err(conflict(message));
    }
    let kind: Kind = old
        .kind
        .parse()
        .map_err(|_| conflict(format!("This build does not know {}.", old.kind)))?;
    let organization = old.organization_id.map(OrganizationId);
    let mut job = match (kind, organization) {
        (Kind::PublishPost, Some(organization)) => {
            let args: PublishPost = arguments(&old)?;
            publish_again(&run, &mut tx, organization, args.schedule_id).await?
        }
        (Kind::PreparePost, Some(organization)) => {
            let args: PreparePost = arguments(&old)?;
            prepare_again(&mut tx, organization, args.schedule_id).await?
        }
        (Kind::ReconcilePost, Some(organization)) => {
            let args: ReconcilePost = arguments(&old)?;
            let schedule = settle::lock(&mut tx, organization, args.schedule_id).await?;
            look_up(&mut tx, &schedule).await?
        }
        _ => {
            let mut job = NewJob::from_value(Origin::Worker, organization, kind, old.args.clone());
            job.max_attempts = u32::try_from(old.max_attempts).unwrap_or(1);
            job.unique_key = Some(format!("retry:{old_id}"));
            job
        }
    };
    job.id = JobId(run.job.id.derive("retried job"));
    job.actor.clone_from(&run.job.actor);
    job.trace_context.clone_from(&run.job.trace_context);
    job.retried_from = Some(old_id);
    seal_anew(&run, kind, old_id, &mut job)?;
    match ledger::enqueue(&mut tx, &[job.clone()]).await.map_err(failed)?.as_slice() {
        [Enqueued::Inserted(_)] => {}
        _ => return Err(conflict("The same work is already under way.".to_owned())),
    }
    run.to_ring.lock().expect("nobody panics while holding this lock").push(job.kind.spec().queue);
    run.end(tx, &RetriedJob { job_id: job.id }).await
}

fn conflict(message: String) -> Failure {
    Failure::Dead(Problem::new(Code::Conflict, message).at("jobId"))
}

fn arguments<T: DeserializeOwned>(job: &JobView) -> Result<T, Failure> {
    serde_json::from_value(job.args.clone())
        .map_err(|_| conflict("The job's arguments can no longer be read.".to_owned()))
}

/// Brings a schedule back that its job left behind.
async fn publish_again(
    run: &Run<RetryJob>,
    tx: &mut Claimed,
    organization: OrganizationId,
    id: ScheduleId,
) -> Result<NewJob, Failure> {
    let schedule = settle::lock(tx, organization, id).await?;
    match schedule.status {
        Status::Unconfirmed => return look_up(tx, &schedule).await,
        // Its job is gone, and its call may have been answered: the new job looks at that first.
        Status::Publishing => return Ok(publishing(&schedule)),
        Status::Scheduled | Status::Failed => {}
        status => {
            let message = format!("The schedule is {status}; schedule it anew instead.");
            return Err(conflict(message));
        }
    }
    let message = match run.job.actor.as_str() {
        "" => "Published again on request.".to_owned(),
        actor => format!("Published again on request of {actor}."),
    };
    let entry = Entry { at: schedule.now, outcome: "retried", message: &message, attempt: None };
    schedules::restart(tx, id, 0, Some(&entry)).await.map_err(failed)?;
    Ok(publishing(&schedule))
}

fn publishing(schedule: &Locked) -> NewJob {
    let attempts = u32::try_from(schedule.max_retries).unwrap_or_default() + 1;
    publish_job(schedule, attempts)
}

async fn prepare_again(
    tx: &mut Claimed,
    organization: OrganizationId,
    id: ScheduleId,
) -> Result<NewJob, Failure> {
    let schedule = settle::lock(tx, organization, id).await?;
    match schedule.status {
        Status::Unconfirmed => look_up(tx, &schedule).await,
        Status::Scheduled => {
            let args = PreparePost { schedule_id: id };
            let mut job = NewJob::new(Origin::Worker, Some(organization), &args);
            job.unique_key = Some(schedules::prepare_key(id));
            Ok(job)
        }
        status => Err(conflict(format!("The schedule is {status}; nothing is to be prepared."))),
    }
}

/// A look at the account for a schedule whose post may be out.
async fn look_up(tx: &mut Claimed, schedule: &Locked) -> Result<NewJob, Failure> {
    let intent = intents::lock_current(tx, schedule.id).await.map_err(failed)?;
    let intent = intent
        .filter(|_| schedule.status == Status::Unconfirmed)
        .ok_or_else(|| conflict("Nothing is left to be looked up.".to_owned()))?;
    Ok(reconcile_job(schedule.organization_id, schedule.id, intent.id, schedule.now))
}

/// Secrets in arguments are bound to their job: they are sealed anew for the new one.
fn seal_anew(run: &Run<RetryJob>, kind: Kind, old: JobId, job: &mut NewJob) -> Result<(), Failure> {
    let new = job.id;
    let Some(args) = job.args.as_object_mut().filter(|_| job.kind == kind) else { return Ok(()) };
    for field in kind.spec().secrets {
        reseal(&run.fleet.travel_keys, args, field, old, new).map_err(|error| {
            tracing::error!(job.id = %old, field, %error, "a sealed argument does not open");
            conflict("The job's secrets can no longer be read; ask for the work anew.".to_owned())
        })?;
    }
    Ok(())
}

fn reseal(
    keys: &seal::TravelKeys,
    args: &mut Map<String, Value>,
    field: &str,
    old: JobId,
    new: JobId,
) -> Result<(), seal::Error> {
    let Some(Value::String(text)) = args.get_mut(field) else { return Ok(()) };
    let secret = keys.open(&text.parse::<Sealed>()?, &Aad::job_argument(old, field))?;
    *text = keys.seal(&secret, &Aad::job_argument(new, field)).to_string();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::{ExposeSecret, SecretString};
    use serde_json::json;

    #[test]
    fn a_secret_moves_with_its_job_and_stays_sealed() {
        let keys = seal::TravelKeys::parse(&SecretString::from(format!("k1:{}", "A".repeat(43))))
            .expect("a key");
        let (old, new) = (JobId::new(), JobId::new());
        let sealed = keys.seal(&SecretString::from("hush"), &Aad::job_argument(old, "accessToken"));
        let mut args = json!({ "accessToken": sealed.to_string(), "platform": "TWITTER" });
        let map = args.as_object_mut().expect("an object");
        reseal(&keys, map, "accessToken", old, new).expect("it opens");
        reseal(&keys, map, "refreshToken", old, new).expect("absent is fine");
        let text = args["accessToken"].as_str().expect("a text");
        assert!(!text.contains("hush"));
        let opened =
            text.parse().and_then(|s| keys.open(&s, &Aad::job_argument(new, "accessToken")));
        assert_eq!(opened.expect("it opens").expose_secret(), "hush");
        assert!(
            reseal(&keys, args.as_object_mut().expect("an object"), "accessToken", old, new)
                .is_err()
        );
    }
}
