//! Comments on content versions, in threads.
//!
//! Written by the `comment.*` kinds.
//!
//! **Invariant:** what a comment answers is on the same version and in the same thread; the schema
//! holds it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::{Conn, Page, Result};
use jobs::{CommentId, ContentVersionId, OrganizationId};

/// A comment as people see it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Comment {
    /// The comment.
    pub id: CommentId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// What it is about.
    pub content_version_id: ContentVersionId,
    /// Who wrote it.
    pub user_id: String,
    /// What it says.
    pub comment: String,
    /// The comment that it answers.
    #[schema(value_type = Option<CommentId>)]
    pub parent_comment_id: Option<Uuid>,
    /// The first comment of its thread.
    pub thread_id: CommentId,
    /// Whether it is dealt with.
    pub is_resolved: bool,
    /// Who said so.
    pub resolved_by: Option<String>,
    /// When.
    pub resolved_at: Option<DateTime<Utc>>,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A comment to be added.
#[derive(Clone, Copy, Debug)]
pub struct NewComment<'a> {
    /// Derived from the job that adds it.
    pub id: CommentId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// What it is about.
    pub content_version: ContentVersionId,
    /// Who writes it.
    pub user_id: &'a str,
    /// What it says.
    pub comment: &'a str,
    /// The comment that it answers, and the thread of that.
    pub answers: Option<(CommentId, CommentId)>,
}

/// Adds a comment.
///
/// # Errors
/// [`crate::Error::Rule`] when what it answers is on another version or in another thread.
pub async fn insert(conn: &mut Conn, new: NewComment<'_>) -> Result<()> {
    let thread = new.answers.map_or(new.id, |(_, thread)| thread);
    sqlx::query!(
        "insert into content_comments (id, organization_id, content_version_id, user_id, comment,
                parent_comment_id, thread_id)
         values ($1, $2, $3, $4, $5, $6, $7) on conflict (id) do nothing",
        new.id.0,
        new.organization.0,
        new.content_version.0,
        new.user_id,
        new.comment,
        new.answers.map(|(parent, _)| parent.0),
        thread.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// One comment.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn get(conn: &mut Conn, id: CommentId) -> Result<Option<Comment>> {
    Ok(sqlx::query_as!(
        Comment,
        "select id, organization_id, content_version_id, user_id, comment, parent_comment_id, thread_id,
                is_resolved, resolved_by, resolved_at, created_at, updated_at
         from content_comments where id = $1",
        id.0
    )
    .fetch_optional(conn)
    .await?)
}

/// Rewrites a comment.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn rewrite(conn: &mut Conn, id: CommentId, comment: &str) -> Result<()> {
    sqlx::query!(
        "update content_comments set comment = $2, updated_at = now() where id = $1",
        id.0,
        comment
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Says whether a comment is dealt with. Who said it first is kept.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn resolve(conn: &mut Conn, id: CommentId, is_resolved: bool, actor: &str) -> Result<()> {
    sqlx::query!(
        "update content_comments set is_resolved = $2, resolved_by = case when $2 then $3 end,
             resolved_at = case when $2 then now() end, updated_at = now()
         where id = $1 and is_resolved <> $2",
        id.0,
        is_resolved,
        actor
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The first comments of a version's threads, newest first; only those that are dealt with or only
/// those that are not, where that is asked.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn threads(
    conn: &mut Conn,
    version: ContentVersionId,
    is_resolved: Option<bool>,
    page: Page,
) -> Result<Vec<Comment>> {
    Ok(sqlx::query_as!(
        Comment,
        "select id, organization_id, content_version_id, user_id, comment, parent_comment_id, thread_id,
                is_resolved, resolved_by, resolved_at, created_at, updated_at
         from content_comments
         where content_version_id = $1 and parent_comment_id is null and id < $2
           and ($4::bool is null or is_resolved = $4)
         order by id desc limit $3",
        version.0,
        page.below(),
        page.limit,
        is_resolved
    )
    .fetch_all(conn)
    .await?)
}

/// The newest answers in each of these threads, at most `each` of one, oldest first.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn newest_replies(
    conn: &mut Conn,
    threads: &[CommentId],
    each: i64,
) -> Result<Vec<Comment>> {
    let threads: Vec<Uuid> = threads.iter().map(|id| id.0).collect();
    Ok(sqlx::query_as!(
        Comment,
        r#"select r.id, r.organization_id, r.content_version_id, r.user_id, r.comment,
                  r.parent_comment_id, r.thread_id, r.is_resolved, r.resolved_by, r.resolved_at,
                  r.created_at, r.updated_at
           from unnest($1::uuid[]) as t (id)
           cross join lateral (
               select * from content_comments c
               where c.thread_id = t.id and c.parent_comment_id is not null
               order by c.id desc limit $2
           ) r
           order by r.id"#,
        &threads,
        each
    )
    .fetch_all(conn)
    .await?)
}

/// The answers in a thread, newest first.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn replies(conn: &mut Conn, thread: CommentId, page: Page) -> Result<Vec<Comment>> {
    Ok(sqlx::query_as!(
        Comment,
        "select id, organization_id, content_version_id, user_id, comment, parent_comment_id, thread_id,
                is_resolved, resolved_by, resolved_at, created_at, updated_at
         from content_comments
         where thread_id = $1 and parent_comment_id is not null and id < $2
         order by id desc limit $3",
        thread.0,
        page.below(),
        page.limit
    )
    .fetch_all(conn)
    .await?)
}
