//! The history of content versions: what they said before each edit, and after.
//!
//! Written by `version.edit` and `version.revert`.
//!
//! **Invariant:** rows are only added; of one version, each entry's new text is the next one's
//! previous text.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::content_versions::Wording;
use crate::{Conn, Page, Result};
use jobs::{ContentVersionId, EditId, OrganizationId};

/// An entry of the history as people see it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Edit {
    /// The entry.
    pub id: EditId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// The version that was edited.
    pub content_version_id: ContentVersionId,
    /// The text before.
    pub previous_text: String,
    /// The text after.
    pub new_text: String,
    /// The hashtags before.
    pub previous_hashtags: Vec<String>,
    /// The hashtags after.
    pub new_hashtags: Vec<String>,
    /// The image prompt before.
    pub previous_image_prompt: Option<String>,
    /// The image prompt after.
    pub new_image_prompt: Option<String>,
    /// Who edited it.
    pub edited_by: String,
    /// Why.
    pub edit_reason: Option<String>,
    /// The entry that was reverted, where it was a revert.
    #[schema(value_type = Option<EditId>)]
    pub reverted_edit_id: Option<Uuid>,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl Edit {
    /// What the version was before it.
    pub fn before(&self) -> Wording<'_> {
        Wording {
            text: &self.previous_text,
            suggested_hashtags: &self.previous_hashtags,
            suggested_image_prompt: self.previous_image_prompt.as_deref(),
        }
    }
}

/// An edit to be recorded.
#[derive(Clone, Copy, Debug)]
pub struct NewEdit<'a> {
    /// Derived from the job that makes it.
    pub id: EditId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// The version that is edited.
    pub content_version: ContentVersionId,
    /// What it was.
    pub previous: Wording<'a>,
    /// What it is now.
    pub new: Wording<'a>,
    /// Who edits it.
    pub edited_by: &'a str,
    /// Why.
    pub edit_reason: Option<&'a str>,
    /// The entry that is reverted, where it is a revert.
    pub reverted: Option<EditId>,
}

/// Records an edit of a version whose request is locked.
///
/// # Errors
/// [`crate::Error::Rule`] `content_edit_history_reverted_edit_id_content_version_id_fkey` when the
/// reverted entry is not one of this version.
pub async fn insert(conn: &mut Conn, new: NewEdit<'_>) -> Result<()> {
    sqlx::query!(
        "insert into content_edit_history (id, organization_id, content_version_id, previous_text,
                new_text, previous_hashtags, new_hashtags, previous_image_prompt, new_image_prompt,
                edited_by, edit_reason, reverted_edit_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) on conflict (id) do nothing",
        new.id.0,
        new.organization.0,
        new.content_version.0,
        new.previous.text,
        new.new.text,
        new.previous.suggested_hashtags,
        new.new.suggested_hashtags,
        new.previous.suggested_image_prompt,
        new.new.suggested_image_prompt,
        new.edited_by,
        new.edit_reason,
        new.reverted.map(|id| id.0)
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// One entry.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn get(conn: &mut Conn, id: EditId) -> Result<Option<Edit>> {
    Ok(sqlx::query_as!(
        Edit,
        "select id, organization_id, content_version_id, previous_text, new_text, previous_hashtags,
                new_hashtags, previous_image_prompt, new_image_prompt, edited_by, edit_reason,
                reverted_edit_id, created_at
         from content_edit_history where id = $1",
        id.0
    )
    .fetch_optional(conn)
    .await?)
}

/// The history of a version, newest first.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn of_version(
    conn: &mut Conn,
    version: ContentVersionId,
    page: Page,
) -> Result<Vec<Edit>> {
    Ok(sqlx::query_as!(
        Edit,
        "select id, organization_id, content_version_id, previous_text, new_text, previous_hashtags,
                new_hashtags, previous_image_prompt, new_image_prompt, edited_by, edit_reason,
                reverted_edit_id, created_at
         from content_edit_history
         where content_version_id = $1 and ($2::uuid is null or (created_at, id) <
               (select p.created_at, p.id from content_edit_history p where p.id = $2))
         order by created_at desc, id desc limit $3",
        version.0,
        page.before,
        page.limit
    )
    .fetch_all(conn)
    .await?)
}
