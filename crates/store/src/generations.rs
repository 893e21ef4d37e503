//! Generations: one row for each run of a job that asked a model, with what it cost.
//!
//! Opened before the model is asked, closed with what came of it; shown by `/v1/generations`.
//!
//! **Invariant:** a row that is open says that a model may have been asked and paid: only its own run
//! closes it, and when its worker died nobody does.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::{Conn, Page, Result};
use jobs::{ContentRequestId, ContentVersionId, JobId, OrganizationId};

/// A generation as people see it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Generation {
    /// The generation.
    pub id: Uuid,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// The job, one run of which it was.
    pub job_id: Uuid,
    /// `text` or `image`.
    pub what: String,
    /// The request that it was for, of a text.
    pub content_request_id: Option<Uuid>,
    /// The version that it was for, of an image.
    pub content_version_id: Option<Uuid>,
    /// The model.
    pub model: String,
    /// `done`, `failed`, `rate_limited`, `interrupted` or `cancelled`; null while it runs, and for good
    /// when its worker died.
    pub outcome: Option<String>,
    /// What went wrong.
    pub error_message: Option<String>,
    /// How often the model was asked.
    pub asks: Option<i32>,
    /// Tokens that it read; null where nobody told.
    pub input_tokens: Option<i64>,
    /// Tokens that it wrote; null where nobody told.
    pub output_tokens: Option<i64>,
    /// What it cost, in millionths of a dollar; null where nobody told.
    pub cost_microdollars: Option<i64>,
    /// When the run began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
}

/// What a model is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// The versions of a request.
    Text(ContentRequestId),
    /// An image to go with a version.
    Image(ContentVersionId),
}

/// How a generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The model's answer was kept.
    Done,
    /// It was not, or there was none.
    Failed,
    /// The provider wants no more calls for now.
    RateLimited,
    /// We cut it short: a deploy.
    Interrupted,
    /// Somebody no longer wanted it.
    Cancelled,
}

impl Outcome {
    /// The word in rows and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Done => "done",
            Outcome::Failed => "failed",
            Outcome::RateLimited => "rate_limited",
            Outcome::Interrupted => "interrupted",
            Outcome::Cancelled => "cancelled",
        }
    }
}

/// What the model used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// How often it was asked.
    pub asks: u32,
    /// Tokens that it read.
    pub input_tokens: u64,
    /// Tokens that it wrote.
    pub output_tokens: u64,
    /// In millionths of a dollar.
    pub cost_microdollars: u64,
}

/// Which generations to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    /// Only of this request.
    pub content_request: Option<Uuid>,
    /// Only of this job.
    pub job: Option<Uuid>,
}

/// Notes that a model is about to be asked.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn open(
    conn: &mut Conn,
    id: Uuid,
    organization: OrganizationId,
    job: JobId,
    of: For,
    model: &str,
) -> Result<()> {
    let (what, request, version) = match of {
        For::Text(request) => ("text", Some(request.0), None),
        For::Image(version) => ("image", None, Some(version.0)),
    };
    sqlx::query!(
        "insert into generations (id, organization_id, job_id, what, content_request_id, content_version_id, model)
         values ($1, $2, $3, $4, $5, $6, $7) on conflict (id) do nothing",
        id,
        organization.0,
        job.0,
        what,
        request,
        version,
        model
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes what came of it; `None` for what was spent where nobody told.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn close(
    conn: &mut Conn,
    id: Uuid,
    outcome: Outcome,
    error: Option<&str>,
    spent: Option<Spent>,
) -> Result<()> {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    sqlx::query!(
        "update generations set outcome = $2, error_message = $3, asks = $4, input_tokens = $5,
             output_tokens = $6, cost_microdollars = $7, ended_at = clock_timestamp()
         where id = $1 and outcome is null",
        id,
        outcome.as_str(),
        error,
        spent.map(|spent| i32::try_from(spent.asks).unwrap_or(i32::MAX)),
        spent.map(|spent| number(spent.input_tokens)),
        spent.map(|spent| number(spent.output_tokens)),
        spent.map(|spent| number(spent.cost_microdollars))
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Generations, newest first.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn list(conn: &mut Conn, filter: &Filter, page: Page) -> Result<Vec<Generation>> {
    Ok(sqlx::query_as!(
        Generation,
        "select id, organization_id, job_id, what, content_request_id, content_version_id, model, outcome,
                error_message, asks, input_tokens, output_tokens, cost_microdollars, started_at, ended_at
         from generations
         where id < $1 and ($3::uuid is null or content_request_id = $3) and ($4::uuid is null or job_id = $4)
         order by id desc limit $2",
        page.below(),
        page.limit,
        filter.content_request,
        filter.job
    )
    .fetch_all(conn)
    .await?)
}
