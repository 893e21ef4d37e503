//! `/v1/media-attachments`: the files that are shown with content versions.

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
use jobs::{AttachmentId, Scope};
use store::attachments::{self, Attachment, Filter};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
}

/// Which media attachments to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct ListMediaAttachments {
    /// Only of this content version.
    content_version_id: Option<Uuid>,
    /// `nextCursor` of the page before.
    cursor: Option<Uuid>,
    /// At most so many, 1 to 200.
    #[param(default = 50, minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Lists media attachments
///
/// Newest first; `position` tells the order in which those of one version are shown.
#[utoipa::path(
    get, path = "/v1/media-attachments", tag = "content", operation_id = "listMediaAttachments", params(ListMediaAttachments),
    responses((status = 200, description = "A page", body = Items<Attachment>))
)]
async fn list(
    State(app): State<App>,
    principal: Principal,
    Filters(query): Filters<ListMediaAttachments>,
) -> Result<Json<Items<Attachment>>> {
    principal.require(Scope::Read)?;
    let page = page::page(query.cursor, query.limit)?;
    let filter = Filter { content_version: query.content_version_id };
    let mut tx = app.database.reading(&principal).await?;
    let rows = attachments::list(&mut tx, &filter, page).await?;
    tx.commit().await?;
    Ok(page::answer(rows, page, |row| row.id.0))
}

/// Shows a media attachment
#[utoipa::path(
    get, path = "/v1/media-attachments/{id}", tag = "content", operation_id = "getMediaAttachment",
    params(("id" = AttachmentId, Path, description = "The media attachment")),
    responses((status = 200, description = "The media attachment", body = Attachment))
)]
async fn show(
    State(app): State<App>,
    principal: Principal,
    Id(id): Id<AttachmentId>,
) -> Result<Json<Attachment>> {
    principal.require(Scope::Read)?;
    let mut tx = app.database.reading(&principal).await?;
    let row = attachments::get(&mut tx, id).await?;
    tx.commit().await?;
    row.map(Json).ok_or_else(|| Problem::no_such("media attachment"))
}
