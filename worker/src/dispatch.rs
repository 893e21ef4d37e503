//! From a claimed job to its handler: one exhaustive match.
//!
//! **Invariant:** a job whose kind or version of arguments this build does not know is parked with
//! an alert, never dropped; one whose arguments it knows and cannot decode is dead.

use serde_json::json;
use std::future::Future;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::figures::{self, Parked};
use crate::fleet::Fleet;
use crate::run::{Answer, Ended, Run};
use crate::{
    accounts, analytics, billing, content, control, engagement, maintenance, organizations,
    publishing,
};
use jobs::{Code, Failure, JobKind, Kind, Problem, Wait};
use queue::{End, Handler, Stop};
use store::ledger::ClaimedJob;

/// Runs every kind of job.
#[derive(Debug)]
pub(crate) struct Dispatch {
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) shielded: TaskTracker,
}

impl Handler for Dispatch {
    async fn handle(&self, job: ClaimedJob, stop: Stop) -> End {
        let Ok(kind) = Kind::from_str(&job.kind) else {
            return park(
                &job,
                Parked::UnknownKind,
                format!("this build does not know the kind {:?}", job.kind),
            );
        };
        if job.args_version > kind.spec().args_version {
            return park(
                &job,
                Parked::UnreadableArguments,
                format!(
                    "this build reads version {} of the arguments of {kind}, not {}",
                    kind.spec().args_version,
                    job.args_version
                ),
            );
        }
        match kind {
            Kind::CreateOrganization => {
                self.run(job, stop, organizations::create_organization).await
            }
            Kind::UpdateOrganization => {
                self.run(job, stop, organizations::update_organization).await
            }
            Kind::SetPlan => self.run(job, stop, organizations::set_plan).await,
            Kind::LimitUsage => self.run(job, stop, organizations::limit_usage).await,
            Kind::ApplyBilling => self.run(job, stop, billing::apply_billing).await,
            Kind::EnforceBilling => self.run(job, stop, billing::enforce_billing).await,
            Kind::CreateKey => self.run(job, stop, organizations::create_key).await,
            Kind::RevokeKey => self.run(job, stop, organizations::revoke_key).await,
            Kind::ConnectAccount => self.run(job, stop, accounts::connect_account).await,
            Kind::ImportConnection => self.run(job, stop, accounts::import_connection).await,
            Kind::RefreshConnection => self.run(job, stop, accounts::refresh_connection).await,
            Kind::CheckConnection => self.run(job, stop, accounts::check_connection).await,
            Kind::DisconnectConnection => {
                self.run(job, stop, accounts::disconnect_connection).await
            }
            Kind::CreateContent => self.run(job, stop, content::create_content).await,
            Kind::GenerateContent => {
                self.run(job, stop, content::generate_content::generate_content).await
            }
            Kind::AttachMedia => self.run(job, stop, content::attach_media).await,
            Kind::ApproveContent => self.run(job, stop, content::approve_content).await,
            Kind::RejectContent => self.run(job, stop, content::reject_content).await,
            Kind::SelectVersion => self.run(job, stop, content::select_version).await,
            Kind::EditVersion => self.run(job, stop, content::edit_version).await,
            Kind::RevertVersion => self.run(job, stop, content::revert_version).await,
            Kind::AddComment => self.run(job, stop, content::add_comment).await,
            Kind::EditComment => self.run(job, stop, content::edit_comment).await,
            Kind::ResolveComment => self.run(job, stop, content::resolve_comment).await,
            Kind::GenerateMedia => self.run(job, stop, content::generate_media).await,
            Kind::CreateSchedule => self.run(job, stop, publishing::create_schedule).await,
            Kind::UpdateSchedule => self.run(job, stop, publishing::update_schedule).await,
            Kind::CancelSchedule => self.run(job, stop, publishing::cancel_schedule).await,
            Kind::PauseSchedule => self.run(job, stop, publishing::pause_schedule).await,
            Kind::ResumeSchedule => self.run(job, stop, publishing::resume_schedule).await,
            Kind::SkipOccurrence => self.run(job, stop, publishing::skip_occurrence).await,
            Kind::MoveOccurrence => self.run(job, stop, publishing::move_occurrence).await,
            Kind::EditOccurrence => self.run(job, stop, publishing::edit_occurrence).await,
            Kind::CheckSchedule => self.run(job, stop, publishing::check_schedule).await,
            Kind::PreparePost => self.run(job, stop, publishing::prepare_post).await,
            Kind::PublishPost => self.run(job, stop, publishing::publish_post).await,
            Kind::ReconcilePost => self.run(job, stop, publishing::reconcile_post).await,
            Kind::ResolvePost => self.run(job, stop, publishing::resolve_post).await,
            Kind::IngestEngagement => self.run(job, stop, engagement::ingest_engagement).await,
            Kind::PollEngagement => self.run(job, stop, engagement::poll_engagement).await,
            Kind::DeletePost => self.run(job, stop, publishing::delete_post).await,
            Kind::AggregateAnalytics => self.run(job, stop, analytics::aggregate_analytics).await,
            Kind::RebuildAnalytics => self.run(job, stop, analytics::rebuild_analytics).await,
            Kind::CancelJob => self.run(job, stop, control::cancel_job).await,
            Kind::RetryJob => self.run(job, stop, control::retry_job).await,
            Kind::PauseQueue => self.run(job, stop, control::pause_queue).await,
            Kind::ResumeQueue => self.run(job, stop, control::resume_queue).await,
            Kind::SetLimit => self.run(job, stop, control::set_limit).await,
            Kind::RemoveLimit => self.run(job, stop, control::remove_limit).await,
            Kind::PruneLedger => self.run(job, stop, maintenance::prune_ledger).await,
        }
    }
}

impl Dispatch {
    async fn run<K, F>(&self, job: ClaimedJob, stop: Stop, handler: impl FnOnce(Run<K>) -> F) -> End
    where
        K: JobKind,
        F: Future<Output = Answer<K>> + Send,
    {
        let args: K = match serde_json::from_value(job.args.clone()) {
            Ok(args) => args,
            Err(error) => {
                let message = format!("the arguments do not decode: {error}");
                return End::Failed(Failure::Dead(Problem::new(Code::InvalidArgument, message)));
            }
        };
        let span = tracing::info_span!(
            "job",
            job.id = %job.id,
            job.kind = job.kind,
            job.attempt = job.attempt + 1,
            job.claim_no = job.claim_no,
            organization.id = job.organization_id.map(tracing::field::display),
            trace.id = job.trace_context.as_deref().and_then(|parent| parent.get(3..35)),
        );
        let run = Run {
            fleet: self.fleet.clone(),
            job,
            args,
            stop,
            shielded: self.shielded.clone(),
            to_ring: Mutex::default(),
        };
        let limit = K::SPEC.timeout;
        let answer = tokio::time::timeout(limit, handler(run)).instrument(span.clone()).await;
        let _in_span = span.enter();
        match answer {
            Ok(Ok(Ended::Done(output))) => {
                tracing::info!("job.done");
                End::Done(json!(output))
            }
            Ok(Ok(Ended::Recorded { outcome, code })) => {
                tracing::info!("job.recorded");
                End::Recorded { outcome, code }
            }
            Ok(Err(failure)) => {
                tracing::info!(?failure, "job.failed");
                End::Failed(failure)
            }
            Err(_) => {
                tracing::warn!(limit_secs = limit.as_secs(), "job.timeout");
                End::Failed(Failure::Retry(Problem::new(
                    Code::Timeout,
                    format!("the attempt took longer than {} s", limit.as_secs()),
                )))
            }
        }
    }
}

fn park(job: &ClaimedJob, reason: Parked, message: String) -> End {
    let code = reason.as_str();
    tracing::error!(job.id = %job.id, job.kind = job.kind, code, "parked: {message}");
    figures::parked(reason, 1);
    End::Parked(Wait { code: code.to_owned(), message, key: None })
}
