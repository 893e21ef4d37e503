//! `/v1/workers`, `/v1/queues`, `/v1/pauses`, `/v1/limits`, `/v1/cadences`: how the fleet stands.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::App;
use crate::page::Items;
use crate::principal::Principal;
use crate::problem::Result;
use jobs::Scope;
use store::cadences::{self, Cadence};
use store::ledger::{self, LimitView, Paused, QueueFigures, WorkerView};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_workers))
        .routes(routes!(list_queues))
        .routes(routes!(list_pauses))
        .routes(routes!(list_limits))
        .routes(routes!(list_cadences))
}

/// A queue.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct QueueView {
    /// The queue.
    queue: String,
    /// Jobs that wait for their moment, at most 10,000 counted.
    scheduled: i64,
    /// Jobs that wait for a worker, at most 10,000 counted.
    ready: i64,
    /// Jobs that run, at most 10,000 counted over all queues.
    running: i64,
    /// How long its oldest due job that no pause holds back has been due, in seconds. The first job
    /// of 1,000 organizations is looked at, and the first 1,000 that became due a moment ago.
    oldest_due_secs: f64,
}

fn all<T>(items: Vec<T>) -> Json<Items<T>> {
    Json(Items { items, next_cursor: None })
}

/// Lists workers
///
/// Those of the last day, newest first, lost and stopped ones too. For operators.
#[utoipa::path(
    get, path = "/v1/workers", tag = "operations", operation_id = "listWorkers",
    responses((status = 200, description = "All of them", body = Items<WorkerView>))
)]
async fn list_workers(
    State(app): State<App>,
    principal: Principal,
) -> Result<Json<Items<WorkerView>>> {
    principal.require_operator()?;
    let mut tx = app.database.writing(&principal).await?;
    let workers = ledger::workers(&mut tx).await?;
    tx.commit().await?;
    Ok(all(workers))
}

/// Lists queues
///
/// With their depths and how late they are. Counting stops at 10,000: at that many scheduled or ready
/// jobs of a queue, and at that many running jobs of all queues together. For operators.
#[utoipa::path(
    get, path = "/v1/queues", tag = "operations", operation_id = "listQueues",
    responses((status = 200, description = "All of them", body = Items<QueueView>))
)]
async fn list_queues(
    State(app): State<App>,
    principal: Principal,
) -> Result<Json<Items<QueueView>>> {
    principal.require_operator()?;
    let mut tx = app.database.writing(&principal).await?;
    let figures = ledger::queues(&mut tx).await?;
    let late = ledger::oldest_due(&mut tx).await?;
    tx.commit().await?;
    let with_age = |figures: QueueFigures| QueueView {
        queue: figures.queue.as_str().to_owned(),
        scheduled: figures.scheduled,
        ready: figures.ready,
        running: figures.running,
        oldest_due_secs: late
            .iter()
            .find(|(queue, _)| *queue == figures.queue)
            .map_or(0.0, |(_, seconds)| *seconds),
    };
    Ok(all(figures.into_iter().map(with_age).collect()))
}

/// Lists pauses
///
/// What people stopped, newest first: queues of the organization and of the whole fleet, and accounts
/// that are connected to the organization; an operator sees all of them. At most 500.
#[utoipa::path(
    get, path = "/v1/pauses", tag = "operations", operation_id = "listPauses",
    responses((status = 200, description = "All of them", body = Items<Paused>))
)]
async fn list_pauses(State(app): State<App>, principal: Principal) -> Result<Json<Items<Paused>>> {
    principal.require(Scope::Read)?;
    let mut tx = app.database.reading(&principal).await?;
    let pauses = ledger::pauses(&mut tx).await?;
    tx.commit().await?;
    Ok(all(pauses))
}

/// Lists limits
///
/// What keys allow: how many jobs at once, and how many starts in a time. For operators.
#[utoipa::path(
    get, path = "/v1/limits", tag = "operations", operation_id = "listLimits",
    responses((status = 200, description = "All of them", body = Items<LimitView>))
)]
async fn list_limits(
    State(app): State<App>,
    principal: Principal,
) -> Result<Json<Items<LimitView>>> {
    principal.require_operator()?;
    let mut tx = app.database.reading(&principal).await?;
    let limits = ledger::limits(&mut tx).await?;
    tx.commit().await?;
    Ok(all(limits))
}

/// Lists cadences
///
/// How often the scheduler does what. For operators.
#[utoipa::path(
    get, path = "/v1/cadences", tag = "operations", operation_id = "listCadences",
    responses((status = 200, description = "All of them", body = Items<Cadence>))
)]
async fn list_cadences(
    State(app): State<App>,
    principal: Principal,
) -> Result<Json<Items<Cadence>>> {
    principal.require_operator()?;
    let mut tx = app.database.writing(&principal).await?;
    let cadences = cadences::all(&mut tx).await?;
    tx.commit().await?;
    Ok(all(cadences))
}
