//! From a body to jobs in the ledger.
//!
//! | file | what |
//! | --- | --- |
//! | `envelope.rs` | what callers send, decoded |
//! | `prepare.rs` | may this caller enqueue this kind; arguments normalized, secrets sealed |
//! | `idempotency.rs` | the header, and what makes two requests the same |
//! | `job.rs` | a job as callers see it |
//! | `wait.rs` | waiting for the end |
//!
//! **Invariant:** all jobs of a request are inserted in one transaction with its idempotency key,
//! or none; the bell rings after the commit.

mod envelope;
mod idempotency;
mod job;
mod prepare;
mod wait;

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::collections::{BTreeMap, HashMap};

use crate::app::App;
use crate::checks;
use crate::principal::Principal;
use crate::problem::{Problem, Result};
use crate::request::Context;
use jobs::{JobId, Kind, Queue};
use store::idempotency::Claimed;
use store::ledger::{self, Enqueued};

pub(crate) use envelope::{Asked, Envelope};
pub(crate) use idempotency::{IdempotencyKey, Idempotent};
pub(crate) use job::Job;
pub(crate) use prepare::Prepared;

/// The most jobs in one request.
pub(crate) const BATCH: usize = 1000;

const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Everything that a request to enqueue says beside the jobs.
pub(crate) struct Request {
    pub(crate) principal: Principal,
    pub(crate) context: Context,
    pub(crate) idempotency: Option<IdempotencyKey>,
    pub(crate) wait: Option<std::time::Duration>,
}

/// Enqueues what was asked for, waits when the caller prefers that, and answers.
///
/// # Errors
/// Whatever can be said against the jobs, and how a single job that was waited for failed.
pub(crate) async fn enqueue(app: &App, request: Request, asked: Asked) -> Result<Response> {
    let mut prepared = Vec::with_capacity(asked.envelopes.len());
    for (index, envelope) in asked.envelopes.iter().enumerate() {
        let prefix = asked.prefix(index);
        let one = prepare::prepare(app, &request, envelope).map_err(|p| p.within(&prefix))?;
        prepared.push(one);
    }
    checks::before_the_transaction(app, &asked, &prepared).await?;

    let wait = wait::Wait::begin(app, &request, prepared.iter().map(|p| p.job.id)).await;
    let (jobs, replayed) = insert(app, &request, &asked, &prepared).await?;
    if !replayed {
        ring(app, &prepared);
    }
    let wait = if replayed { wait.of_others() } else { wait };
    let applied = wait.applied();
    let mut jobs = wait.until_ended(app, &request, jobs).await;
    if !replayed {
        for (job, prepared) in jobs.iter_mut().zip(&mut prepared) {
            job.key = prepared.shown_key.take();
        }
    }
    let mut response = answer(&asked, &request, jobs);
    if let Some(seconds) = applied {
        let value = HeaderValue::from_str(&format!("wait={seconds}"));
        response.headers_mut().extend(value.map(|value| (PREFERENCE_APPLIED, value)));
    }
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Inserts the jobs, or finds those that the same request inserted before.
async fn insert(
    app: &App,
    request: &Request,
    asked: &Asked,
    prepared: &[Prepared],
) -> Result<(Vec<Job>, bool)> {
    let ids: Vec<JobId> = prepared.iter().map(|p| p.job.id).collect();
    let mut tx = app.database.writing(&request.principal).await?;
    if let Some(key) = &request.idempotency {
        let lane = match &request.principal {
            Principal::Key { organization, .. } => Some(*organization),
            Principal::Operator { .. } => None,
        };
        let hash = asked.fingerprint(request.principal.organization());
        match store::idempotency::claim(&mut tx, lane, key.as_str(), &hash, &ids).await? {
            Claimed::Fresh => {}
            Claimed::Replay(ids) => {
                let jobs = read(&mut tx, &ids).await?;
                tx.commit().await?;
                return Ok((jobs, true));
            }
            Claimed::OtherRequest => {
                let detail = "this Idempotency-Key came with another request within the last day";
                return Err(Problem::own("idempotency_key_reused", detail));
            }
        }
    }
    for (index, one) in prepared.iter().enumerate() {
        let checked = checks::check(&mut tx, one.job.organization_id, one.job.kind, &one.plain);
        checked.await.map_err(|problem| problem.within(&asked.prefix(index)))?;
    }
    let jobs: Vec<_> = prepared.iter().map(|p| p.job.clone()).collect();
    let enqueued = ledger::enqueue(&mut tx, &jobs).await?;
    debug_assert!(
        enqueued.iter().all(|one| matches!(one, Enqueued::Inserted(_))),
        "jobs of callers have no unique key"
    );
    let jobs = read(&mut tx, &ids).await?;
    tx.commit().await?;
    for one in prepared {
        let kind = one.job.kind;
        boot::figures::sent(kind.spec().queue.as_str(), kind.as_str(), 1);
    }
    Ok((jobs, false))
}

/// The jobs in the order of their ids.
async fn read(conn: &mut store::Conn, ids: &[JobId]) -> Result<Vec<Job>> {
    let views = ledger::get_many(conn, ids).await?;
    let mut views: HashMap<JobId, _> = views.into_iter().map(|view| (view.id, view)).collect();
    Ok(ids.iter().filter_map(|id| views.remove(id)).map(Job::from).collect())
}

fn ring(app: &App, prepared: &[Prepared]) {
    let mut by_queue: BTreeMap<Queue, usize> = BTreeMap::new();
    for one in prepared.iter().filter(|one| one.job.run_at.is_none()) {
        *by_queue.entry(one.job.kind.spec().queue).or_default() += 1;
    }
    for (queue, count) in by_queue {
        if !app.bell.ring(queue.as_str(), count) || !app.bell.is_up() {
            app.database.notify(queue);
        }
    }
}

/// 200 when all have ended, else 202. A single job that was waited for and failed is a problem; in a
/// batch each job tells its own end.
fn answer(asked: &Asked, request: &Request, mut jobs: Vec<Job>) -> Response {
    let all_ended = jobs.iter().all(Job::has_ended);
    let status = if all_ended { StatusCode::OK } else { StatusCode::ACCEPTED };
    if asked.batch {
        return (status, Json(jobs)).into_response();
    }
    let Some(job) = jobs.pop() else {
        // The original of a replayed request: its history has been dropped.
        let detail = "the original job is no longer kept";
        return Problem::new(jobs::Code::NotFound, detail).into_response();
    };
    let location = format!("/v1/jobs/{}", job.view.id);
    match job.failure().filter(|_| request.wait.is_some()) {
        Some(problem) => Problem::from(problem).about(location).into_response(),
        None => (status, [(header::LOCATION, location)], Json(job)).into_response(),
    }
}

/// Enqueues one job that a route of its own stands for.
///
/// # Errors
/// As [`enqueue`].
pub(crate) async fn enqueue_one(
    app: &App,
    request: Request,
    path: String,
    kind: Kind,
    args: serde_json::Value,
) -> Result<Response> {
    let envelope = Envelope::of(kind, args);
    enqueue(app, request, Asked::one(path, envelope)).await
}
