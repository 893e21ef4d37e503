//! Tokens as they are stored, for sealing them with another key.
//!
//! **Invariant:** what is sealed anew takes the place of the very text that was opened, and of no
//! other: tokens that changed meanwhile stay.

use crate::{Conn, Result};
use jobs::ConnectionId;
use uuid::Uuid;

/// The tokens of one account, sealed for its row.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The account.
    pub id: ConnectionId,
    /// The access token.
    pub access: Option<String>,
    /// The refresh token.
    pub refresh: Option<String>,
}

/// Accounts that have tokens, by id, behind `after`.
///
/// # Errors
/// [`crate::Error::Forbidden`] for every login but the worker's; [`crate::Error::Unavailable`].
pub async fn stored(
    conn: &mut Conn,
    after: Option<ConnectionId>,
    limit: i64,
) -> Result<Vec<Stored>> {
    Ok(sqlx::query_as!(
        Stored,
        "select id, access_token as access, refresh_token as refresh from platform_connections
         where id > $1 and (access_token is not null or refresh_token is not null)
         order by id limit $2",
        after.map_or(Uuid::nil(), |id| id.0),
        limit
    )
    .fetch_all(conn)
    .await?)
}

/// Puts `new` in the place of `old`, the same tokens under another key; `false` when the row has
/// other texts by now.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn reseal(conn: &mut Conn, old: &Stored, new: &Stored) -> Result<bool> {
    let done = sqlx::query!(
        "update platform_connections set access_token = $4, refresh_token = $5
         where id = $1 and access_token is not distinct from $2 and refresh_token is not distinct from $3",
        old.id.0,
        old.access,
        old.refresh,
        new.access,
        new.refresh
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
