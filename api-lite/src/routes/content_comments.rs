//! `/v1/content-versions/{id}/comments` and `/v1/content-comments`: what a team says about a version.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::content_history::{WhichPage, version};
use crate::app::App;
use crate::body::{Filters, Id};
use crate::page::{self, Items};
use crate::principal::Principal;
use crate::problem::{Problem, Result};
use jobs::{CommentId, ContentVersionId, Scope};
use store::content_comments::{self, Comment};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show)).routes(routes!(replies))
}

/// How many answers are shown with their thread.
const SHOWN: usize = 50;

/// Which threads to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct ListThreads {
    /// Only threads whose first comment is dealt with, or only the others.
    is_resolved: Option<bool>,
    /// `nextCursor` of the page before.
    cursor: Option<Uuid>,
    /// At most so many, 1 to 200.
    #[param(default = 50, minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// A thread: a comment with what was answered to it, and to the answers.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Thread {
    /// Its first comment.
    #[serde(flatten)]
    first: Comment,
    /// The newest answers, at most 50, oldest first. `parentCommentId` says what each one answers.
    replies: Vec<Comment>,
    /// Whether there are older ones: see `GET /v1/content-comments/{id}/replies`.
    has_more_replies: bool,
}

/// Lists the comments on a content version
///
/// In threads, newest first.
#[utoipa::path(
    get, path = "/v1/content-versions/{id}/comments", tag = "content", operation_id = "listContentComments",
    params(("id" = ContentVersionId, Path, description = "The content version"), ListThreads),
    responses((status = 200, description = "A page", body = Items<Thread>))
)]
async fn list(
    State(app): State<App>,
    principal: Principal,
    Id(id): Id<ContentVersionId>,
    Filters(query): Filters<ListThreads>,
) -> Result<Json<Items<Thread>>> {
    principal.require(Scope::Read)?;
    let page = page::page(query.cursor, query.limit)?;
    let mut tx = app.database.reading(&principal).await?;
    version(&mut tx, id).await?;
    let firsts = content_comments::threads(&mut tx, id, query.is_resolved, page).await?;
    let ids: Vec<CommentId> = firsts.iter().map(|first| first.id).collect();
    let one_more = i64::try_from(SHOWN + 1).unwrap_or(i64::MAX);
    let mut answers = content_comments::newest_replies(&mut tx, &ids, one_more).await?;
    tx.commit().await?;
    let mut threads = Vec::with_capacity(firsts.len());
    for first in firsts {
        let mut replies: Vec<Comment> =
            answers.extract_if(.., |answer| answer.thread_id == first.id).collect();
        let older = replies.len().saturating_sub(SHOWN);
        replies.drain(..older);
        threads.push(Thread { first, replies, has_more_replies: older > 0 });
    }
    Ok(page::answer(threads, page, |thread| thread.first.id.0))
}

/// Shows a comment
#[utoipa::path(
    get, path = "/v1/content-comments/{id}", tag = "content", operation_id = "getContentComment",
    params(("id" = CommentId, Path, description = "The comment")),
    responses((status = 200, description = "The comment", body = Comment))
)]
async fn show(
    State(app): State<App>,
    principal: Principal,
    Id(id): Id<CommentId>,
) -> Result<Json<Comment>> {
    principal.require(Scope::Read)?;
    let mut tx = app.database.reading(&principal).await?;
    let row = content_comments::get(&mut tx, id).await?;
    tx.commit().await?;
    row.map(Json).ok_or_else(|| Problem::no_such("comment"))
}

/// Lists the answers in a thread
///
/// Newest first. The thread is named by any of its comments.
#[utoipa::path(
    get, path = "/v1/content-comments/{id}/replies", tag = "content", operation_id = "listContentReplies",
    params(("id" = CommentId, Path, description = "The comment"), WhichPage),
    responses((status = 200, description = "A page", body = Items<Comment>))
)]
async fn replies(
    State(app): State<App>,
    principal: Principal,
    Id(id): Id<CommentId>,
    Filters(query): Filters<WhichPage>,
) -> Result<Json<Items<Comment>>> {
    principal.require(Scope::Read)?;
    let page = query.page()?;
    let mut tx = app.database.reading(&principal).await?;
    let named = content_comments::get(&mut tx, id).await?;
    let thread = named.ok_or_else(|| Problem::no_such("comment"))?.thread_id;
    let rows = content_comments::replies(&mut tx, thread, page).await?;
    tx.commit().await?;
    Ok(page::answer(rows, page, |row| row.id.0))
}
