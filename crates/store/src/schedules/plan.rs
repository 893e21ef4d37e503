//! The clock turns schedules into jobs.
//!
//! The scheduler calls these and enqueues the jobs in the same transaction.
//!
//! **Invariant:** a schedule is marked as planned in the transaction that enqueues its job, so that
//! schedulers may race; what is too late by its policy is never planned (`late.rs`).

use chrono::{DateTime, Utc};
use std::time::Duration;

use crate::connections::platform;
use crate::{Conn, Result};
use jobs::{ConnectionId, OrganizationId, ScheduleId};
use platforms::Platform;

/// A schedule whose job is to be enqueued.
#[derive(Clone, Debug)]
pub struct Due {
    /// The schedule.
    pub schedule_id: ScheduleId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// When it goes out.
    pub scheduled_at: DateTime<Utc>,
    /// How often a failed attempt is repeated.
    pub max_retries: u32,
    /// The network.
    pub platform: Platform,
    /// The account.
    pub platform_connection_id: ConnectionId,
    /// The network's own id of the account.
    pub account_id: String,
}

/// Marks at most `limit` schedules that go out within `ahead` as planned, and answers them.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn due_to_publish(conn: &mut Conn, ahead: Duration, limit: i64) -> Result<Vec<Due>> {
    let rows = sqlx::query!(
        "with due as (
             select s.id from schedules s
             where s.status = 'scheduled' and not s.is_recurring and s.publish_planned_at is null
               and s.scheduled_at <= now() + make_interval(secs => $1)
               and s.reserve_at is null and late_verdict(s) = 'go'
             order by s.scheduled_at limit $2 for update skip locked
         )
         update schedules s set publish_planned_at = now()
         from due, platform_connections c
         where s.id = due.id and c.id = s.platform_connection_id
         returning s.id, s.organization_id, s.scheduled_at, s.max_retries, s.platform_connection_id,
                   c.platform, c.account_id",
        ahead.as_secs_f64(),
        limit
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Due {
                schedule_id: ScheduleId(row.id),
                organization_id: OrganizationId(row.organization_id),
                scheduled_at: row.scheduled_at,
                max_retries: u32::try_from(row.max_retries).unwrap_or_default(),
                platform: platform(&row.platform)?,
                platform_connection_id: ConnectionId(row.platform_connection_id),
                account_id: row.account_id,
            })
        })
        .collect()
}

/// Marks at most `limit` schedules that go out within `ahead` as prepared for, and answers those
/// that have attachments to upload.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn due_to_prepare(conn: &mut Conn, ahead: Duration, limit: i64) -> Result<Vec<Due>> {
    let rows = sqlx::query!(
        r#"with due as (
             select s.id from schedules s
             where s.status = 'scheduled' and not s.is_recurring and s.prepare_planned_at is null
               and s.scheduled_at <= now() + make_interval(secs => $1)
               and s.reserve_at is null
             order by s.scheduled_at limit $2 for update skip locked
         )
         update schedules s set prepare_planned_at = now()
         from due, platform_connections c
         where s.id = due.id and c.id = s.platform_connection_id
         returning s.id, s.organization_id, s.scheduled_at, s.max_retries, s.platform_connection_id,
                   c.platform, c.account_id,
                   exists (select from media_attachments m
                           where m.content_version_id = s.content_version_id) as "has_media!""#,
        ahead.as_secs_f64(),
        limit
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .filter(|row| row.has_media)
        .map(|row| {
            Ok(Due {
                schedule_id: ScheduleId(row.id),
                organization_id: OrganizationId(row.organization_id),
                scheduled_at: row.scheduled_at,
                max_retries: u32::try_from(row.max_retries).unwrap_or_default(),
                platform: platform(&row.platform)?,
                platform_connection_id: ConnectionId(row.platform_connection_id),
                account_id: row.account_id,
            })
        })
        .collect()
}
