//! `/v1/connections`: the accounts that an organization has connected, never their tokens.

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
use jobs::{ConnectionId, Scope};
use platforms::Platform;
use store::connections::{self, Connection, Filter};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
}

/// Which connections to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct ListConnections {
    /// Only of this network.
    platform: Option<Platform>,
    /// Only those that can be used, or only those that cannot.
    is_active: Option<bool>,
    /// `nextCursor` of the page before.
    cursor: Option<Uuid>,
    /// At most so many, 1 to 200.
    #[param(default = 50, minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Lists connections
///
/// Newest first, disconnected ones too.
#[utoipa::path(
    get, path = "/v1/connections", tag = "connections", operation_id = "listConnections", params(ListConnections),
    responses((status = 200, description = "A page", body = Items<Connection>))
)]
async fn list(
    State(app): State<App>,
    principal: Principal,
    Filters(query): Filters<ListConnections>,
) -> Result<Json<Items<Connection>>> {
    principal.require(Scope::Read)?;
    let page = page::page(query.cursor, query.limit)?;
    let platform = query.platform.map(|platform| platform.as_str().to_owned());
    let filter = Filter { platform, is_active: query.is_active };
    let mut tx = app.database.reading(&principal).await?;
    let rows = connections::list(&mut tx, &filter, page).await?;
    tx.commit().await?;
    Ok(page::answer(rows, page, |row| row.id.0))
}

/// Shows a connection
#[utoipa::path(
    get, path = "/v1/connections/{id}", tag = "connections", operation_id = "getConnection",
    params(("id" = ConnectionId, Path, description = "The connection")),
    responses((status = 200, description = "The connection", body = Connection))
)]
async fn show(
    State(app): State<App>,
    principal: Principal,
    Id(id): Id<ConnectionId>,
) -> Result<Json<Connection>> {
    principal.require(Scope::Read)?;
    let mut tx = app.database.reading(&principal).await?;
    let row = connections::get(&mut tx, id).await?;
    tx.commit().await?;
    row.map(Json).ok_or_else(|| Problem::no_such("connection"))
}
