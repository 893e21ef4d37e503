//! Content versions: one text for one network each.
//!
//! Written by `content.create` and `version.edit`; what a schedule sends out.
//!
//! **Invariant:** at most one version of a request is selected for each network; an approval is of the
//! hash of exactly what the version showed then.

#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::{Conn, Page, Result};
use jobs::{ContentRequestId, ContentVersionId, OrganizationId};

/// A content version as people see it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContentVersion {
    /// The version.
    pub id: ContentVersionId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// The request it answers.
    pub content_request_id: ContentRequestId,
    /// The network it is for.
    pub platform: String,
    /// The text as it shall appear.
    pub text: String,
    /// Hashtags to go with it, without `#`.
    pub suggested_hashtags: Vec<String>,
    /// What an image to go with it could show.
    pub suggested_image_prompt: Option<String>,
    /// Whether it is the one to be published for its network.
    pub is_selected: bool,
    /// SHA-256 of all that readers of a post would see of it: network, text, attachments in their
    /// order with their descriptions. In hexadecimal.
    pub content_hash: String,
    /// Whether it is approved exactly as it is.
    pub is_approved: bool,
    /// Who approved it.
    pub approved_by: Option<String>,
    /// When it was approved.
    pub approved_at: Option<DateTime<Utc>>,
    /// Who wrote it.
    pub created_by: String,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A content version to be created.
#[derive(Clone, Copy, Debug)]
pub struct NewContentVersion<'a> {
    /// Derived from the job that creates it.
    pub id: ContentVersionId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// The request it answers.
    pub content_request: ContentRequestId,
    /// The network it is for.
    pub platform: &'a str,
    /// The text as it shall appear.
    pub text: &'a str,
    /// Hashtags to go with it, without `#`.
    pub suggested_hashtags: &'a [String],
    /// What an image to go with it could show.
    pub suggested_image_prompt: Option<&'a str>,
    /// Whether it is the one to be published for its network.
    pub is_selected: bool,
    /// Who writes it.
    pub created_by: &'a str,
}

/// Which versions to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only of this request.
    pub content_request: Option<Uuid>,
    /// Only for this network.
    pub platform: Option<String>,
    /// Only selected ones, or only the others.
    pub is_selected: Option<bool>,
}

/// Creates a version; does nothing when its id is there already.
///
/// # Errors
/// [`crate::Error::Rule`] `content_versions_by_selected` when another one is selected.
pub async fn insert(conn: &mut Conn, new: NewContentVersion<'_>) -> Result<()> {
    sqlx::query!(
        "insert into content_versions (id, organization_id, content_request_id, platform, text,
                suggested_hashtags, suggested_image_prompt, is_selected, created_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (id) do nothing",
        new.id.0,
        new.organization.0,
        new.content_request.0,
        new.platform,
        new.text,
        new.suggested_hashtags,
        new.suggested_image_prompt,
        new.is_selected,
        new.created_by
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// One version.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn get(conn: &mut Conn, id: ContentVersionId) -> Result<Option<ContentVersion>> {
    Ok(sqlx::query_as!(
        ContentVersion,
        r#"select id, organization_id, content_request_id, platform, text, suggested_hashtags,
                  suggested_image_prompt, is_selected,
                  encode(content_hash(v), 'hex') as "content_hash!",
                  coalesce(approved_hash = content_hash(v), false) as "is_approved!",
                  approved_by, approved_at, created_by, created_at, updated_at
           from content_versions v where id = $1"#,
        id.0
    )
    .fetch_optional(conn)
    .await?)
}

/// The versions of a request, oldest first.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn of_request(conn: &mut Conn, request: ContentRequestId) -> Result<Vec<ContentVersion>> {
    Ok(sqlx::query_as!(
        ContentVersion,
        r#"select id, organization_id, content_request_id, platform, text, suggested_hashtags,
                  suggested_image_prompt, is_selected,
                  encode(content_hash(v), 'hex') as "content_hash!",
                  coalesce(approved_hash = content_hash(v), false) as "is_approved!",
                  approved_by, approved_at, created_by, created_at, updated_at
           from content_versions v where content_request_id = $1 order by created_at, id"#,
        request.0
    )
    .fetch_all(conn)
    .await?)
}

/// Versions, newest first.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn list(conn: &mut Conn, filter: &Filter, page: Page) -> Result<Vec<ContentVersion>> {
    Ok(sqlx::query_as!(
        ContentVersion,
        r#"select id, organization_id, content_request_id, platform, text, suggested_hashtags,
                  suggested_image_prompt, is_selected,
                  encode(content_hash(v), 'hex') as "content_hash!",
                  coalesce(approved_hash = content_hash(v), false) as "is_approved!",
                  approved_by, approved_at, created_by, created_at, updated_at
           from content_versions v
           where id < $1 and ($3::uuid is null or content_request_id = $3)
             and ($4::text is null or platform = $4) and ($5::bool is null or is_selected = $5)
           order by id desc limit $2"#,
        page.below(),
        page.limit,
        filter.content_request,
        filter.platform,
        filter.is_selected
    )
    .fetch_all(conn)
    .await?)
}

/// What a version says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wording<'a> {
    /// The text as it shall appear.
    pub text: &'a str,
    /// Hashtags to go with it, without `#`.
    pub suggested_hashtags: &'a [String],
    /// What an image to go with it could show.
    pub suggested_image_prompt: Option<&'a str>,
}

/// Rewrites a version whose request is locked.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn rewrite(conn: &mut Conn, id: ContentVersionId, to: Wording<'_>) -> Result<()> {
    sqlx::query!(
        "update content_versions set text = $2, suggested_hashtags = $3, suggested_image_prompt = $4,
             updated_at = clock_timestamp()
         where id = $1",
        id.0,
        to.text,
        to.suggested_hashtags,
        to.suggested_image_prompt
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Selects a version, or the opposite; its request is locked, and of its network no other one is
/// selected.
///
/// # Errors
/// [`crate::Error::Rule`] `content_versions_by_selected` when another one is selected.
pub async fn select(conn: &mut Conn, id: ContentVersionId, is_selected: bool) -> Result<()> {
    sqlx::query!(
        "update content_versions set is_selected = $2, updated_at = clock_timestamp() where id = $1",
        id.0,
        is_selected
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Approves the selected versions of a locked request as they are, and no others.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn approve(conn: &mut Conn, request: ContentRequestId, actor: &str) -> Result<()> {
    sqlx::query!(
        "update content_versions v set approved_hash = content_hash(v), approved_by = $2,
             approved_at = now()
         where content_request_id = $1 and is_selected",
        request.0,
        actor
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends the approval of a version whose request is locked; says who had approved it.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn disapprove(conn: &mut Conn, id: ContentVersionId) -> Result<Option<Approval>> {
    Ok(sqlx::query_as!(
        Approval,
        r#"with approved as (
             select id, approved_by, approved_hash from content_versions
             where id = $1 and approved_hash is not null
         )
         update content_versions v set approved_hash = null, approved_by = null, approved_at = null
         from approved where v.id = approved.id
         returning approved.approved_by as "by!", encode(approved.approved_hash, 'hex') as "hash!""#,
        id.0
    )
    .fetch_optional(conn)
    .await?)
}

/// An approval that a version had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Who had approved it.
    pub by: String,
    /// The hash of what was approved, in hexadecimal.
    pub hash: String,
}
