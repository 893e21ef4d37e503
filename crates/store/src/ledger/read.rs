//! Looking at jobs, live and ended, in one statement.
//!
//! **Invariant:** a job is in exactly one of both tables at any moment, and is seen exactly once.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{Conn, Page, Result};
use jobs::{JobId, Queue};

/// A job as people see it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobView {
    /// The job.
    pub id: JobId,
    /// Whose work it is; absent for the fleet's own.
    pub organization_id: Option<Uuid>,
    /// What is to be done.
    pub kind: String,
    /// Where it runs.
    pub queue: String,
    /// `scheduled`, `ready`, `running`, `done`, `dead` or `cancelled`.
    pub state: String,
    /// The person behind it.
    pub actor: String,
    /// Who enqueued it: `api`, `operator`, `scheduler` or `worker`.
    pub origin: String,
    /// The arguments, secrets left out.
    pub args: Value,
    /// Lower goes first within an organization.
    pub priority: i16,
    /// Not before this moment.
    pub run_at: DateTime<Utc>,
    /// Attempts that failed.
    pub attempt: i32,
    /// Attempts that may fail.
    pub max_attempts: i32,
    /// Workers that died while they had it.
    pub crashes: i32,
    /// The worker that has it, or had it last.
    pub worker: Option<Uuid>,
    /// How far the run has come, where the kind says so.
    pub progress: Option<Value>,
    /// What it answered when it was done.
    pub result: Option<Value>,
    /// What went wrong, oldest first.
    pub errors: Value,
    /// Why it does not run right now; absent when it runs or has ended. How many stand ahead of it
    /// is told where a single job is shown, not in lists nor when it is enqueued.
    pub waiting: Option<Value>,
    /// Whether somebody asked to cancel it.
    pub cancel_requested: bool,
    /// The job that this one repeats.
    pub retried_from: Option<Uuid>,
    /// When it was enqueued.
    pub created_at: DateTime<Utc>,
    /// When it last began to run.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

/// Which jobs to list.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// Only of this state.
    pub state: Option<String>,
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only of this queue.
    pub queue: Option<String>,
}

/// One job, live or ended, with how many stand ahead of it.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn get(conn: &mut Conn, id: JobId) -> Result<Option<JobView>> {
    Ok(by_id(conn, &[id.0], true).await?.pop())
}

/// Those of the jobs that are there, live or ended, in any order. What stands ahead of them is not
/// counted.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn get_many(conn: &mut Conn, ids: &[JobId]) -> Result<Vec<JobView>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    by_id(conn, &ids, false).await
}

async fn by_id(conn: &mut Conn, ids: &[Uuid], count_ahead: bool) -> Result<Vec<JobView>> {
    let jobs = sqlx::query_file_as!(JobView, "src/ledger/get.sql", ids, count_ahead);
    Ok(jobs.fetch_all(conn).await?)
}

/// Jobs, newest first. What stands ahead of them is not counted.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn list(conn: &mut Conn, filter: &JobFilter, page: Page) -> Result<Vec<JobView>> {
    Ok(sqlx::query_file_as!(
        JobView,
        "src/ledger/list.sql",
        page.below(),
        page.limit,
        filter.state,
        filter.kind,
        filter.queue
    )
    .fetch_all(conn)
    .await?)
}

/// For each queue, how long its oldest due and unpaused job has been due, in seconds: the first of
/// each lane counts, and at most 1,000 lanes are looked at.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn oldest_due(conn: &mut Conn) -> Result<Vec<(Queue, f64)>> {
    let queues: Vec<String> = Queue::ALL.iter().map(|q| q.as_str().to_owned()).collect();
    let rows = sqlx::query_file!("src/ledger/oldest_due.sql", &queues).fetch_all(conn).await?;
    Ok(rows.into_iter().filter_map(|row| Some((row.queue.parse().ok()?, row.seconds))).collect())
}
