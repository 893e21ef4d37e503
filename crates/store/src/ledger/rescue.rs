//! Rescue: a silent worker loses its jobs, which run elsewhere.
//!
//! **Invariant:** a worker that was declared lost stays lost; only the database's clock decides
//! who is silent.

use std::time::Duration;

use super::finish::outcome;
use crate::{Result, Store};
use jobs::protocol::{MAX_CRASHES, Outcome};
use jobs::{JobId, OrganizationId, WorkerId};

/// A job that was taken from a dead worker.
#[derive(Clone, Debug)]
pub struct Rescued {
    /// The job.
    pub job_id: JobId,
    /// Its queue, as the ledger spells it.
    pub queue: String,
    /// Its kind, as the ledger spells it.
    pub kind: String,
    /// Whose work it is.
    pub organization_id: Option<OrganizationId>,
    /// Whose it was.
    pub worker: Option<WorkerId>,
    /// How it ended: `None` when it is ready again, dead when it was quarantined.
    pub outcome: Option<Outcome>,
    /// Whether somebody waits for the end.
    pub notify_end: bool,
}

/// Declares workers lost that were silent for `silence`, and frees at most `limit` jobs of workers
/// that are gone. Does nothing in the first `grace` after the server's start, when silence means
/// nothing.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn rescue(
    store: &Store,
    silence: Duration,
    grace: Duration,
    limit: i32,
) -> Result<Vec<Rescued>> {
    let mut tx = store.begin().await?;
    let settled = sqlx::query_scalar!(
        r#"select pg_postmaster_start_time() < now() - make_interval(secs => $1) as "settled!""#,
        grace.as_secs_f64()
    )
    .fetch_one(&mut *tx)
    .await?;
    if !settled {
        return Ok(Vec::new());
    }
    let crashes = i32::try_from(MAX_CRASHES).expect("a small constant");
    let rows = sqlx::query_file!(
        "src/ledger/rescue.sql",
        silence.as_secs_f64(),
        i64::from(limit),
        crashes
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(rows
        .into_iter()
        .map(|row| Rescued {
            job_id: JobId(row.id),
            queue: row.queue,
            kind: row.kind,
            organization_id: row.organization_id.map(OrganizationId),
            worker: row.worker.map(WorkerId),
            outcome: row.outcome.as_deref().and_then(outcome),
            notify_end: row.notify_end,
        })
        .collect())
}
