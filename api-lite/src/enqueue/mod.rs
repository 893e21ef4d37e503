//! From a body to jobs in the ledger.
//!
//! | file | what |
//! | --- | --- |
//! | `envelope.rs` | what callers send, decoded; what makes two requests the same |
//! | `prepare.rs` | may this caller enqueue this kind; arguments normalized, secrets sealed |
//! | `idempotency.rs` | the header |
//! | `insert.rs`, `group.rs` | into the ledger; small requests together |
//! | `job.rs` | a job as callers see it |
//! | `wait.rs` | waiting for the end |
//!
//! **Invariant:** all jobs of a request are inserted in one transaction with its idempotency key,
//! or none; the bell rings after the commit.

mod envelope;
mod group;
mod idempotency;
mod insert;
mod job;
mod prepare;
mod wait;

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::collections::{BTreeMap, HashMap};
use tokio::sync::OwnedSemaphorePermit;

use crate::app::App;
use crate::checks::{self, Rows};
use crate::principal::Principal;
use crate::problem::{Problem, Result};
use crate::request::Context;
use jobs::{JobId, Kind, NewJob, Queue};
use store::{Acting, ledger};

use envelope::Envelope;
use insert::{Entry, Key, Outcome};

pub(crate) use envelope::{Asked, Places, fingerprint};
pub(crate) use group::Groups;
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
pub(crate) async fn enqueue(app: &App, mut request: Request, asked: Asked) -> Result<Response> {
    let places = asked.places;
    let Submitted { jobs, replayed, applied, room } = submit(app, &mut request, asked).await?;
    let mut response = answer(places, &request, jobs);
    drop(room);
    if let Some(seconds) = applied {
        let value = HeaderValue::from_str(&format!("wait={seconds}"));
        response.headers_mut().extend(value.map(|value| (PREFERENCE_APPLIED, value)));
    }
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Jobs that are in the ledger, and ended if the caller preferred to wait.
struct Submitted {
    jobs: Vec<Job>,
    /// Whether these are the jobs of the same request before.
    replayed: bool,
    /// The seconds of waiting that the caller got.
    applied: Option<u64>,
    room: Option<OwnedSemaphorePermit>,
}

async fn submit(app: &App, request: &mut Request, asked: Asked) -> Result<Submitted> {
    let Asked { jobs, places, fingerprint, mut room } = asked;
    let mut prepared = Vec::with_capacity(jobs.len());
    for (index, job) in jobs.into_iter().enumerate() {
        let one = Envelope::read(job).and_then(|job| prepare::prepare(app, request, job));
        prepared.push(one.map_err(|problem| problem.within(&places.prefix(index)))?);
    }
    checks::before_the_transaction(app, places, &prepared).await?;

    let wait = wait::Wait::begin(app, request, prepared.iter().map(|p| p.job.id)).await;
    let key = request.idempotency.take().zip(fingerprint);
    let key = key.map(|(key, fingerprint)| Key { text: key.into_text(), fingerprint });
    let keys: Vec<Option<String>> = prepared.iter_mut().map(|one| one.shown_key.take()).collect();
    let (jobs, replayed) = insert(app, &request.principal, places, prepared, key).await?;
    if request.wait.is_some() {
        room = None;
    }
    let wait = if replayed { wait.of_others() } else { wait };
    let applied = wait.applied();
    let mut jobs = wait.until_ended(app, request, jobs).await;
    if !replayed {
        for (job, key) in jobs.iter_mut().zip(keys) {
            job.key = key;
        }
    }
    Ok(Submitted { jobs, replayed, applied, room })
}

/// Enqueues one job for a route that says in its own words what became of it; `true` when it is the
/// job of the same request before. `path` is what makes two requests the same.
///
/// # Errors
/// Whatever can be said against the job.
pub(crate) async fn enqueue_for(
    app: &App,
    mut request: Request,
    path: &str,
    kind: Kind,
    args: &serde_json::Value,
) -> Result<(Job, bool)> {
    let same = fingerprint(path, request.principal.organization(), &serde_json::Value::Null);
    let submitted = submit(app, &mut request, Asked::one(kind, args, Some(same))).await?;
    let replayed = submitted.replayed;
    let job = submitted.jobs.into_iter().next();
    job.map(|job| (job, replayed)).ok_or_else(|| Problem::no_such("job"))
}

/// Inserts the jobs and rings, or finds those that the same request inserted before.
async fn insert(
    app: &App,
    principal: &Principal,
    places: Places,
    prepared: Vec<Prepared>,
    key: Option<Key>,
) -> Result<(Vec<Job>, bool)> {
    let mut rows = Rows::new(app, principal);
    let checked = check(&mut rows, places, &prepared).await;
    let tx = rows.into_transaction();
    if let Err(problem) = checked {
        drop(tx);
        let Some(key) = key else { return Err(problem) };
        // The same request is answered with its jobs whatever has become of the rows since.
        return match before(app, principal, &key).await? {
            Some(outcome) => replay(app, principal, outcome).await,
            None => Err(problem),
        };
    }
    let entry = Entry { jobs: prepared.into_iter().map(|one| one.job).collect(), key };
    let (entry, outcome) = match principal.own_organization() {
        Some(organization) if entry.jobs.len() <= group::SMALL => {
            if let Some(tx) = tx {
                tx.commit().await?;
            }
            app.groups.insert(organization, entry).await?
        }
        _ => alone(app, principal, tx, entry).await?,
    };
    let Outcome::Inserted(fresh) = outcome else { return replay(app, principal, outcome).await };
    ring(app, &entry.jobs);
    for job in &entry.jobs {
        boot::figures::sent(job.kind.spec().queue.as_str(), job.kind.as_str(), 1);
    }
    let views = entry.jobs.into_iter().zip(fresh).map(|(job, fresh)| Job::from(fresh.view(job)));
    Ok((views.collect(), false))
}

async fn check(rows: &mut Rows<'_>, places: Places, prepared: &[Prepared]) -> Result<()> {
    for (index, one) in prepared.iter().enumerate() {
        let checked = checks::check(rows, one.job.organization_id, one.job.kind, one.plain());
        checked.await.map_err(|problem| problem.within(&places.prefix(index)))?;
    }
    Ok(())
}

/// Inserts one request in a transaction of its own, the one that was begun if there is one.
async fn alone(
    app: &App,
    principal: &Principal,
    tx: Option<Acting>,
    entry: Entry,
) -> Result<(Entry, Outcome)> {
    let mut tx = match tx {
        Some(tx) => tx,
        None => app.database.writing(principal).await?,
    };
    let outcome = insert::insert(&mut tx, principal.own_organization(), &[&entry]).await?.pop();
    tx.commit().await?;
    outcome.map(|outcome| (entry, outcome)).ok_or_else(Problem::broken)
}

/// What became of the request that came before with this key.
async fn before(app: &App, principal: &Principal, key: &Key) -> Result<Option<Outcome>> {
    let Key { text, fingerprint } = key;
    let mut tx = app.database.writing(principal).await?;
    let found =
        store::idempotency::look_up(&mut tx, principal.own_organization(), text, fingerprint)
            .await?;
    tx.commit().await?;
    Ok(found.map(Outcome::from))
}

/// The jobs of the request that came before.
async fn replay(app: &App, principal: &Principal, outcome: Outcome) -> Result<(Vec<Job>, bool)> {
    let Outcome::Replay(ids) = outcome else {
        let detail = "this Idempotency-Key came with another request within the last day";
        return Err(Problem::own("idempotency_key_reused", detail));
    };
    let mut tx = app.database.writing(principal).await?;
    let jobs = read(&mut tx, &ids).await?;
    tx.commit().await?;
    Ok((jobs, true))
}

/// The jobs in the order of their ids.
async fn read(conn: &mut store::Conn, ids: &[JobId]) -> Result<Vec<Job>> {
    let views = ledger::get_many(conn, ids).await?;
    let mut views: HashMap<JobId, _> = views.into_iter().map(|view| (view.id, view)).collect();
    Ok(ids.iter().filter_map(|id| views.remove(id)).map(Job::from).collect())
}

fn ring(app: &App, jobs: &[NewJob]) {
    let mut by_queue: BTreeMap<Queue, usize> = BTreeMap::new();
    for job in jobs.iter().filter(|job| job.run_at.is_none()) {
        *by_queue.entry(job.kind.spec().queue).or_default() += 1;
    }
    for (queue, count) in by_queue {
        if !app.bell.ring(queue.as_str(), count) || !app.bell.is_up() {
            app.database.notify(queue);
        }
    }
}

/// 200 when all have ended, else 202. A single job that was waited for and failed is a problem; in a
/// batch each job tells its own end.
fn answer(places: Places, request: &Request, mut jobs: Vec<Job>) -> Response {
    let all_ended = jobs.iter().all(Job::has_ended);
    let status = if all_ended { StatusCode::OK } else { StatusCode::ACCEPTED };
    if places.batch {
        let content_type = HeaderValue::from_static("application/json");
        return (status, [(header::CONTENT_TYPE, content_type)], array(jobs)).into_response();
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

/// Jobs as JSON, each let go when it is written.
fn array(jobs: Vec<Job>) -> Vec<u8> {
    let mut text = vec![b'['];
    for job in jobs {
        if text.len() > 1 {
            text.push(b',');
        }
        serde_json::to_writer(&mut text, &job).expect("a job has string keys");
    }
    text.push(b']');
    text
}

/// Enqueues one job that a route of its own stands for.
///
/// # Errors
/// As [`enqueue`].
pub(crate) async fn enqueue_one(
    app: &App,
    request: Request,
    path: &str,
    kind: Kind,
    args: &serde_json::Value,
) -> Result<Response> {
    let organization = request.principal.organization();
    let fingerprint = request
        .idempotency
        .is_some()
        .then(|| fingerprint(path, organization, &serde_json::Value::Null));
    enqueue(app, request, Asked::one(kind, args, fingerprint)).await
}
