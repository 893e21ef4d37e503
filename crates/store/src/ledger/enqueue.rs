//! Enqueueing: an insert in the caller's transaction.
//!
//! **Invariant:** a job that this function returned is committed with the caller's transaction or
//! not at all; ringing the bell is the caller's, after the commit.

use serde_json::Value;
use uuid::Uuid;

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

/// Inserts jobs, in one statement.
///
/// # Errors
/// [`crate::Error::Forbidden`] when the login may not enqueue one of them; then none is.
pub async fn enqueue(conn: &mut Conn, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let column = |f: fn(&NewJob) -> String| jobs.iter().map(f).collect::<Vec<_>>();
    let ids: Vec<Uuid> = jobs.iter().map(|j| j.id.0).collect();
    let organizations: Vec<Option<Uuid>> =
        jobs.iter().map(|j| j.organization_id.map(|o| o.0)).collect();
    let args: Vec<Value> = jobs.iter().map(|j| j.args.clone()).collect();
    let versions: Vec<i16> = jobs.iter().map(|j| j.kind.spec().args_version).collect();
    let priorities: Vec<i16> = jobs.iter().map(|j| j.priority).collect();
    let run_at: Vec<Option<chrono::DateTime<chrono::Utc>>> =
        jobs.iter().map(|j| j.run_at).collect();
    let max_attempts: Vec<i32> =
        jobs.iter().map(|j| i32::try_from(j.max_attempts).unwrap_or(i32::MAX)).collect();
    let limit_keys: Vec<Value> = jobs.iter().map(|j| Value::from(j.limit_keys.clone())).collect();
    let notify: Vec<bool> = jobs.iter().map(|j| j.notify_end).collect();
    let unique: Vec<Option<String>> = jobs.iter().map(|j| j.unique_key.clone()).collect();
    let retried: Vec<Option<Uuid>> = jobs.iter().map(|j| j.retried_from.map(|id| id.0)).collect();
    let traces: Vec<Option<String>> = jobs.iter().map(|j| j.trace_context.clone()).collect();
    let inserted = sqlx::query_scalar!(
        r#"insert into jobs (id, organization_id, actor, origin, queue, kind, args_version, args, state,
                             priority, run_at, max_attempts, limit_keys, notify_end, unique_key, retried_from,
                             trace_context)
           select j.id, j.organization_id, j.actor, j.origin, j.queue, j.kind, j.args_version, j.args,
                  case when j.run_at > now() then 'scheduled' else 'ready' end,
                  j.priority, coalesce(j.run_at, now()), j.max_attempts,
                  array(select jsonb_array_elements_text(j.limit_keys)),
                  j.notify_end, j.unique_key, j.retried_from, j.trace_context
           from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::smallint[],
                       $8::jsonb[], $9::timestamptz[], $10::int[], $11::jsonb[], $12::bool[], $13::text[],
                       $14::uuid[], $15::text[], $16::smallint[])
                as j (id, organization_id, actor, origin, queue, kind, args_version, args, run_at,
                      max_attempts, limit_keys, notify_end, unique_key, retried_from, trace_context, priority)
           on conflict (unique_key) where unique_key is not null do nothing
           returning id"#,
        &ids,
        &organizations as &[Option<Uuid>],
        &column(|j| j.actor.clone()),
        &column(|j| j.origin.as_str().to_owned()),
        &column(|j| j.kind.spec().queue.as_str().to_owned()),
        &column(|j| j.kind.as_str().to_owned()),
        &versions,
        &args,
        &run_at as &[Option<chrono::DateTime<chrono::Utc>>],
        &max_attempts,
        &limit_keys,
        &notify,
        &unique as &[Option<String>],
        &retried as &[Option<Uuid>],
        &traces as &[Option<String>],
        &priorities,
    )
    .fetch_all(conn)
    .await?;
    Ok(jobs
        .iter()
        .map(|job| {
            if inserted.contains(&job.id.0) {
                Enqueued::Inserted(job.id)
            } else {
                Enqueued::AlreadyLive
            }
        })
        .collect())
}
