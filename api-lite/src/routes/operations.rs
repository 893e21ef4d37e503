//! `/v1/workers`, `/v1/queues`, `/v1/pauses`, `/v1/limits`: how the fleet stands.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::App;
use crate::page::Items;
use crate::principal::Principal;
use crate::problem::Result;
use jobs::Scope;
use store::ledger::{self, LimitView, Paused, QueueDepth, WorkerView};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_workers))
        .routes(routes!(list_queues))
        .routes(routes!(list_pauses))
        .routes(routes!(list_limits))
}

/// A queue.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct QueueView {
    /// How many jobs are in each state.
    #[serde(flatten)]
    depth: QueueDepth,
    /// How long its oldest due and unpaused job has been due, in seconds.
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
/// With their depths, counted up to 10,000, and how late they are. For operators.
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
    let depths = ledger::depths(&mut tx).await?;
    let late = ledger::oldest_due(&mut tx).await?;
    tx.commit().await?;
    let with_age = |depth: QueueDepth| {
        let age = late.iter().find(|(queue, _)| queue.as_str() == depth.queue);
        QueueView { oldest_due_secs: age.map_or(0.0, |(_, seconds)| *seconds), depth }
    };
    Ok(all(depths.into_iter().map(with_age).collect()))
}

/// Lists pauses
///
/// What people stopped, newest first: of the organization and of the whole fleet; an operator sees
/// all of them.
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
