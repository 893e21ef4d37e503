//! `/v1/generations`: each time a model was asked, and what it cost.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::app::App;
use crate::body::Filters;
use crate::page::{self, Items};
use crate::principal::Principal;
use crate::problem::Result;
use jobs::Scope;
use store::generations::{self, Filter, Generation};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Which generations to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct ListGenerations {
    /// Only of this content request.
    content_request_id: Option<Uuid>,
    /// Only of this job.
    job_id: Option<Uuid>,
    /// `nextCursor` of the page before.
    cursor: Option<Uuid>,
    /// At most so many, 1 to 200.
    #[param(default = 50, minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Lists generations
///
/// Newest first: one for each run of a job that asked a model, also where nothing came of it, with the
/// tokens and what they cost.
#[utoipa::path(
    get, path = "/v1/generations", tag = "content", operation_id = "listGenerations", params(ListGenerations),
    responses((status = 200, description = "A page", body = Items<Generation>))
)]
async fn list(
    State(app): State<App>,
    principal: Principal,
    Filters(query): Filters<ListGenerations>,
) -> Result<Json<Items<Generation>>> {
    principal.require(Scope::Read)?;
    let page = page::page(query.cursor, query.limit)?;
    let filter = Filter { content_request: query.content_request_id, job: query.job_id };
    let mut tx = app.database.reading(&principal).await?;
    let rows = generations::list(&mut tx, &filter, page).await?;
    tx.commit().await?;
    Ok(page::answer(rows, page, |row| row.id))
}
