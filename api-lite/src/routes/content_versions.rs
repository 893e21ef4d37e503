//! `/v1/content-versions`: one text for one network each.

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
use jobs::{ContentVersionId, Scope};
use platforms::Platform;
use store::content_versions::{self, ContentVersion, Filter};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
}

/// Which content versions to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct ListContentVersions {
    /// Only of this content request.
    content_request_id: Option<Uuid>,
    /// Only for this network.
    platform: Option<Platform>,
    /// Only selected ones, or only the others.
    is_selected: Option<bool>,
    /// `nextCursor` of the page before.
    cursor: Option<Uuid>,
    /// At most so many, 1 to 200.
    #[param(default = 50, minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Lists content versions
///
/// Newest first.
#[utoipa::path(
    get, path = "/v1/content-versions", tag = "content", operation_id = "listContentVersions", params(ListContentVersions),
    responses((status = 200, description = "A page", body = Items<ContentVersion>))
)]
async fn list(
    State(app): State<App>,
    principal: Principal,
    Filters(query): Filters<ListContentVersions>,
) -> Result<Json<Items<ContentVersion>>> {
    principal.require(Scope::Read)?;
    let page = page::page(query.cursor, query.limit)?;
    let filter = Filter {
        content_request: query.content_request_id,
        platform: query.platform.map(|platform| platform.as_str().to_owned()),
        is_selected: query.is_selected,
    };
    let mut tx = app.database.reading(&principal).await?;
    let rows = content_versions::list(&mut tx, &filter, page).await?;
    tx.commit().await?;
    Ok(page::answer(rows, page, |row| row.id.0))
}

/// Shows a content version
#[utoipa::path(
    get, path = "/v1/content-versions/{id}", tag = "content", operation_id = "getContentVersion",
    params(("id" = ContentVersionId, Path, description = "The content version")),
    responses((status = 200, description = "The content version", body = ContentVersion))
)]
async fn show(
    State(app): State<App>,
    principal: Principal,
    Id(id): Id<ContentVersionId>,
) -> Result<Json<ContentVersion>> {
    principal.require(Scope::Read)?;
    let mut tx = app.database.reading(&principal).await?;
    let row = content_versions::get(&mut tx, id).await?;
    tx.commit().await?;
    row.map(Json).ok_or_else(|| Problem::no_such("content version"))
}
