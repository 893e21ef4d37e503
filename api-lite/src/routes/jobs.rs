//! `/v1/jobs`: the one door for writes, and what became of what went through it.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::app::App;
use crate::body::{Filters, Id, Json as Body, PreferWait};
use crate::enqueue::{self, Asked, Idempotent, Job, Request};
use crate::page::{self, Items};
use crate::principal::Principal;
use crate::problem::{Details, Problem, Result};
use crate::request::Context;
use jobs::{JobId, Kind, Queue, Scope};
use store::ledger::{self, JobFilter};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show))
        .routes(routes!(cancel))
        .routes(routes!(retry))
}

/// Every state of a job.
pub(crate) const STATES: [&str; 6] = ["scheduled", "ready", "running", "done", "dead", "cancelled"];

/// Enqueues jobs
///
/// One job, or an array of 1 to 1000, which are enqueued together or not at all. The answer is
/// 202 with the job as it was enqueued; an array answers with an array. `waiting` says what a job
/// waits for; how many stand ahead of it says `GET /v1/jobs/{id}`. `actor`, where it is
/// absent, is the key itself.
///
/// With `Prefer: wait=N` (at most 60 seconds, and never longer than the API spends on a request)
/// the answer comes when all jobs have ended, with 200; a single job that failed is told as a
/// problem, with the status that its kind of failure has. When the time is over, the answer is
/// 202 with the jobs as far as they came.
///
/// With `Idempotency-Key`, the same request within a day is answered with the original jobs and
/// `Idempotent-Replayed: true`; another request with the same key is refused with 409. The key that
/// `key.create` makes is shown in the first answer alone: a replay does not show it again.
#[utoipa::path(
    post, path = "/v1/jobs", tag = "jobs", operation_id = "enqueueJobs",
    params(
        ("Prefer" = Option<String>, Header, description = "`wait=N`: answer when the jobs have ended, or after N seconds", example = "wait=10"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable ASCII characters", max_length = 255, min_length = 1),
        ("traceparent" = Option<String>, Header, description = "W3C trace context; travels with the jobs"),
    ),
    request_body = serde_json::Value,
    responses(
        (status = 202, description = "Enqueued", body = Job, headers(("Location" = String, description = "Where the job is shown; for a single job"), ("Preference-Applied" = String, description = "The wait that applied"), ("Idempotent-Replayed" = String, description = "`true` when these are the original jobs"))),
        (status = 200, description = "Ended, after a wait", body = Job),
        (status = 400, description = "Malformed JSON", body = Details, content_type = "application/problem+json"),
        (status = 404, description = "A row that an argument names is not there", body = Details, content_type = "application/problem+json"),
        (status = 408, description = "The body took too long to arrive", body = Details, content_type = "application/problem+json"),
        (status = 409, description = "The state of a row forbids it, or the Idempotency-Key came with another request", body = Details, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Details, content_type = "application/problem+json"),
        (status = 422, description = "A kind, field or argument is wrong; `field` names it", body = Details, content_type = "application/problem+json"),
    )
)]
async fn create(
    State(app): State<App>,
    principal: Principal,
    context: Context,
    Idempotent(idempotency): Idempotent,
    PreferWait(wait): PreferWait,
    body: Body,
) -> Result<Response> {
    let fingerprint = idempotency
        .is_some()
        .then(|| enqueue::fingerprint("/v1/jobs", principal.organization(), &body.value));
    let asked = Asked::read(body, fingerprint)?;
    enqueue::enqueue(&app, Request { principal, context, idempotency, wait }, asked).await
}

/// Which jobs to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct ListJobs {
    /// Only in this state: `scheduled`, `ready`, `running`, `done`, `dead` or `cancelled`.
    state: Option<String>,
    /// Only of this kind.
    kind: Option<String>,
    /// Only of this queue.
    queue: Option<Queue>,
    /// `nextCursor` of the page before.
    cursor: Option<Uuid>,
    /// At most so many, 1 to 200.
    #[param(default = 50, minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Lists jobs
///
/// Live and ended ones, newest first. `waiting` says what a job waits for; how many stand ahead of it
/// says `GET /v1/jobs/{id}`.
#[utoipa::path(
    get, path = "/v1/jobs", tag = "jobs", operation_id = "listJobs", params(ListJobs),
    responses((status = 200, description = "A page", body = Items<Job>))
)]
async fn list(
    State(app): State<App>,
    principal: Principal,
    Filters(query): Filters<ListJobs>,
) -> Result<Json<Items<Job>>> {
    principal.require(Scope::Read)?;
    page::one_of("state", query.state.as_deref(), &STATES)?;
    if let Some(kind) = &query.kind {
        kind.parse::<Kind>().map_err(|error| Problem::invalid("kind", error.to_string()))?;
    }
    let queue = query.queue.map(|queue| queue.as_str().to_owned());
    let filter = JobFilter { state: query.state, kind: query.kind, queue };
    let page = page::page(query.cursor, query.limit)?;
    let mut tx = app.database.reading(&principal).await?;
    let jobs = ledger::list(&mut tx, &filter, page).await?;
    tx.commit().await?;
    Ok(page::answer(jobs.into_iter().map(Job::from).collect(), page, |job| job.view.id.0))
}

/// Shows a job
///
/// Live or ended: state, attempts, what went wrong, why it waits and behind how many others (counted up
/// to 100), and its result.
#[utoipa::path(
    get, path = "/v1/jobs/{id}", tag = "jobs", operation_id = "getJob",
    params(("id" = JobId, Path, description = "The job")),
    responses((status = 200, description = "The job", body = Job))
)]
async fn show(
    State(app): State<App>,
    principal: Principal,
    Id(id): Id<JobId>,
) -> Result<Json<Job>> {
    principal.require(Scope::Read)?;
    let mut tx = app.database.reading(&principal).await?;
    let job = ledger::get(&mut tx, id).await?;
    tx.commit().await?;
    job.map(|job| Json(Job::from(job))).ok_or_else(|| Problem::no_such("job"))
}

/// Cancels a job
///
/// Enqueues `job.cancel`, and answers with that job as `POST /v1/jobs` does. A job that waits is
/// cancelled at once, one that runs as soon as it can stop.
#[utoipa::path(
    post, path = "/v1/jobs/{id}/cancel", tag = "jobs", operation_id = "cancelJob",
    params(
        ("id" = JobId, Path, description = "The job to be cancelled"),
        ("Prefer" = Option<String>, Header, description = "As for `POST /v1/jobs`"),
        ("Idempotency-Key" = Option<String>, Header, description = "As for `POST /v1/jobs`"),
    ),
    responses(
        (status = 202, description = "The job that cancels", body = Job),
        (status = 200, description = "The job that cancelled, after a wait", body = Job),
        (status = 409, description = "The job has ended", body = Details, content_type = "application/problem+json"),
    )
)]
async fn cancel(
    State(app): State<App>,
    principal: Principal,
    context: Context,
    Idempotent(idempotency): Idempotent,
    PreferWait(wait): PreferWait,
    Id(id): Id<JobId>,
) -> Result<Response> {
    let request = Request { principal, context, idempotency, wait };
    let path = format!("/v1/jobs/{id}/cancel");
    enqueue::enqueue_one(&app, request, &path, Kind::CancelJob, &json!({ "jobId": id })).await
}

/// Retries a job
///
/// Enqueues `job.retry`, and answers with that job as `POST /v1/jobs` does. A dead or cancelled job
/// runs again as a new job, which names it as `retriedFrom`.
#[utoipa::path(
    post, path = "/v1/jobs/{id}/retry", tag = "jobs", operation_id = "retryJob",
    params(
        ("id" = JobId, Path, description = "The job to be retried"),
        ("Prefer" = Option<String>, Header, description = "As for `POST /v1/jobs`"),
        ("Idempotency-Key" = Option<String>, Header, description = "As for `POST /v1/jobs`"),
    ),
    responses(
        (status = 202, description = "The job that retries", body = Job),
        (status = 200, description = "The job that retried, after a wait", body = Job),
        (status = 409, description = "The job is neither dead nor cancelled", body = Details, content_type = "application/problem+json"),
    )
)]
async fn retry(
    State(app): State<App>,
    principal: Principal,
    context: Context,
    Idempotent(idempotency): Idempotent,
    PreferWait(wait): PreferWait,
    Id(id): Id<JobId>,
) -> Result<Response> {
    let request = Request { principal, context, idempotency, wait };
    let path = format!("/v1/jobs/{id}/retry");
    enqueue::enqueue_one(&app, request, &path, Kind::RetryJob, &json!({ "jobId": id })).await
}
