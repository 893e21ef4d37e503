//! Enqueueing: an insert in the caller's transaction.
//!
//! **Invariant:** a job that this function returned is committed with the caller's transaction or
//! not at all; ringing the bell is the caller's, after the commit.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::types::Json;
use std::collections::HashMap;
use uuid::Uuid;

use super::JobView;
use crate::{Conn, Result};
use jobs::{JobId, NewJob};

/// What became of one job of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enqueued {
    /// It is in the ledger.
    Inserted(JobId),
    /// A live job has its unique key already; nothing was inserted.
    AlreadyLive,
}

/// What the ledger made of a new job.
#[derive(Clone, Debug)]
pub struct Fresh {
    id: Uuid,
    state: String,
    run_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
    waiting: Option<Value>,
}

impl Fresh {
    /// The job as [`super::get_many`] shows it when nothing has happened to it yet.
    pub fn view(self, job: NewJob) -> JobView {
        debug_assert_eq!(self.id, job.id.0);
        JobView {
            id: job.id,
            organization_id: job.organization_id.map(|organization| organization.0),
            kind: job.kind.as_str().to_owned(),
            queue: job.kind.spec().queue.as_str().to_owned(),
            state: self.state,
            actor: job.actor,
            origin: job.origin.as_str().to_owned(),
            args: job.args,
            priority: job.priority,
            run_at: self.run_at,
            attempt: 0,
            max_attempts: max_attempts(job.max_attempts),
            crashes: 0,
            worker: None,
            progress: None,
            result: None,
            errors: Value::Array(Vec::new()),
            waiting: self.waiting,
            cancel_requested: false,
            retried_from: job.retried_from.map(|id| id.0),
            created_at: self.created_at,
            started_at: None,
            finished_at: None,
        }
    }
}

/// Inserts jobs, in one statement.
///
/// # Errors
/// [`crate::Error::Forbidden`] when the login may not enqueue one of them; then none is.
pub async fn enqueue(conn: &mut Conn, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
    let inserted = insert(conn, jobs.iter(), false).await?;
    let enqueued = |job: &NewJob| match inserted.contains_key(&job.id) {
        true => Enqueued::Inserted(job.id),
        false => Enqueued::AlreadyLive,
    };
    Ok(jobs.iter().map(enqueued).collect())
}

/// Inserts jobs, in one statement, and tells what became of each: nothing where a live job has its
/// unique key already.
///
/// # Errors
/// As [`enqueue`].
pub async fn enqueue_shown<'a>(
    conn: &mut Conn,
    jobs: impl Iterator<Item = &'a NewJob> + Clone,
) -> Result<HashMap<JobId, Fresh>> {
    insert(conn, jobs, true).await
}

async fn insert<'a>(
    conn: &mut Conn,
    jobs: impl Iterator<Item = &'a NewJob> + Clone,
    shown: bool,
) -> Result<HashMap<JobId, Fresh>> {
    if jobs.clone().next().is_none() {
        return Ok(HashMap::new());
    }
    // Nothing is copied but what is small: the statement borrows from the jobs.
    macro_rules! column {
        ($job:ident => $value:expr) => {
            jobs.clone().map(|$job| $value).collect::<Vec<_>>()
        };
    }
    let rows = sqlx::query_file_as!(
        Fresh,
        "src/ledger/enqueue.sql",
        &column!(j => j.id.0),
        &column!(j => j.organization_id.map(|o| o.0)) as &[Option<Uuid>],
        &column!(j => j.actor.as_str()) as &[&str],
        &column!(j => j.origin.as_str()) as &[&str],
        &column!(j => j.kind.spec().queue.as_str()) as &[&str],
        &column!(j => j.kind.as_str()) as &[&str],
        &column!(j => j.kind.spec().args_version),
        &column!(j => Json(&j.args)) as &[Json<&Value>],
        &column!(j => j.run_at) as &[Option<DateTime<Utc>>],
        &column!(j => max_attempts(j.max_attempts)),
        &column!(j => (!j.limit_keys.is_empty()).then_some(Json(&j.limit_keys)))
            as &[Option<Json<&Vec<String>>>],
        &column!(j => j.notify_end),
        &column!(j => j.unique_key.as_deref()) as &[Option<&str>],
        &column!(j => j.retried_from.map(|id| id.0)) as &[Option<Uuid>],
        &column!(j => j.trace_context.as_deref()) as &[Option<&str>],
        &column!(j => j.priority),
        shown,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (JobId(row.id), row)).collect())
}

fn max_attempts(attempts: u32) -> i32 {
    i32::try_from(attempts).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
