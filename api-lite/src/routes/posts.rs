//! `/v1/posts`: what went out.

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
use jobs::{PostId, Scope};
use store::published_posts::{self, Filter, PublishedPost};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
}

/// Which published posts to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct ListPosts {
    /// Only of this connection.
    platform_connection_id: Option<Uuid>,
    /// Only of this content version.
    content_version_id: Option<Uuid>,
    /// Only of this schedule.
    schedule_id: Option<Uuid>,
    /// `nextCursor` of the page before.
    cursor: Option<Uuid>,
    /// At most so many, 1 to 200.
    #[param(default = 50, minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Lists published posts
///
/// Newest first, deleted ones too.
#[utoipa::path(
    get, path = "/v1/posts", tag = "posts", operation_id = "listPosts", params(ListPosts),
    responses((status = 200, description = "A page", body = Items<PublishedPost>))
)]
async fn list(
    State(app): State<App>,
    principal: Principal,
    Filters(query): Filters<ListPosts>,
) -> Result<Json<Items<PublishedPost>>> {
    principal.require(Scope::Read)?;
    let page = page::page(query.cursor, query.limit)?;
    let filter = Filter {
        platform_connection_id: query.platform_connection_id,
        content_version_id: query.content_version_id,
        schedule_id: query.schedule_id,
    };
    let mut tx = app.database.reading(&principal).await?;
    let rows = published_posts::list(&mut tx, &filter, page).await?;
    tx.commit().await?;
    Ok(page::answer(rows, page, |row| row.id.0))
}

/// Shows a published post
#[utoipa::path(
    get, path = "/v1/posts/{id}", tag = "posts", operation_id = "getPost",
    params(("id" = PostId, Path, description = "The published post")),
    responses((status = 200, description = "The published post", body = PublishedPost))
)]
async fn show(
    State(app): State<App>,
    principal: Principal,
    Id(id): Id<PostId>,
) -> Result<Json<PublishedPost>> {
    principal.require(Scope::Read)?;
    let mut tx = app.database.reading(&principal).await?;
    let row = published_posts::get(&mut tx, id).await?;
    tx.commit().await?;
    row.map(Json).ok_or_else(|| Problem::no_such("published post"))
}
