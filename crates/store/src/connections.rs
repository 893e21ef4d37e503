//! `platform_connections`: the accounts that an organization has connected.
//!
//! **Invariant:** a token enters and leaves this file sealed, and only the worker's login can read
//! one at all.

pub mod keys;
pub mod refresh;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use crate::{Conn, Page, Result, ledger};
use jobs::{ConnectionId, OrganizationId, connection_key};
use platforms::Platform;

/// A connected account as people see it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// The connection.
    pub id: ConnectionId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// The network.
    pub platform: String,
    /// The network's own id of the account.
    pub account_id: String,
    /// The handle.
    pub account_name: String,
    /// When the access token ends, where the network said so.
    pub token_expires_at: Option<DateTime<Utc>>,
    /// Whether it can be used.
    pub is_active: bool,
    /// Why it cannot.
    pub inactive_reason: Option<String>,
    /// The scopes that were granted.
    pub scopes: Vec<String>,
    /// What else is known of the account.
    pub metadata: Value,
    /// Who connected it.
    pub created_by: String,
    /// When it was first connected.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// Which connections to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only of this network.
    pub platform: Option<String>,
    /// Only those that can be used, or only those that cannot.
    pub is_active: Option<bool>,
}

/// One connection.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn get(conn: &mut Conn, id: ConnectionId) -> Result<Option<Connection>> {
    Ok(sqlx::query_as!(
        Connection,
        "select id, organization_id, platform, account_id, account_name, token_expires_at, is_active,
                inactive_reason, scopes, metadata, created_by, created_at, updated_at
         from platform_connections where id = $1",
        id.0
    )
    .fetch_optional(conn)
    .await?)
}

/// Connections, newest first.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn list(conn: &mut Conn, filter: &Filter, page: Page) -> Result<Vec<Connection>> {
    Ok(sqlx::query_as!(
        Connection,
        "select id, organization_id, platform, account_id, account_name, token_expires_at, is_active,
                inactive_reason, scopes, metadata, created_by, created_at, updated_at
         from platform_connections
         where id < $1 and ($3::text is null or platform = $3) and ($4::bool is null or is_active = $4)
         order by id desc limit $2",
        page.below(),
        page.limit,
        filter.platform,
        filter.is_active
    )
    .fetch_all(conn)
    .await?)
}

/// An access token as it is stored.
#[derive(Clone, Debug)]
pub struct SealedAccess {
    /// The token, sealed for its row.
    pub token: String,
    /// Which one: whoever has something to say about the token says so with its version.
    pub version: i64,
    /// Whether its time is over, or the network refused it.
    pub is_over: bool,
}

/// The sealed access token, bound to `platform_connections.access_token` and the connection's id;
/// `None` when there is no such connection, or it cannot be used.
///
/// # Errors
/// [`crate::Error::Forbidden`] for every login but the worker's; [`crate::Error::Unavailable`].
pub async fn sealed_access_token(
    conn: &mut Conn,
    id: ConnectionId,
) -> Result<Option<SealedAccess>> {
    Ok(sqlx::query_as!(
        SealedAccess,
        r#"select access_token as "token!", token_version as version,
                  coalesce(token_expires_at <= clock_timestamp(), false) as "is_over!"
           from platform_connections where id = $1 and is_active and access_token is not null"#,
        id.0
    )
    .fetch_optional(conn)
    .await?)
}

/// The row of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The connection: the same one when the organization had connected the account before.
    pub id: ConnectionId,
    /// Whether it had not.
    pub is_new: bool,
    /// Whether another organization has connected the account, and can use it.
    pub elsewhere: bool,
}

/// Finds or makes the row of an account, and locks it; `id` is its id when it is new. A new row is
/// inactive until [`activate`].
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn place(
    conn: &mut Conn,
    id: ConnectionId,
    organization: OrganizationId,
    platform: Platform,
    account_id: &str,
    account_name: &str,
    actor: &str,
) -> Result<Placed> {
    let row = sqlx::query!(
        r#"insert into platform_connections
             (id, organization_id, platform, account_id, account_name, is_active, inactive_reason, created_by)
           values ($1, $2, $3, $4, $5, false, 'The account is being connected.', $6)
           on conflict (organization_id, platform, account_id)
               do update set account_name = excluded.account_name, updated_at = now()
           returning id, exists (
               select from platform_connections c
               where c.platform = $3 and c.account_id = $4 and c.organization_id <> $2 and c.is_active
           ) as "elsewhere!""#,
        id.0,
        organization.0,
        platform.as_str(),
        account_id,
        account_name,
        actor
    )
    .fetch_one(conn)
    .await?;
    Ok(Placed { id: ConnectionId(row.id), is_new: row.id == id.0, elsewhere: row.elsewhere })
}

/// Tokens of an account, sealed for its row.
#[derive(Clone, Debug)]
pub struct SealedTokens {
    /// The access token.
    pub access: String,
    /// The refresh token, where there is one.
    pub refresh: Option<String>,
    /// When the access token ends.
    pub expires_at: Option<DateTime<Utc>>,
    /// The scopes that were granted.
    pub scopes: Vec<String>,
    /// What else is known of the account; merged with what is there.
    pub metadata: Value,
}

/// Stores the tokens, makes the connection usable, and lets go of what waited for it. Whatever was
/// known of older tokens is forgotten.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn activate(conn: &mut Conn, id: ConnectionId, tokens: &SealedTokens) -> Result<()> {
    sqlx::query!(
        "update platform_connections set access_token = $2, refresh_token = $3, token_expires_at = $4,
             scopes = $5, metadata = metadata || $6, is_active = true, inactive_reason = null, updated_at = now(),
             token_version = token_version + 1, refresh_owner = null, refresh_until = null,
             refresh_spent = false, refresh_doubt_at = null, refused_at = null, tokens_at = now()
         where id = $1",
        id.0,
        tokens.access,
        tokens.refresh,
        tokens.expires_at,
        &tokens.scopes,
        tokens.metadata
    )
    .execute(&mut *conn)
    .await?;
    ledger::reopen_key(conn, &connection_key(id)).await?;
    Ok(())
}

/// Makes a connection unusable and wipes its tokens; answers the one with which its grant can be ended at
/// the network, sealed. What waited for it to be connected again waits no longer.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn wipe(conn: &mut Conn, id: ConnectionId, reason: &str) -> Result<Option<LastToken>> {
    let last = sqlx::query!(
        r#"with old as (
               select id, access_token, refresh_token from platform_connections where id = $1 for update
           )
           update platform_connections c set access_token = null, refresh_token = null,
               token_expires_at = null, is_active = false, inactive_reason = $2, updated_at = now(),
               token_version = token_version + 1, refresh_owner = null, refresh_until = null,
               refresh_spent = false, refresh_doubt_at = null, refused_at = null
           from old where c.id = old.id
           returning old.access_token, old.refresh_token"#,
        id.0,
        reason
    )
    .fetch_optional(&mut *conn)
    .await?;
    ledger::reopen_key(conn, &connection_key(id)).await?;
    Ok(last.and_then(|row| match (row.refresh_token, row.access_token) {
        (Some(token), _) => Some(LastToken { token, is_refresh: true }),
        (None, Some(token)) => Some(LastToken { token, is_refresh: false }),
        (None, None) => None,
    }))
}

/// The token with which a grant is ended at its network.
#[derive(Clone, Debug)]
pub struct LastToken {
    /// The token, sealed for its row.
    pub token: String,
    /// Whether it is the refresh token, and not the access token.
    pub is_refresh: bool,
}

/// The network's name in a row, read.
pub(crate) fn platform(word: &str) -> Result<Platform> {
    word.parse::<Platform>()
        .map_err(|error| crate::Error::Broken(sqlx::Error::Decode(Box::new(error))))
}
