//! `/v1/content-versions/{id}/history` and `…/diff`: what a version said before, and what is different.
//!
//! **Invariant:** an entry of the history stands for what it replaced, here as in `version.revert`.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::app::App;
use crate::body::{Filters, Id};
use crate::diff::{Segment, words};
use crate::page::{self, Items};
use crate::principal::Principal;
use crate::problem::{Problem, Result};
use jobs::{ContentVersionId, EditId, Scope};
use store::content_edit_history::{self, Edit};
use store::content_versions::{self, ContentVersion};
use store::{Acting, Page};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(history)).routes(routes!(diff))
}

/// Which page of a history.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(super) struct WhichPage {
    /// `nextCursor` of the page before.
    pub(super) cursor: Option<Uuid>,
    /// At most so many, 1 to 200.
    #[param(default = 50, minimum = 1, maximum = 200)]
    pub(super) limit: Option<i64>,
}

impl WhichPage {
    /// As the store reads it.
    pub(super) fn page(&self) -> Result<Page> {
        page::page(self.cursor, self.limit)
    }
}

/// The version that a path names.
pub(super) async fn version(tx: &mut Acting, id: ContentVersionId) -> Result<ContentVersion> {
    let version = content_versions::get(tx, id).await?;
    version.ok_or_else(|| Problem::no_such("content version"))
}

/// Lists the edits of a content version
///
/// Newest first. Of each entry, `newText` is what the next one replaced.
#[utoipa::path(
    get, path = "/v1/content-versions/{id}/history", tag = "content", operation_id = "listContentEdits",
    params(("id" = ContentVersionId, Path, description = "The content version"), WhichPage),
    responses((status = 200, description = "A page", body = Items<Edit>))
)]
async fn history(
    State(app): State<App>,
    principal: Principal,
    Id(id): Id<ContentVersionId>,
    Filters(query): Filters<WhichPage>,
) -> Result<Json<Items<Edit>>> {
    principal.require(Scope::Read)?;
    let page = query.page()?;
    let mut tx = app.database.reading(&principal).await?;
    version(&mut tx, id).await?;
    let rows = content_edit_history::of_version(&mut tx, id, page).await?;
    tx.commit().await?;
    Ok(page::answer(rows, page, |row| row.id.0))
}

/// What a content version is compared with.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct Against {
    /// Another content version of the organization, or an entry of this version's history, which
    /// stands for the text that it replaced.
    against: Uuid,
}

/// How the text of a content version differs from another one.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Diff {
    /// The version.
    content_version_id: ContentVersionId,
    /// The other version, where it is compared with one.
    #[serde(skip_serializing_if = "Option::is_none")]
    against_version_id: Option<ContentVersionId>,
    /// The entry of the history, where it is compared with what that replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    against_edit_id: Option<EditId>,
    /// The other text.
    from_text: String,
    /// The version's text.
    to_text: String,
    /// Whether both are the same.
    is_same: bool,
    /// From the other text to the version's, word by word. All but `insert` make up the other text,
    /// all but `delete` the version's.
    segments: Vec<Segment>,
}

/// Compares a content version
///
/// Word by word, with another version or with what it said before an edit.
#[utoipa::path(
    get, path = "/v1/content-versions/{id}/diff", tag = "content", operation_id = "diffContentVersion",
    params(("id" = ContentVersionId, Path, description = "The content version"), Against),
    responses((status = 200, description = "What is different", body = Diff))
)]
async fn diff(
    State(app): State<App>,
    principal: Principal,
    Id(id): Id<ContentVersionId>,
    Filters(query): Filters<Against>,
) -> Result<Json<Diff>> {
    principal.require(Scope::Read)?;
    let mut tx = app.database.reading(&principal).await?;
    let to = version(&mut tx, id).await?;
    // An operator sees all organizations; nobody compares across them.
    let other = content_versions::get(&mut tx, query.against.into())
        .await?
        .filter(|other| other.organization_id == to.organization_id);
    let edit = match &other {
        Some(_) => None,
        None => content_edit_history::get(&mut tx, query.against.into())
            .await?
            .filter(|edit| edit.content_version_id == id),
    };
    tx.commit().await?;
    let from_text = match (&other, &edit) {
        (Some(other), _) => other.text.clone(),
        (None, Some(edit)) => edit.previous_text.clone(),
        (None, None) => {
            let what = "content version, and no such entry in the history of this one,";
            return Err(Problem::no_such(what).at("against"));
        }
    };
    let to_text = to.text;
    // Texts may be long; other requests go on meanwhile.
    let compared = tokio::task::spawn_blocking(move || {
        let segments = words(&from_text, &to_text);
        (from_text, to_text, segments)
    });
    let (from_text, to_text, segments) =
        compared.await.map_err(|error| Problem::internal(&error))?;
    Ok(Json(Diff {
        content_version_id: id,
        against_version_id: other.map(|other| other.id),
        against_edit_id: edit.map(|edit| edit.id),
        is_same: from_text == to_text,
        from_text,
        to_text,
        segments,
    }))
}
