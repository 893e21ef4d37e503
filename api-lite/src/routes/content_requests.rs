//! `/v1/content-requests`: what is to be said, for which networks.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::app::App;
use crate::body::{Filters, Id};
use crate::page::{self, Items};
use crate::principal::Principal;
use crate::problem::{Problem, Result};
use jobs::{ContentRequestId, Scope};
use store::content_requests::{self, ContentRequest, Filter};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
}

/// Every status.
const STATUSES: [&str; 6] =
    ["pending", "generating", "in_review", "approved", "rejected", "failed"];

/// Which content requests to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct ListContentRequests {
    /// Only of this status: `pending`, `generating`, `in_review`, `approved`, `rejected` or `failed`.
    status: Option<String>,
    /// `nextCursor` of the page before.
    cursor: Option<Uuid>,
    /// At most so many, 1 to 200.
    #[param(default = 50, minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Lists content requests
///
/// Newest first.
#[utoipa::path(
    get, path = "/v1/content-requests", tag = "content", operation_id = "listContentRequests", params(ListContentRequests),
    responses((status = 200, description = "A page", body = Items<ContentRequest>))
)]
async fn list(
    State(app): State<App>,
    principal: Principal,
    Filters(query): Filters<ListContentRequests>,
) -> Result<Json<Items<ContentRequest>>> {
    principal.require(Scope::Read)?;
    let page = page::page(query.cursor, query.limit)?;
    page::one_of("status", query.status.as_deref(), &STATUSES)?;
    let filter = Filter { status: query.status };
    let mut tx = app.database.reading(&principal).await?;
    let rows = content_requests::list(&mut tx, &filter, page).await?;
    tx.commit().await?;
    Ok(page::answer(rows, page, |row| row.id.0))
}

/// Shows a content request
#[utoipa::path(
    get, path = "/v1/content-requests/{id}", tag = "content", operation_id = "getContentRequest",
    params(("id" = ContentRequestId, Path, description = "The content request")),
    responses((status = 200, description = "The content request", body = ContentRequest))
)]
async fn show(
    State(app): State<App>,
    principal: Principal,
    Id(id): Id<ContentRequestId>,
) -> Result<Json<ContentRequest>> {
    principal.require(Scope::Read)?;
    let mut tx = app.database.reading(&principal).await?;
    let row = content_requests::get(&mut tx, id).await?;
    tx.commit().await?;
    row.map(Json).ok_or_else(|| Problem::no_such("content request"))
}
