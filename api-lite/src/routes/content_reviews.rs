//! `/v1/content-requests/{id}/reviews`: what was decided about a content request.

use axum::Json;
use axum::extract::State;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::content_history::WhichPage;
use crate::app::App;
use crate::body::{Filters, Id};
use crate::page::{self, Items};
use crate::principal::Principal;
use crate::problem::{Problem, Result};
use jobs::{ContentRequestId, Scope};
use store::content_requests;
use store::content_reviews::{self, Review};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Lists the reviews of a content request
///
/// Newest first: approvals, rejections, and changes that ended an approval.
#[utoipa::path(
    get, path = "/v1/content-requests/{id}/reviews", tag = "content", operation_id = "listContentReviews",
    params(("id" = ContentRequestId, Path, description = "The content request"), WhichPage),
    responses((status = 200, description = "A page", body = Items<Review>))
)]
async fn list(
    State(app): State<App>,
    principal: Principal,
    Id(id): Id<ContentRequestId>,
    Filters(query): Filters<WhichPage>,
) -> Result<Json<Items<Review>>> {
    principal.require(Scope::Read)?;
    let page = query.page()?;
    let mut tx = app.database.reading(&principal).await?;
    let request = content_requests::get(&mut tx, id).await?;
    request.ok_or_else(|| Problem::no_such("content request"))?;
    let rows = content_reviews::of_request(&mut tx, id, page).await?;
    tx.commit().await?;
    Ok(page::answer(rows, page, |row| row.id.0))
}
