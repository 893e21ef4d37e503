//! `/v1/organizations`: the tenants. A key sees its own alone.

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
use jobs::{OrganizationId, Scope};
use store::organizations::{self, Organization};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
}

/// Which organizations to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct ListOrganizations {
    /// `nextCursor` of the page before.
    cursor: Option<Uuid>,
    /// At most so many, 1 to 200.
    #[param(default = 50, minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Lists organizations
///
/// Newest first. A key sees its own alone, an operator all of them.
#[utoipa::path(
    get, path = "/v1/organizations", tag = "organizations", operation_id = "listOrganizations", params(ListOrganizations),
    responses((status = 200, description = "A page", body = Items<Organization>))
)]
async fn list(
    State(app): State<App>,
    principal: Principal,
    Filters(query): Filters<ListOrganizations>,
) -> Result<Json<Items<Organization>>> {
    principal.require(Scope::Read)?;
    let page = page::page(query.cursor, query.limit)?;
    let mut tx = app.database.reading(&principal).await?;
    let rows = organizations::list(&mut tx, page).await?;
    tx.commit().await?;
    Ok(page::answer(rows, page, |row| row.id.0))
}

/// Shows an organization
#[utoipa::path(
    get, path = "/v1/organizations/{id}", tag = "organizations", operation_id = "getOrganization",
    params(("id" = OrganizationId, Path, description = "The organization")),
    responses((status = 200, description = "The organization", body = Organization))
)]
async fn show(
    State(app): State<App>,
    principal: Principal,
    Id(id): Id<OrganizationId>,
) -> Result<Json<Organization>> {
    principal.require(Scope::Read)?;
    let mut tx = app.database.reading(&principal).await?;
    let row = organizations::get(&mut tx, id).await?;
    tx.commit().await?;
    row.map(Json).ok_or_else(|| Problem::no_such("organization"))
}
