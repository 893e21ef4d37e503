//! Cancelling: at once when the job waits, on request when it runs.
//!
//! **Invariant:** only the worker that holds a running job ends it.

use serde_json::json;
use uuid::Uuid;

use crate::{Conn, Result, Store};
use jobs::{Code, JobId, OrganizationId, Problem, WorkerId};

/// What became of a request to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// The job waited and is history now.
    AtOnce {
        /// Whether somebody waits for its end.
        notify_end: bool,
    },
    /// The job runs; its worker was asked to stop it.
    Requested,
    /// There is no such live job.
    NotLive,
}

/// Cancels a live job of the organization; of any when `organization` is `None`.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn cancel(
    conn: &mut Conn,
    organization: Option<OrganizationId>,
    job: JobId,
    reason: &str,
) -> Result<Cancelled> {
    let held = sqlx::query!(
        r#"select state = 'running' as "running!", notify_end from jobs
           where id = $1 and ($2::uuid is null or organization_id = $2) for update"#,
        job.0,
        organization.map(|o| o.0)
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(held) = held else { return Ok(Cancelled::NotLive) };
    if held.running {
        sqlx::query!("update jobs set cancel_requested = true where id = $1", job.0)
            .execute(conn)
            .await?;
        return Ok(Cancelled::Requested);
    }
    let error = json!(Problem::new(Code::Cancelled, reason));
    sqlx::query_file!("src/ledger/cancel.sql", job.0, error).execute(conn).await?;
    Ok(Cancelled::AtOnce { notify_end: held.notify_end })
}

/// The running jobs of this worker that somebody asked to cancel.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn cancel_requests(store: &Store, worker: WorkerId) -> Result<Vec<JobId>> {
    let ids: Vec<Uuid> =
        sqlx::query_scalar!("select id from jobs where worker = $1 and cancel_requested", worker.0)
            .fetch_all(store.pool()?)
            .await?;
    Ok(ids.into_iter().map(JobId).collect())
}
