//! What can be said against a job before it is accepted: the rows that it names, the clock, the
//! rules of the networks.
//!
//! The worker checks all of it again; here it is said at once. The rules themselves live in
//! `store`, `platforms` and `jobs`.
//!
//! **Invariant:** every kind has its line in [`check`], if only to say that there is nothing to
//! look at.

mod content;
mod schedules;
mod subjects;
mod usage;

use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{HashMap, HashSet};

use crate::app::App;
use crate::enqueue::{Places, Prepared};
use crate::principal::Principal;
use crate::problem::{Problem, Result};
use jobs::{Kind, Metric, OrganizationId, Problem as JobProblem};
use store::usage::Usage;
use store::{Acting, Conn};

/// Checks that need no row. Before the transaction, because the media store may be far away.
///
/// # Errors
/// 404 when an upload is not there.
pub(crate) async fn before_the_transaction(
    app: &App,
    places: Places,
    prepared: &[Prepared],
) -> Result<()> {
    content::uploads_are_there(app, places, prepared).await
}

/// The rows that the jobs of one request name, read in a transaction that begins with the first look:
/// most requests name none that is not known already.
pub(crate) struct Rows<'a> {
    app: &'a App,
    principal: &'a Principal,
    tx: Option<Acting>,
    /// Organizations that are there.
    organizations: HashSet<OrganizationId>,
    /// What organizations have used, once it was looked at.
    usage: HashMap<OrganizationId, Vec<Usage>>,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(app: &'a App, principal: &'a Principal) -> Self {
        // A key has a foreign key to its organization, and no organization is ever deleted.
        let organizations = HashSet::from_iter(principal.own_organization());
        Self { app, principal, tx: None, organizations, usage: HashMap::new() }
    }

    async fn conn(&mut self) -> Result<&mut Conn> {
        let tx = match self.tx.take() {
            Some(tx) => tx,
            None => self.app.database.writing(self.principal).await?,
        };
        Ok(self.tx.insert(tx))
    }

    /// The transaction, if one was begun.
    pub(crate) fn into_transaction(self) -> Option<Acting> {
        self.tx
    }
}

/// Checks a job against the rows that it names. `args` are the normalized arguments, unsealed.
///
/// # Errors
/// 402 when the plan allows no more, 404 when a row is not there or another organization's, 409 when its
/// state forbids the job, 422 when the content breaks a rule; each with its field.
pub(crate) async fn check(
    rows: &mut Rows<'_>,
    organization: Option<OrganizationId>,
    kind: Kind,
    args: &Value,
) -> Result<()> {
    let mut its = Subject { rows, organization };
    match kind {
        Kind::CreateOrganization => Ok(()),
        Kind::UpdateOrganization
        | Kind::CreateKey
        | Kind::ConnectAccount
        | Kind::ImportConnection
        | Kind::RebuildAnalytics => its.organization().await.map(drop),
        Kind::CreateContent => {
            content::check_texts(&decode(args)?)?;
            its.organization().await.map(drop)
        }
        Kind::SetPlan => {
            let args: jobs::kinds::SetPlan = decode(args)?;
            usage::check_plan(its.at("organizationId", args.organization_id).await?, &args.plan)
                .await
        }
        Kind::LimitUsage => {
            let args: jobs::kinds::LimitUsage = decode(args)?;
            its.at("organizationId", args.organization_id).await.map(drop)
        }
        Kind::GenerateContent => {
            content::check_generation(its.rows.app, &decode(args)?)?;
            its.allowance(Metric::Generations).await?;
            its.organization().await.map(drop)
        }
        Kind::RevokeKey => its.api_key(decode::<jobs::kinds::RevokeKey>(args)?.key_id).await,
        Kind::DisconnectConnection => {
            let id = decode::<jobs::kinds::DisconnectConnection>(args)?.connection_id;
            its.connection(id, "connectionId").await
        }
        Kind::AttachMedia => content::check_attachment(its, &decode(args)?).await,
        Kind::ApproveContent => {
            let id = decode::<jobs::kinds::ApproveContent>(args)?.content_request_id;
            its.content_request(id).await
        }
        Kind::RejectContent => {
            let id = decode::<jobs::kinds::RejectContent>(args)?.content_request_id;
            its.content_request(id).await
        }
        Kind::SelectVersion => {
            let id = decode::<jobs::kinds::SelectVersion>(args)?.content_version_id;
            its.content_version(id).await.map(drop)
        }
        Kind::EditVersion => content::check_edit(its, &decode(args)?).await,
        Kind::RevertVersion => content::check_revert(its, &decode(args)?).await,
        Kind::AddComment => content::check_comment(its, &decode(args)?).await,
        Kind::EditComment => {
            let id = decode::<jobs::kinds::EditComment>(args)?.comment_id;
            its.comment(id, "commentId").await.map(drop)
        }
        Kind::ResolveComment => {
            let id = decode::<jobs::kinds::ResolveComment>(args)?.comment_id;
            its.comment(id, "commentId").await.map(drop)
        }
        Kind::GenerateMedia => content::check_image(its, &decode(args)?).await,
        Kind::CreateSchedule => schedules::check_new(its, &decode(args)?).await,
        Kind::UpdateSchedule => schedules::check_change(its, &decode(args)?).await,
        Kind::CancelSchedule => {
            its.schedule(decode::<jobs::kinds::CancelSchedule>(args)?.schedule_id).await.map(drop)
        }
        Kind::PauseSchedule => {
            let id = decode::<jobs::kinds::PauseSchedule>(args)?.schedule_id;
            schedules::check_series(its, id).await
        }
        Kind::ResumeSchedule => {
            let id = decode::<jobs::kinds::ResumeSchedule>(args)?.schedule_id;
            schedules::check_series(its, id).await
        }
        Kind::SkipOccurrence => schedules::check_skip(its, &decode(args)?).await,
        Kind::MoveOccurrence => schedules::check_move(its, &decode(args)?).await,
        Kind::EditOccurrence => schedules::check_edit(its, &decode(args)?).await,
        Kind::ResolvePost => {
            its.schedule(decode::<jobs::kinds::ResolvePost>(args)?.schedule_id).await.map(drop)
        }
        Kind::DeletePost => {
            its.published_post(decode::<jobs::kinds::DeletePost>(args)?.published_post_id).await
        }
        Kind::CancelJob => its.live_job(decode::<jobs::kinds::CancelJob>(args)?.job_id).await,
        Kind::RetryJob => its.ended_job(decode::<jobs::kinds::RetryJob>(args)?.job_id).await,
        Kind::PauseQueue => {
            let args: jobs::kinds::PauseQueue = decode(args)?;
            its.pausable(args.queue.is_some(), args.platform_connection_id).await
        }
        Kind::ResumeQueue => {
            let args: jobs::kinds::ResumeQueue = decode(args)?;
            its.pausable(args.queue.is_some(), args.platform_connection_id).await
        }
        // A limit may be set for keys that no job has yet.
        Kind::SetLimit | Kind::RemoveLimit => Ok(()),
        // Nobody enqueues these through the API.
        Kind::AggregateAnalytics
        | Kind::ApplyBilling
        | Kind::EnforceBilling
        | Kind::CheckConnection
        | Kind::RefreshConnection
        | Kind::CheckSchedule
        | Kind::PreparePost
        | Kind::PublishPost
        | Kind::ReconcilePost
        | Kind::IngestEngagement
        | Kind::PollEngagement
        | Kind::PruneLedger => Ok(()),
    }
}

/// The rows that a job names, as its organization may see them.
struct Subject<'a, 'b> {
    rows: &'a mut Rows<'b>,
    /// `None` for a control job of an operator that is for the fleet.
    organization: Option<OrganizationId>,
}

fn decode<T: DeserializeOwned>(args: &Value) -> Result<T> {
    T::deserialize(args).map_err(|error| Problem::internal(&error))
}

fn said(problem: JobProblem) -> Problem {
    Problem::from(problem)
}
