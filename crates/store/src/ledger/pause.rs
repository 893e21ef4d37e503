//! What holds jobs back: pauses and closed keys.
//!
//! **Invariant:** a closed key is written once for the whole fleet; a later opening never comes
//! before an earlier one that was promised for longer.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{Acting, Conn, Result};
use jobs::{OrganizationId, Queue};
use uuid::Uuid;

/// Something a person stopped: a queue, all queues of an organization, or an account.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Paused {
    /// The queue; all queues when absent, unless an account is paused.
    pub queue: Option<String>,
    /// The organization; the whole fleet when absent. Of an account, the organization whose person
    /// paused it, which others are not told.
    pub organization_id: Option<Uuid>,
    /// The network of the account, where an account is paused.
    pub platform: Option<String>,
    /// The account's id at the network, where an account is paused.
    pub account_id: Option<String>,
    /// Why.
    pub reason: String,
    /// Who, where it is known; another organization's people are not named.
    pub paused_by: Option<String>,
    /// Since when.
    pub paused_at: DateTime<Utc>,
}

/// Pauses a queue of an organization, all its queues, or a queue of the fleet.
///
/// # Errors
/// [`crate::Error::Rule`] when both are `None`.
pub async fn pause(
    conn: &mut Conn,
    id: Uuid,
    organization: Option<OrganizationId>,
    queue: Option<Queue>,
    reason: &str,
    actor: &str,
) -> Result<()> {
    sqlx::query!(
        "insert into pauses (id, queue, organization_id, reason, paused_by) values ($1, $2, $3, $4, $5)
         on conflict (coalesce(queue, ''), coalesce(organization_id, '00000000-0000-0000-0000-000000000000'))
         do update set reason = excluded.reason",
        id,
        queue.map(Queue::as_str),
        organization.map(|o| o.0),
        reason,
        actor
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends a pause; `false` when there was none.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn resume(
    conn: &mut Conn,
    organization: Option<OrganizationId>,
    queue: Option<Queue>,
) -> Result<bool> {
    let done = sqlx::query!(
        "delete from pauses where queue is not distinct from $1 and organization_id is not distinct from $2",
        queue.map(Queue::as_str),
        organization.map(|o| o.0)
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// All pauses that the caller may see, newest first, at most 500.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn pauses(tx: &mut Acting) -> Result<Vec<Paused>> {
    let organization = tx.organization().map(|organization| organization.0);
    Ok(sqlx::query_file_as!(Paused, "src/ledger/pauses.sql", organization)
        .fetch_all(&mut **tx)
        .await?)
}

/// Pauses an account, across organizations, until a person resumes it: closes its key with no end.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn pause_account(
    conn: &mut Conn,
    key: &str,
    organization: Option<OrganizationId>,
    reason: &str,
    actor: &str,
) -> Result<()> {
    close_key(&mut *conn, key, None, reason).await?;
    sqlx::query!(
        "update closed_keys set closed_by = $2, organization_id = $3, reason = $4
         where key = $1 and until > '9000-01-01 00:00:00+00' and closed_by is null",
        key,
        actor,
        organization.map(|o| o.0),
        reason
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Closes a key for the whole fleet; `None` is until a person opens it.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn close_key(
    conn: &mut Conn,
    key: &str,
    until: Option<DateTime<Utc>>,
    reason: &str,
) -> Result<()> {
    sqlx::query!(
        "insert into closed_keys (key, until, reason) values ($1, coalesce($2, '9999-12-31'::timestamptz), $3)
         on conflict (key) do update set until = excluded.until, reason = excluded.reason, closed_at = now()
         where closed_keys.until < excluded.until",
        key,
        until,
        reason
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A key that is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedKey {
    /// The key.
    pub key: String,
    /// When it opens.
    pub until: DateTime<Utc>,
    /// Why it is closed.
    pub reason: String,
    /// Whether it opens only when a person does something.
    pub for_good: bool,
}

/// Which of these keys is closed for longest.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn closed(conn: &mut Conn, keys: &[String]) -> Result<Option<ClosedKey>> {
    Ok(sqlx::query_as!(
        ClosedKey,
        r#"select key, until, reason, until > now() + interval '1000 years' as "for_good!"
           from closed_keys where key = any ($1) and until > clock_timestamp()
           order by until desc limit 1"#,
        keys
    )
    .fetch_optional(conn)
    .await?)
}

/// Lets go of jobs that wait for a key that is no longer closed: its opening and their parking
/// crossed. Says how many.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn free_parked(conn: &mut Conn) -> Result<u64> {
    let done = sqlx::query!(
        "update jobs set run_at = now()
         where parked_by is not null and state = 'scheduled' and run_at > now() + interval '5 seconds'
           and wait_reason ->> 'code' is distinct from 'limited'
           and not exists (select from closed_keys c where c.key = jobs.parked_by and c.until > now())"
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Opens a key and lets go of what waited for it; says how many jobs.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn reopen_key(conn: &mut Conn, key: &str) -> Result<u64> {
    sqlx::query!("delete from closed_keys where key = $1", key).execute(&mut *conn).await?;
    look_again(conn, key).await
}

/// Lets what waits for a key look at it again: it is open, or closed for another reason. Says how many
/// jobs.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn look_again(conn: &mut Conn, key: &str) -> Result<u64> {
    let done = sqlx::query!(
        "update jobs set run_at = now() where parked_by = $1 and state = 'scheduled'
            and wait_reason ->> 'code' is distinct from 'limited'",
        key
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

#[cfg(test)]
mod tests;
