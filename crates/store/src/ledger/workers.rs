//! Worker incarnations: one row each, renewed while the process lives.
//!
//! **Invariant:** a row that was declared lost or stopped is never revived.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use crate::{Claim, Conn, Result, Store};
use jobs::{JobId, WorkerId};

/// One incarnation of a worker process.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkerView {
    /// The incarnation.
    pub id: WorkerId,
    /// The process' name.
    pub name: String,
    /// The host it runs on.
    pub host: String,
    /// Its process id there.
    pub pid: i32,
    /// The build.
    pub version: String,
    /// Slots by queue.
    pub queues: Value,
    /// When the incarnation began.
    pub started_at: DateTime<Utc>,
    /// When it last renewed its lease.
    pub seen_at: DateTime<Utc>,
    /// When it was declared lost.
    pub lost_at: Option<DateTime<Utc>>,
    /// When it stopped by itself.
    pub stopped_at: Option<DateTime<Utc>>,
    /// How many jobs it holds.
    pub running: i64,
}

/// Begins an incarnation.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn register(
    store: &Store,
    id: WorkerId,
    name: &str,
    host: &str,
    version: &str,
    queues: &Value,
) -> Result<()> {
    let pid = i32::try_from(std::process::id()).unwrap_or_default();
    let mut tx = store.begin().await?;
    sqlx::query!(
        "insert into workers (id, name, host, pid, version, queues) values ($1, $2, $3, $4, $5, $6)",
        id.0,
        name,
        host,
        pid,
        version,
        queues
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// Renews the lease of all jobs of the incarnation; `false` when it was declared lost.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn renew(store: &Store, id: WorkerId) -> Result<bool> {
    let mut tx = store.begin().await?;
    let done = sqlx::query!(
        "update workers set seen_at = clock_timestamp()
         where id = $1 and lost_at is null and stopped_at is null",
        id.0
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(done.rows_affected() == 1)
}

/// The claims that the ledger says the incarnation holds.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn held_by(store: &Store, id: WorkerId) -> Result<Vec<Claim>> {
    let mut tx = store.begin().await?;
    let rows = sqlx::query!("select id, claim_no from jobs where worker = $1", id.0)
        .fetch_all(&mut *tx)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| Claim { job_id: JobId(row.id), claim_no: row.claim_no })
        .collect())
}

/// Ends an incarnation that has handed everything over.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn stop(store: &Store, id: WorkerId) -> Result<()> {
    let mut tx = store.begin().await?;
    sqlx::query!("update workers set stopped_at = clock_timestamp() where id = $1", id.0)
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

/// The incarnations of the last day, newest first.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn workers(conn: &mut Conn) -> Result<Vec<WorkerView>> {
    Ok(sqlx::query_as!(
        WorkerView,
        r#"select id, name, host, pid, version, queues, started_at, seen_at, lost_at, stopped_at,
                  (select count(*) from jobs j where j.worker = w.id) as "running!"
           from workers w where seen_at > now() - interval '1 day' order by started_at desc limit 500"#
    )
    .fetch_all(conn)
    .await?)
}
