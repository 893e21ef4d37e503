//! The rows that jobs name: there, and the organization's own.
//!
//! **Invariant:** a row of another organization and a row that does not exist are refused alike.

use super::{Subject, said};
use crate::problem::{Problem, Result};
use jobs::{
    ApiKeyId, Caller, Code, CommentId, ConnectionId, ContentRequestId, ContentVersionId, JobId,
    Kind, OrganizationId, PostId, Problem as JobProblem, ScheduleId,
};
use std::fmt::Display;
use store::content_comments::Comment;
use store::content_versions::ContentVersion;
use store::ledger::{self, JobView};
use store::schedules::Schedule;
use store::{
    api_keys, connections, content_comments, content_requests, content_versions, organizations,
    published_posts, schedules,
};

impl Subject<'_, '_> {
    /// The row, if the job's organization owns it.
    fn own<T>(
        &self,
        row: Option<T>,
        owner: impl Fn(&T) -> Option<OrganizationId>,
        what: &str,
        id: impl Display,
        field: &str,
    ) -> Result<T> {
        let everybodys = self.organization.is_none();
        row.filter(|row| everybodys || owner(row) == self.organization)
            .ok_or_else(|| said(JobProblem::not_found(what, id).at(field)))
    }

    /// The same for a job whose arguments name the organization.
    pub(super) async fn at(self, field: &str, id: OrganizationId) -> Result<Self> {
        let row = organizations::get(self.rows.conn().await?, id).await?;
        let owner = |row: &organizations::Organization| Some(row.id);
        self.own(row, owner, "organization", id, field)?;
        Ok(Subject { rows: self.rows, organization: Some(id) })
    }

    /// The organization that the job is for.
    pub(super) async fn organization(self) -> Result<OrganizationId> {
        let id = self.organization.ok_or_else(Problem::broken)?;
        if self.rows.organizations.contains(&id) {
            return Ok(id);
        }
        match organizations::get(self.rows.conn().await?, id).await? {
            Some(_) => {
                self.rows.organizations.insert(id);
                Ok(id)
            }
            None => {
                let detail = format!("there is no organization {id}");
                Err(Problem::new(Code::NotFound, detail).at("organizationId"))
            }
        }
    }

    pub(super) async fn api_key(self, id: ApiKeyId) -> Result<()> {
        let row = api_keys::get(self.rows.conn().await?, id).await?;
        self.own(row, |row| Some(row.organization_id), "key", id, "keyId").map(drop)
    }

    pub(super) async fn connection(&mut self, id: ConnectionId, field: &str) -> Result<()> {
        let row = connections::get(self.rows.conn().await?, id).await?;
        self.own(row, |row| Some(row.organization_id), "connection", id, field).map(drop)
    }

    pub(super) async fn content_version(&mut self, id: ContentVersionId) -> Result<ContentVersion> {
        let row = content_versions::get(self.rows.conn().await?, id).await?;
        let owner = |row: &ContentVersion| Some(row.organization_id);
        self.own(row, owner, "content version", id, "contentVersionId")
    }

    pub(super) async fn content_request(&mut self, id: ContentRequestId) -> Result<()> {
        let row = content_requests::get(self.rows.conn().await?, id).await?;
        let owner = |row: &content_requests::ContentRequest| Some(row.organization_id);
        self.own(row, owner, "content request", id, "contentRequestId").map(drop)
    }

    pub(super) async fn comment(&mut self, id: CommentId, field: &str) -> Result<Comment> {
        let row = content_comments::get(self.rows.conn().await?, id).await?;
        self.own(row, |row| Some(row.organization_id), "comment", id, field)
    }

    pub(super) async fn schedule(&mut self, id: ScheduleId) -> Result<Schedule> {
        let row = schedules::get(self.rows.conn().await?, id).await?;
        self.own(row, |row| Some(row.organization_id), "schedule", id, "scheduleId")
    }

    pub(super) async fn published_post(self, id: PostId) -> Result<()> {
        let row = published_posts::get(self.rows.conn().await?, id).await?;
        let owner = |row: &published_posts::PublishedPost| Some(row.organization_id);
        let row = self.own(row, owner, "published post", id, "publishedPostId")?;
        if row.deleted_at.is_some() {
            let problem = JobProblem::new(Code::Conflict, "the post was deleted already");
            return Err(said(problem.at("publishedPostId")));
        }
        Ok(())
    }

    async fn job(&mut self, id: JobId) -> Result<JobView> {
        let row = ledger::get(self.rows.conn().await?, id).await?;
        self.own(row, |row| row.organization_id.map(OrganizationId), "job", id, "jobId")
    }

    /// A job that has not ended.
    pub(super) async fn live_job(mut self, id: JobId) -> Result<()> {
        let job = self.job(id).await?;
        match job.finished_at {
            None => Ok(()),
            Some(_) => Err(in_state(&job, "only a job that has not ended can be cancelled")),
        }
    }

    /// A job that ended without being done, of a kind that the caller may enqueue: it is done in the
    /// caller's name. What the fleet enqueues itself is retried by whoever may retry.
    pub(super) async fn ended_job(mut self, id: JobId) -> Result<()> {
        let job = self.job(id).await?;
        let may = match job.kind.parse::<Kind>().map(|kind| kind.spec().caller) {
            Ok(Caller::Organization(scope)) => self.rows.principal.require(scope),
            Ok(Caller::Operator) => self.rows.principal.require_operator(),
            Ok(Caller::Network | Caller::Internal) | Err(_) => Ok(()),
        };
        may.map_err(|problem| problem.at("args.jobId"))?;
        match job.state.as_str() {
            "dead" | "cancelled" => Ok(()),
            _ => Err(in_state(&job, "only a dead or cancelled job can be retried")),
        }
    }

    /// A queue of the organization or of the fleet, all queues of an organization, or an account.
    pub(super) async fn pausable(
        mut self,
        names_queue: bool,
        connection: Option<ConnectionId>,
    ) -> Result<()> {
        if let Some(id) = connection {
            return self.connection(id, "platformConnectionId").await;
        }
        match self.organization {
            Some(_) => self.organization().await.map(drop),
            None if names_queue => Ok(()),
            None => Err(said(JobProblem::argument(
                "queue",
                "expected a queue of the fleet, or an organization all queues of which are meant",
            ))),
        }
    }
}

fn in_state(job: &JobView, rule: &str) -> Problem {
    let detail = format!("{rule}; this one is {}", job.state);
    said(JobProblem::new(Code::Conflict, detail).at("jobId"))
}
