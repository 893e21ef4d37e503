//! Who refreshes an account's tokens, and what came of it.
//!
//! A refresh token may be good for one use only, so one worker takes a lease on the row, calls the
//! network outside of any transaction, and writes what it was told. A lease that ran out was held by
//! a worker that may have called: its answer counts as lost. After a lost answer the old token is tried
//! again until the network says something; a refusal then may only mean that it gave new tokens before.
//!
//! **Invariant:** what is learned of one version of the tokens changes nothing of another; new tokens
//! are written even when the lease has run out, because nobody else can have them.

use chrono::{DateTime, Utc};
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

use crate::{Conn, Result, events, ledger};
use jobs::{ConnectionId, OrganizationId, connection_key};
use platforms::Platform;

/// The right to refresh one version of an account's tokens.
#[derive(Clone, Debug)]
pub struct Lease {
    /// The account.
    pub connection_id: ConnectionId,
    /// The network.
    pub platform: Platform,
    /// Who holds the lease.
    pub owner: Uuid,
    /// Which tokens.
    pub version: i64,
    /// The refresh token, sealed for its row.
    pub refresh_token: String,
    /// Whether an answer may have been lost before.
    pub in_doubt: bool,
}

/// What became of the wish to refresh.
#[derive(Clone, Debug)]
pub enum Taken {
    /// The caller refreshes, and nobody else.
    Leased(Lease),
    /// Somebody else does.
    Busy {
        /// At the latest until then.
        until: DateTime<Utc>,
    },
    /// The tokens are others by now.
    Changed,
    /// It was refused after an answer was lost: the refresh token is not used again.
    Spent {
        /// Until when the access token is good.
        ends_at: Option<DateTime<Utc>>,
    },
    /// It has no refresh token.
    Unrefreshable {
        /// Until when the access token is good.
        ends_at: Option<DateTime<Utc>>,
    },
    /// There is no such account, or it cannot be used.
    Unusable,
}

/// Takes the lease to refresh the tokens of a version; `owner` is new for each try.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn lease(
    conn: &mut Conn,
    id: ConnectionId,
    version: i64,
    owner: Uuid,
    length: Duration,
) -> Result<Taken> {
    let leased = sqlx::query!(
        r#"update platform_connections set
               refresh_owner = $3, refresh_until = clock_timestamp() + make_interval(secs => $4),
               refresh_doubt_at = case when refresh_owner is null then refresh_doubt_at
                                       else coalesce(refresh_doubt_at, now()) end
           where id = $1 and token_version = $2 and is_active and refresh_token is not null
             and (refresh_until is null or refresh_until <= clock_timestamp())
             and not refresh_spent
           returning platform, refresh_token as "refresh_token!",
                     refresh_doubt_at is not null as "in_doubt!""#,
        id.0,
        version,
        owner,
        length.as_secs_f64()
    )
    .fetch_optional(&mut *conn)
    .await?;
    if let Some(row) = leased {
        return Ok(Taken::Leased(Lease {
            connection_id: id,
            platform: super::platform(&row.platform)?,
            owner,
            version,
            refresh_token: row.refresh_token,
            in_doubt: row.in_doubt,
        }));
    }
    let row = sqlx::query!(
        r#"select token_version, is_active, refreshable as "refreshable!", token_expires_at,
                  refresh_until, refresh_until > clock_timestamp() as busy
           from platform_connections where id = $1"#,
        id.0
    )
    .fetch_optional(conn)
    .await?;
    Ok(match row {
        Some(row) if row.is_active && row.token_version != version => Taken::Changed,
        Some(row) if row.is_active && !row.refreshable => {
            Taken::Unrefreshable { ends_at: row.token_expires_at }
        }
        Some(row) if row.is_active => match row.refresh_until {
            Some(until) if row.busy == Some(true) => Taken::Busy { until },
            Some(_) | None => Taken::Spent { ends_at: row.token_expires_at },
        },
        Some(_) | None => Taken::Unusable,
    })
}

/// New tokens, sealed for their row.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The access token.
    pub access: String,
    /// The refresh token; `None` when the old one stays.
    pub refresh: Option<String>,
    /// How long the access token is good from now on, where the network said so.
    pub expires_in: Option<Duration>,
    /// The scopes; `None` when they stay.
    pub scopes: Option<Vec<String>>,
}

/// Stores new tokens in place of those of `version`, lets go of the jobs that waited for them, and
/// answers the new version; `None` when those had been replaced or wiped.
///
/// # Errors
/// [`crate::Error::Unavailable`]: then it is to be repeated, since nobody else has these tokens.
pub async fn rotate(
    conn: &mut Conn,
    id: ConnectionId,
    version: i64,
    tokens: &Rotated,
) -> Result<Option<i64>> {
    let version = sqlx::query_scalar!(
        "update platform_connections set
             access_token = $3, refresh_token = coalesce($4, refresh_token),
             token_expires_at = now() + make_interval(secs => $5), tokens_at = now(),
             scopes = coalesce($6, scopes), token_version = token_version + 1,
             refresh_owner = null, refresh_until = null, refresh_spent = false, refresh_doubt_at = null,
             updated_at = now()
         where id = $1 and token_version = $2 and access_token is not null
         returning token_version",
        id.0,
        version,
        tokens.access,
        tokens.refresh,
        tokens.expires_in.map(|length| length.as_secs_f64()),
        tokens.scopes.as_deref()
    )
    .fetch_optional(&mut *conn)
    .await?;
    if version.is_some() {
        ledger::reopen_key(conn, &connection_key(id)).await?;
    }
    Ok(version)
}

/// How a refresh without new tokens ended, when the grant is not known to be dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The network did nothing: it was not reached, or it refused for another reason.
    Untouched,
    /// The network failed, or its answer was lost: it may have used up the refresh token.
    Doubtful,
}

/// Gives the lease back; `false` when it was somebody else's by now.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn release(conn: &mut Conn, lease: &Lease, ended: Ended) -> Result<bool> {
    let done = sqlx::query!(
        "update platform_connections set refresh_owner = null, refresh_until = null,
             refresh_doubt_at = case when $3 then coalesce(refresh_doubt_at, now()) else refresh_doubt_at end
         where id = $1 and refresh_owner = $2",
        lease.connection_id.0,
        lease.owner,
        ended == Ended::Doubtful
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// What giving up came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GaveUp {
    /// The account is unusable from now on: its people are told, its jobs wait.
    Disconnected,
    /// An answer was lost before, so the refusal may only mean that the network has moved on: the
    /// access token is used to its end, and the refresh token no more.
    WorksUntil(DateTime<Utc>),
    /// Nothing changed: the tokens are others by now, or the account was unusable already.
    Nothing,
}

/// The network refuses the refresh token of `version`, or it is spent and the access token has ended:
/// makes the account unusable, tells its people once, and lets its jobs wait until it is connected
/// again.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn give_up(
    conn: &mut Conn,
    id: ConnectionId,
    version: i64,
    reason: &str,
) -> Result<GaveUp> {
    let row = sqlx::query!(
        r#"select organization_id, token_expires_at,
                  refresh_doubt_at is not null and token_expires_at > clock_timestamp() as works
           from platform_connections where id = $1 and token_version = $2 and is_active for update"#,
        id.0,
        version
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(GaveUp::Nothing) };
    if let (Some(ends_at), Some(true)) = (row.token_expires_at, row.works) {
        sqlx::query!(
            "update platform_connections set refresh_owner = null, refresh_until = null, refresh_spent = true
             where id = $1",
            id.0
        )
        .execute(&mut *conn)
        .await?;
        ledger::reopen_key(&mut *conn, &connection_key(id)).await?;
        let message = format!(
            "Reconnect needed before {}: refresh answer lost. The account works until then, unless the network ends it sooner.",
            ends_at.format("%Y-%m-%d %H:%M UTC")
        );
        let organization = OrganizationId(row.organization_id);
        tell(conn, organization, id, "connection.reconnect_soon", &message).await?;
        return Ok(GaveUp::WorksUntil(ends_at));
    }
    sqlx::query!(
        "update platform_connections set is_active = false, inactive_reason = $2, refresh_owner = null,
             refresh_until = null, updated_at = now() where id = $1",
        id.0,
        reason
    )
    .execute(&mut *conn)
    .await?;
    ledger::close_key(&mut *conn, &connection_key(id), None, reason).await?;
    ledger::look_again(&mut *conn, &connection_key(id)).await?;
    let organization = OrganizationId(row.organization_id);
    tell(conn, organization, id, "connection.reconnect_needed", reason).await?;
    Ok(GaveUp::Disconnected)
}

/// An account's tokens, of which somebody says that they are over.
#[derive(Clone, Copy, Debug)]
pub struct Doubted {
    /// The account.
    pub connection_id: ConnectionId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// Which tokens.
    pub version: i64,
}

/// The tokens of an account, whoever has connected it, that are older than this moment.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn older_than(
    conn: &mut Conn,
    platform: Platform,
    account_id: &str,
    at: DateTime<Utc>,
) -> Result<Vec<Doubted>> {
    let rows = sqlx::query!(
        "select id, organization_id, token_version from platform_connections
         where platform = $1 and account_id = $2 and is_active and tokens_at <= $3 order by id",
        platform.as_str(),
        account_id,
        at
    )
    .fetch_all(conn)
    .await?;
    let doubted = rows.into_iter().map(|row| Doubted {
        connection_id: ConnectionId(row.id),
        organization_id: OrganizationId(row.organization_id),
        version: row.token_version,
    });
    Ok(doubted.collect())
}

/// The key under which at most one job asks the network of these tokens.
pub fn check_key(connection: ConnectionId, version: i64) -> String {
    format!("connection.check:{connection}:{version}")
}

/// Tells the account's people.
async fn tell(
    conn: &mut Conn,
    organization: OrganizationId,
    id: ConnectionId,
    event: &str,
    message: &str,
) -> Result<()> {
    let data = json!({ "platformConnectionId": id });
    events::record(conn, organization, event, "platform_connection", id.0, message, data).await
}

/// What it means that an access token is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// New ones are to be asked for.
    Refresh,
    /// The network refused it soon after it refused the one before: new ones would not help.
    Again,
    /// The account has other tokens by now, or cannot be used.
    Replaced,
}

/// How soon another refusal says that new tokens do not help.
const SOON: Duration = Duration::from_secs(600);

/// The access token of `version` is over: its time has run out, or the network refused it, whatever was
/// said of its time. Locks the account.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn over(conn: &mut Conn, id: ConnectionId, version: i64, refused: bool) -> Result<Over> {
    let again = sqlx::query_scalar!(
        r#"with old as (
               select id, refused_at, tokens_at from platform_connections
               where id = $1 and token_version = $2 and is_active for update
           )
           update platform_connections c set
               token_expires_at = least(c.token_expires_at, clock_timestamp()),
               refused_at = case when $3 then clock_timestamp() else c.refused_at end
           from old where c.id = old.id
           returning coalesce($3 and old.refused_at <= old.tokens_at
                              and old.refused_at > now() - make_interval(secs => $4), false) as "again!""#,
        id.0,
        version,
        refused,
        SOON.as_secs_f64()
    )
    .fetch_optional(conn)
    .await?;
    Ok(match again {
        None => Over::Replaced,
        Some(false) => Over::Refresh,
        Some(true) => Over::Again,
    })
}

/// Tokens that are to be refreshed.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    /// The account.
    pub connection_id: ConnectionId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// Which tokens.
    pub version: i64,
}

/// At most `limit` accounts whose tokens end within `ahead`, the first to end first: some up to a
/// quarter later than others, and none before two thirds of its life. Also those whose access token
/// has ended and cannot be had anew: somebody must say so. None for which a job is live already.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn due(conn: &mut Conn, ahead: Duration, limit: i64) -> Result<Vec<Due>> {
    let rows = sqlx::query!(
        "select id, organization_id, token_version from platform_connections c
         where is_active and token_expires_at <= now() + make_interval(secs => $1)
           and not exists (select from jobs j where j.unique_key = 'connection.refresh:' || c.id)
           and case when refreshable and not refresh_spent
               then token_expires_at - least(
                       make_interval(secs => $1) * (1 - 0.25 * abs(hashtext(id::text || token_version) % 1000) / 1000),
                       (token_expires_at - tokens_at) / 3) <= now()
               else token_expires_at <= now() end
         order by token_expires_at limit $2",
        ahead.as_secs_f64(),
        limit
    )
    .fetch_all(conn)
    .await?;
    let due = rows.into_iter().map(|row| Due {
        connection_id: ConnectionId(row.id),
        organization_id: OrganizationId(row.organization_id),
        version: row.token_version,
    });
    Ok(due.collect())
}

/// The key of the one live job that refreshes an account.
pub fn refresh_key(id: ConnectionId) -> String {
    format!("connection.refresh:{id}")
}

#[cfg(test)]
mod tests;
