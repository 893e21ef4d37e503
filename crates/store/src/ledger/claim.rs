//! Making due jobs ready, and claiming them fairly.
//!
//! **Invariant:** a claim's cost depends on how many lanes and jobs it takes, never on how many
//! jobs a lane has waiting.

use chrono::{DateTime, Utc};
use serde_json::Value;
use std::time::Duration;
use uuid::Uuid;

use crate::{Result, Store};
use jobs::{JobId, OrganizationId, Queue, WorkerId};

/// A job as its worker sees it.
#[derive(Clone, Debug)]
pub struct ClaimedJob {
    /// The job.
    pub id: JobId,
    /// The fence.
    pub claim_no: i64,
    /// Whose work it is.
    pub organization_id: Option<OrganizationId>,
    /// The person behind it.
    pub actor: String,
    /// Wire name of the kind: this build may not know it.
    pub kind: String,
    /// Version of the arguments.
    pub args_version: i16,
    /// The arguments.
    pub args: Value,
    /// Attempts that failed before this one.
    pub attempt: i32,
    /// Attempts that may fail.
    pub max_attempts: i32,
    /// Workers that died while they had it.
    pub crashes: i32,
    /// When it was to run.
    pub run_at: DateTime<Utc>,
    /// When it was enqueued.
    pub created_at: DateTime<Utc>,
    /// Whether somebody waits for the end.
    pub notify_end: bool,
    /// Somebody asked to cancel it before it was claimed.
    pub cancel_requested: bool,
    /// W3C `traceparent` of whoever asked.
    pub trace_context: Option<String>,
}

/// What a claim did.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    /// The jobs that the worker has now.
    pub jobs: Vec<ClaimedJob>,
    /// Jobs met with a closed key, and moved to its opening.
    pub parked: usize,
}

/// How much to claim, and where to go on.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// At most so many jobs.
    pub jobs: i32,
    /// At most so many running of one lane, in this queue, over all workers (approximately: claims
    /// that race may each take the last place).
    pub per_lane: i32,
    /// Of one lane, at most so many by this claim: so that workers that claim in the same instant
    /// stay near the limit above.
    pub per_claim: i32,
    /// The first lane to look at; moved behind the last one served.
    pub cursor: Uuid,
}

/// Makes at most `limit` due jobs of the queue ready; says how many.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn promote(store: &Store, queue: Queue, limit: i32) -> Result<u64> {
    let mut tx = store.begin().await?;
    let done = sqlx::query_file!("src/ledger/promote.sql", queue.as_str(), i64::from(limit))
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(done.rows_affected())
}

/// How long until the next job of the queue is due; `None` when nothing is scheduled.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn next_due(store: &Store, queue: Queue) -> Result<Option<Duration>> {
    let mut tx = store.begin().await?;
    let seconds = sqlx::query_scalar!(
        r#"select extract(epoch from run_at - clock_timestamp())::float8 as "seconds!"
           from jobs where queue = $1 and state = 'scheduled' order by run_at limit 1"#,
        queue.as_str()
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(seconds.map(|s| Duration::try_from_secs_f64(s.max(0.0)).unwrap_or(Duration::MAX)))
}

/// Claims at most `window.jobs` ready jobs of the queue for the worker, sharing them fairly among
/// lanes, and moves the window's cursor on.
///
/// # Errors
/// [`crate::Error::Unavailable`]: a claim whose answer is lost stays with the worker until
/// [`super::held_by`] shows it and it is handed back.
pub async fn claim(
    store: &Store,
    queue: Queue,
    worker: WorkerId,
    window: &mut Window,
) -> Result<Claims> {
    let began_at = window.cursor;
    let mut claims = claim_from(store, queue, worker, window).await?;
    let wanted = usize::try_from(window.jobs).unwrap_or_default();
    // The lanes before the cursor come next, also when there was none behind it.
    if claims.jobs.len() < wanted && !began_at.is_nil() {
        let rest = i32::try_from(wanted - claims.jobs.len()).unwrap_or_default();
        let mut start = Window { jobs: rest, cursor: Uuid::nil(), ..*window };
        match claim_from(store, queue, worker, &mut start).await {
            Ok(more) => {
                claims.jobs.extend(more.jobs);
                claims.parked += more.parked;
            }
            // What was claimed is the worker's all the same.
            Err(_) if !claims.jobs.is_empty() => {}
            Err(error) => return Err(error),
        }
        window.cursor = start.cursor;
    }
    Ok(claims)
}

async fn claim_from(
    store: &Store,
    queue: Queue,
    worker: WorkerId,
    window: &mut Window,
) -> Result<Claims> {
    let mut tx = store.begin().await?;
    let rows = sqlx::query_file!(
        "src/ledger/claim.sql",
        queue.as_str(),
        worker.0,
        window.cursor,
        window.jobs,
        i64::from(window.per_lane),
        i64::from(window.per_claim)
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    window.cursor = rows
        .iter()
        .map(|row| row.lane)
        .max()
        .map_or(Uuid::nil(), |last| Uuid::from_u128(last.as_u128().wrapping_add(1)));
    let met = rows.len();
    let jobs: Vec<ClaimedJob> = rows
        .into_iter()
        .filter(|row| row.state == "running")
        .map(|row| ClaimedJob {
            id: JobId(row.id),
            claim_no: row.claim_no,
            organization_id: row.organization_id.map(OrganizationId),
            actor: row.actor,
            kind: row.kind,
            args_version: row.args_version,
            args: row.args,
            attempt: row.attempt,
            max_attempts: row.max_attempts,
            crashes: row.crashes,
            run_at: row.run_at,
            created_at: row.created_at,
            notify_end: row.notify_end,
            cancel_requested: row.cancel_requested,
            trace_context: row.trace_context,
        })
        .collect();
    Ok(Claims { parked: met - jobs.len(), jobs })
}
