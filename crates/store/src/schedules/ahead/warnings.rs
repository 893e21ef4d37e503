//! What will keep a schedule from going out, as far as it can be seen ahead of time: on the schedule, and
//! once for each account and cause in the feed.
//!
//! Warnings of an account are written under a lock on its row of `account_checks`.
//!
//! **Invariant:** a cause is told when the first of an account's schedules has it, and not again before
//! the last of them has it no more.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::types::Json;
use uuid::Uuid;

use super::lock_account;
use crate::schedules::check::examine;
use crate::schedules::{Locked, Status};
use crate::{Conn, Result, events, usage};
use jobs::{ConnectionId, OrganizationId};
use platforms::Platform;

/// Something that stands in the way of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Warning {
    /// A stable word: `account_disconnected`, `scopes_missing`, `token_ends`, `content_rejected`,
    /// `not_approved`, `payment_required`, `usage_exhausted`, or another code of a problem.
    pub code: String,
    /// What is wrong and what helps, for people.
    pub message: String,
    /// Since when it is known.
    pub since: DateTime<Utc>,
}

/// Something found when a schedule was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The stable word.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

impl Status {
    /// Whether a schedule in this state is checked ahead of its time.
    pub const fn is_ahead(self) -> bool {
        matches!(self, Status::Scheduled | Status::OnHold)
    }
}

/// Looks at everything that may keep a locked schedule from going out at its time, without asking its network.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn look(conn: &mut Conn, schedule: &Locked) -> Result<Vec<Finding>> {
    let organization = schedule.organization_id;
    let seen = examine(
        &mut *conn,
        organization,
        schedule.content_version_id,
        schedule.platform_connection_id,
    )
    .await?;
    let mut found: Vec<Finding> = Vec::new();
    let mut add = |code: &'static str, message: String| {
        if found.iter().all(|known| known.code != code) {
            found.push(Finding { code, message });
        }
    };
    for problem in seen.problems {
        add(problem.code.as_str(), problem.message);
    }
    if let Some(account) = seen.account.filter(|account| account.is_active) {
        let message = lacking(&account.name, account.platform, &account.scopes, seen.has_media);
        if let Some(message) = message {
            add("scopes_missing", message);
        }
    }
    if let Some(ends_at) = token_ends(&mut *conn, schedule).await? {
        let message = format!(
            "The token of the account {} ends at {}, before the post goes out, and there is none to get a \
             new one with. Connect the account again.",
            schedule.account_name,
            minutes(ends_at)
        );
        add("token_ends", message);
    }
    if let Some((from, reason)) = hold_ahead(&mut *conn, schedule).await? {
        let message =
            format!("{reason} From {} on nothing goes out until it is paid.", minutes(from));
        add("payment_required", message);
    }
    let room = usage::exceeds(&mut *conn, organization, schedule.id.0).await?;
    if let Some(problem) = room {
        add(problem.code.as_str(), problem.message);
    }
    Ok(found)
}

/// What a person is told when an account was connected without rights that publishing needs; `None` when it
/// has them, or when nobody knows which it has.
fn lacking(
    account: &str,
    platform: Platform,
    granted: &[String],
    has_media: bool,
) -> Option<String> {
    let missing = platform.missing_scopes(granted, has_media);
    (!missing.is_empty()).then(|| {
        format!(
            "The account {account} was connected without rights that this post needs ({}). Connect it \
             again with all of them.",
            missing.join(", ")
        )
    })
}

fn minutes(at: DateTime<Utc>) -> impl std::fmt::Display {
    at.format("%Y-%m-%d %H:%M UTC")
}

/// When the account's token ends, if that is before the schedule and no other can be had.
async fn token_ends(conn: &mut Conn, schedule: &Locked) -> Result<Option<DateTime<Utc>>> {
    Ok(sqlx::query_scalar!(
        r#"select token_expires_at as "ends_at!" from platform_connections
           where id = $1 and is_active and token_expires_at <= $2 and (refresh_spent or not refreshable)"#,
        schedule.platform_connection_id.0,
        schedule.scheduled_at
    )
    .fetch_optional(conn)
    .await?)
}

/// From when on the organization is on hold, and why, if that begins later than now and before the schedule.
async fn hold_ahead(conn: &mut Conn, schedule: &Locked) -> Result<Option<(DateTime<Utc>, String)>> {
    let row = sqlx::query!(
        r#"select billing_hold_at as "from!", billing_hold_reason as "reason!" from organizations
           where id = $1 and billing_hold_at > now() and billing_hold_at <= $2"#,
        schedule.organization_id.0,
        schedule.scheduled_at
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| (row.from, row.reason)))
}

/// Writes what was found on a locked schedule, and tells the account's people of causes that are new;
/// answers how many those are.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn warn(conn: &mut Conn, schedule: &Locked, found: &[Finding]) -> Result<usize> {
    let connection = schedule.platform_connection_id;
    lock_account(&mut *conn, schedule.organization_id, connection).await?;
    let before = sqlx::query_scalar!(
        r#"select warnings as "warnings!: Json<Vec<Warning>>" from schedules where id = $1"#,
        schedule.id.0
    )
    .fetch_one(&mut *conn)
    .await?
    .0;
    let since =
        |code: &str| before.iter().find(|known| known.code == code).map(|known| known.since);
    let warnings: Vec<Warning> = found
        .iter()
        .map(|finding| Warning {
            code: finding.code.to_owned(),
            message: finding.message.clone(),
            since: since(finding.code).unwrap_or(schedule.now),
        })
        .collect();
    sqlx::query!(
        "update schedules set warnings = $2, checked_at = now() where id = $1",
        schedule.id.0,
        Json(&warnings) as _
    )
    .execute(&mut *conn)
    .await?;
    if before.iter().any(|known| found.iter().all(|finding| finding.code != known.code)) {
        forget(&mut *conn, &[connection.0]).await?;
    }
    let codes: Vec<String> = warnings.iter().map(|warning| warning.code.clone()).collect();
    let new = sqlx::query_scalar!(
        "insert into warning_causes (platform_connection_id, code, organization_id)
         select $1, code, $2 from unnest($3::text[]) as c (code)
         on conflict (platform_connection_id, code) do nothing returning code",
        connection.0,
        schedule.organization_id.0,
        &codes
    )
    .fetch_all(&mut *conn)
    .await?;
    for warning in warnings.iter().filter(|warning| new.contains(&warning.code)) {
        tell(&mut *conn, schedule, warning).await?;
    }
    Ok(new.len())
}

async fn tell(conn: &mut Conn, schedule: &Locked, warning: &Warning) -> Result<()> {
    let message = format!(
        "The post of {} on {} may not go out: {}",
        minutes(schedule.scheduled_at),
        schedule.account_name,
        warning.message
    );
    let data = json!({
        "code": warning.code,
        "platformConnectionId": schedule.platform_connection_id,
        "scheduleId": schedule.id,
        "contentVersionId": schedule.content_version_id,
        "scheduledAt": schedule.scheduled_at,
    });
    let (organization, account) = (schedule.organization_id, schedule.platform_connection_id);
    let (event, subject) = ("schedule.warning", "platform_connection");
    events::record(conn, organization, event, subject, account.0, &message, data).await
}

/// Forgets causes of locked accounts that none of their schedules has any more. A statement of its own: it
/// sees what others wrote before the lock was ours.
async fn forget(conn: &mut Conn, connections: &[Uuid]) -> Result<u64> {
    let done = sqlx::query!(
        "delete from warning_causes c
         where c.platform_connection_id = any ($1) and not exists (
             select from schedules s
             where s.organization_id = c.organization_id and s.platform_connection_id = c.platform_connection_id
               and s.status in ('scheduled', 'on_hold') and s.warnings <> '[]'
               and s.warnings @> jsonb_build_array(jsonb_build_object('code', c.code)))",
        connections
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Forgets causes whose schedules went out, were cancelled or moved to another account, of at most `limit`
/// accounts; answers how many.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn forget_causes(conn: &mut Conn, limit: i64) -> Result<u64> {
    let over = sqlx::query_scalar!(
        "select a.platform_connection_id from account_checks a
         where exists (
             select from warning_causes c
             where c.platform_connection_id = a.platform_connection_id and not exists (
                 select from schedules s
                 where s.organization_id = c.organization_id and s.platform_connection_id = c.platform_connection_id
                   and s.status in ('scheduled', 'on_hold') and s.warnings <> '[]'
                   and s.warnings @> jsonb_build_array(jsonb_build_object('code', c.code))))
         limit $1 for update of a skip locked",
        limit
    )
    .fetch_all(&mut *conn)
    .await?;
    if over.is_empty() {
        return Ok(0);
    }
    forget(conn, &over).await
}

/// Whether an account has the rights that a new schedule of this content needs, as far as they are known; the
/// inner text says what is missing.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn rights(
    conn: &mut Conn,
    organization: OrganizationId,
    version: jobs::ContentVersionId,
    connection: ConnectionId,
) -> Result<std::result::Result<(), String>> {
    let row = sqlx::query!(
        r#"select c.account_name, c.platform, c.scopes,
                  exists (select from media_attachments m where m.content_version_id = $3) as "has_media!"
           from platform_connections c where c.id = $1 and c.organization_id = $2"#,
        connection.0,
        organization.0,
        version.0
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(Ok(())) };
    let platform = crate::connections::platform(&row.platform)?;
    let missing = lacking(&row.account_name, platform, &row.scopes, row.has_media);
    Ok(missing.map_or(Ok(()), Err))
}
