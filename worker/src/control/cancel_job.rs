//! `job.cancel`: at once when the job waits, as soon as it can stop when it runs.

use crate::run::{Answer, Run, failed};
use jobs::kinds::{CancelJob, CancelledJob};
use jobs::{Code, Failure, Problem};
use store::ledger::{self, Cancelled};

pub(crate) async fn cancel_job(run: Run<CancelJob>) -> Answer<CancelJob> {
    let target = run.args.job_id;
    let organization = run.job.organization_id;
    let reason = format!("cancelled by {}", who(&run.job.actor));
    let mut tx = run.begin().await?;
    let outcome = match ledger::cancel(&mut tx, organization, target, &reason).await.map_err(failed)? {
        Cancelled::AtOnce { notify_end } => {
            let answer =
                run.end(tx, &CancelledJob { outcome: "cancelled".to_owned() }).await;
            if notify_end {
                run.fleet.bell.ended(target.0);
            }
            return answer;
        }
        Cancelled::Requested => "requested",
        Cancelled::NotLive => {
            let ended = ledger::get(&mut tx, target).await.map_err(failed)?;
            let ours = |job: &ledger::JobView| {
                organization.is_none_or(|own| job.organization_id == Some(own.0))
            };
            return Err(Failure::Dead(match ended.filter(ours) {
                Some(job) => Problem::new(Code::Conflict, format!("the job is {} already", job.state)),
                None => Problem::not_found("job", target),
            }
            .at("jobId")));
        }
    };
    run.end(tx, &CancelledJob { outcome: outcome.to_owned() }).await
}

fn who(actor: &str) -> &str {
    if actor.is_empty() { "a caller" } else { actor }
}
