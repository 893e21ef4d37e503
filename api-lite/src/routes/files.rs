//! `/v1/files`: what was uploaded and attached.

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
use jobs::{FileId, Scope};
use store::files::{self, File, Filter};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
}

/// Every processing status.
const STATUSES: [&str; 4] = ["pending", "processing", "completed", "failed"];

/// Which files to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct ListFiles {
    /// Only of this status: `pending`, `processing`, `completed` or `failed`.
    processing_status: Option<String>,
    /// `nextCursor` of the page before.
    cursor: Option<Uuid>,
    /// At most so many, 1 to 200.
    #[param(default = 50, minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Lists files
///
/// Newest first. An upload is a file once it has been attached.
#[utoipa::path(
    get, path = "/v1/files", tag = "files", operation_id = "listFiles", params(ListFiles),
    responses((status = 200, description = "A page", body = Items<File>))
)]
async fn list(
    State(app): State<App>,
    principal: Principal,
    Filters(query): Filters<ListFiles>,
) -> Result<Json<Items<File>>> {
    principal.require(Scope::Read)?;
    let page = page::page(query.cursor, query.limit)?;
    page::one_of("processingStatus", query.processing_status.as_deref(), &STATUSES)?;
    let filter = Filter { processing_status: query.processing_status };
    let mut tx = app.database.reading(&principal).await?;
    let rows = files::list(&mut tx, &filter, page).await?;
    tx.commit().await?;
    Ok(page::answer(rows, page, |row| row.id.0))
}

/// Shows a file
#[utoipa::path(
    get, path = "/v1/files/{id}", tag = "files", operation_id = "getFile",
    params(("id" = FileId, Path, description = "The file")),
    responses((status = 200, description = "The file", body = File))
)]
async fn show(
    State(app): State<App>,
    principal: Principal,
    Id(id): Id<FileId>,
) -> Result<Json<File>> {
    principal.require(Scope::Read)?;
    let mut tx = app.database.reading(&principal).await?;
    let row = files::get(&mut tx, id).await?;
    tx.commit().await?;
    row.map(Json).ok_or_else(|| Problem::no_such("file"))
}
