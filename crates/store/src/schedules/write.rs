//! What handlers do to a schedule.
//!
//! Locks are taken in one order everywhere: the handler's own job, other jobs, schedules by their ids,
//! content requests, the organization, connections, intents.
//!
//! **Invariant:** whoever changes a schedule's status has locked its row first.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Status, prepare_key, publish_key};
use crate::connections::platform;
use crate::{Conn, Result};
use jobs::series::TZDB;
use jobs::{
    AttachmentId, CatchUp, ConnectionId, ContentVersionId, JobId, OrganizationId, ScheduleId,
};
use platforms::Platform;

/// A schedule to be made.
#[derive(Clone, Debug)]
pub struct NewSchedule<'a> {
    /// The row's id.
    pub id: ScheduleId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// What goes out.
    pub content_version_id: ContentVersionId,
    /// Where it goes out.
    pub platform_connection_id: ConnectionId,
    /// When it goes out.
    pub scheduled_at: DateTime<Utc>,
    /// The wall time that was asked for.
    pub wall_time: NaiveDateTime,
    /// IANA zone of the wall time.
    pub timezone: &'a str,
    /// How often a failed attempt is repeated.
    pub max_retries: i32,
    /// What becomes of it when it is late.
    pub catch_up: CatchUp,
    /// How late it may go out.
    pub catch_up_secs: i32,
    /// Who schedules it.
    pub created_by: &'a str,
}

/// Makes a schedule; making it again changes nothing.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn insert(conn: &mut Conn, new: &NewSchedule<'_>) -> Result<()> {
    sqlx::query!(
        "insert into schedules (id, organization_id, content_version_id, platform_connection_id,
             scheduled_at, wall_time, timezone, max_retries, created_by, catch_up, catch_up_secs, tzdb)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) on conflict (id) do nothing",
        new.id.0,
        new.organization_id.0,
        new.content_version_id.0,
        new.platform_connection_id.0,
        new.scheduled_at,
        new.wall_time,
        new.timezone,
        new.max_retries,
        new.created_by,
        new.catch_up.as_str(),
        new.catch_up_secs,
        TZDB
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// An attachment that the network holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Prepared {
    /// The attachment.
    pub attachment_id: AttachmentId,
    /// The network's own id of the upload.
    pub media_id: String,
    /// When the network forgets it.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A schedule whose row is locked.
#[derive(Clone, Debug)]
pub struct Locked {
    /// The schedule.
    pub id: ScheduleId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// What goes out.
    pub content_version_id: ContentVersionId,
    /// Where it goes out.
    pub platform_connection_id: ConnectionId,
    /// The network.
    pub platform: Platform,
    /// The network's own id of the account.
    pub account_id: String,
    /// The account's handle.
    pub account_name: String,
    /// When it goes out.
    pub scheduled_at: DateTime<Utc>,
    /// The wall time that was asked for.
    pub wall_time: NaiveDateTime,
    /// IANA zone of the wall time.
    pub timezone: String,
    /// Where it stands.
    pub status: Status,
    /// What a person must know about that.
    pub status_reason: Option<String>,
    /// Whether it is on hold only because its content is not approved.
    pub awaits_approval: bool,
    /// Whether it is on hold only because its organization is.
    pub awaits_payment: bool,
    /// The network's own id of the post.
    pub published_post_id: Option<String>,
    /// Where people see the post.
    pub published_post_url: Option<String>,
    /// Attempts that failed.
    pub retry_count: i32,
    /// How often a failed attempt is repeated.
    pub max_retries: i32,
    /// Whether it recurs, and so never goes out itself.
    pub is_recurring: bool,
    /// The series of which it is an occurrence.
    pub parent_schedule_id: Option<ScheduleId>,
    /// What becomes of it when it is late.
    pub catch_up: CatchUp,
    /// How late it may go out.
    pub catch_up_secs: i32,
    /// When the clock turned it into a publishing job.
    pub publish_planned_at: Option<DateTime<Utc>>,
    /// Uploads that the network holds.
    pub prepared_media: Vec<Prepared>,
    /// How the last attempt ended, as the log has it.
    pub last_outcome: Option<String>,
    /// The database's clock when the row was read.
    pub now: DateTime<Utc>,
}

/// Locks a schedule.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn lock(conn: &mut Conn, id: ScheduleId) -> Result<Option<Locked>> {
    let row = sqlx::query!(
        r#"select s.organization_id, s.content_version_id, s.platform_connection_id, c.platform,
                  c.account_id, c.account_name, s.scheduled_at, s.wall_time, s.timezone, s.status,
                  s.status_reason, s.awaits_approval, s.awaits_payment, s.published_post_id, s.published_post_url, s.retry_count,
                  s.max_retries, s.is_recurring, s.parent_schedule_id, s.catch_up, s.catch_up_secs, s.publish_planned_at, s.prepared_media,
                  s.attempt_log -> -1 ->> 'outcome' as last_outcome, clock_timestamp() as "now!"
           from schedules s join platform_connections c on c.id = s.platform_connection_id
           where s.id = $1 for update of s"#,
        id.0
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Locked {
        id,
        organization_id: row.organization_id.into(),
        content_version_id: row.content_version_id.into(),
        platform_connection_id: row.platform_connection_id.into(),
        platform: platform(&row.platform)?,
        account_id: row.account_id,
        account_name: row.account_name,
        scheduled_at: row.scheduled_at,
        wall_time: row.wall_time,
        timezone: row.timezone,
        status: Status::read(&row.status)?,
        status_reason: row.status_reason,
        awaits_approval: row.awaits_approval,
        awaits_payment: row.awaits_payment,
        published_post_id: row.published_post_id,
        published_post_url: row.published_post_url,
        retry_count: row.retry_count,
        max_retries: row.max_retries,
        is_recurring: row.is_recurring,
        parent_schedule_id: row.parent_schedule_id.map(ScheduleId),
        catch_up: catch_up(&row.catch_up)?,
        catch_up_secs: row.catch_up_secs,
        publish_planned_at: row.publish_planned_at,
        prepared_media: serde_json::from_value(row.prepared_media)
            .map_err(|error| crate::Error::Broken(sqlx::Error::Decode(Box::new(error))))?,
        last_outcome: row.last_outcome,
        now: row.now,
    }))
}

pub(super) fn catch_up(word: &str) -> Result<CatchUp> {
    CatchUp::of(word).ok_or_else(|| {
        let message = format!("unknown policy for what is late: {word:?}");
        crate::Error::Broken(sqlx::Error::Decode(message.into()))
    })
}

/// A live job that prepares or publishes a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveJob {
    /// The job.
    pub id: JobId,
    /// Whether it publishes; else it prepares.
    pub publishes: bool,
    /// Whether a worker has it.
    pub running: bool,
}

/// The live jobs that prepare or publish a schedule, locked. To be called before [`lock`].
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn live_jobs(conn: &mut Conn, id: ScheduleId) -> Result<Vec<LiveJob>> {
    let publish = publish_key(id);
    let rows = sqlx::query!(
        r#"select id, unique_key = $1 as "publishes!", state = 'running' as "running!"
           from jobs where unique_key in ($1, $2) order by id for update"#,
        publish,
        prepare_key(id)
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| LiveJob { id: JobId(row.id), publishes: row.publishes, running: row.running })
        .collect())
}

/// A line of the attempt log.
#[derive(Clone, Debug, Serialize)]
pub struct Entry<'a> {
    /// When.
    pub at: DateTime<Utc>,
    /// A stable word for how it ended.
    pub outcome: &'a str,
    /// What happened, for people.
    pub message: &'a str,
    /// Which attempt of its job it was, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<i32>,
}

pub(super) fn lines(entry: Option<&Entry<'_>>) -> Value {
    entry.map_or_else(|| json!([]), |entry| json!([entry]))
}

/// A change of a schedule's status.
#[derive(Clone, Debug)]
pub struct Move<'a> {
    /// The new status.
    pub to: Status,
    /// What a person must know about it.
    pub reason: Option<&'a str>,
    /// What went wrong; `None` leaves the last error as it is.
    pub error: Option<&'a str>,
    /// How many attempts failed with this.
    pub failed_attempts: i32,
    /// What the log says of it.
    pub entry: Option<Entry<'a>>,
}

impl Move<'_> {
    /// A change that says nothing but the new status.
    pub const fn to(status: Status) -> Self {
        Move { to: status, reason: None, error: None, failed_attempts: 0, entry: None }
    }
}

/// Changes the status of a locked schedule.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn move_to(conn: &mut Conn, id: ScheduleId, change: &Move<'_>) -> Result<()> {
    sqlx::query!(
        "update schedules set status = $2, status_reason = $3, awaits_approval = false, awaits_payment = false, waits_for = null,
             error_message = coalesce($4, error_message), retry_count = retry_count + $5, attempt_log = attempt_log || $6, updated_at = now()
         where id = $1",
        id.0,
        change.to.as_str(),
        change.reason,
        change.error,
        change.failed_attempts,
        lines(change.entry.as_ref())
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes that a locked schedule is out.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn published(
    conn: &mut Conn,
    id: ScheduleId,
    post_id: &str,
    url: &str,
    at: DateTime<Utc>,
    entry: &Entry<'_>,
) -> Result<()> {
    sqlx::query!(
        "update schedules set status = 'published', status_reason = null, awaits_approval = false, awaits_payment = false, waits_for = null,
             error_message = null,
             published_post_id = $2, published_post_url = $3, published_at = $4,
             attempt_log = attempt_log || $5, updated_at = now()
         where id = $1",
        id.0,
        post_id,
        url,
        at,
        lines(Some(entry))
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes a locked schedule wait for a publishing job that is enqueued in the same transaction.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn restart(
    conn: &mut Conn,
    id: ScheduleId,
    retry_count: i32,
    entry: Option<&Entry<'_>>,
) -> Result<()> {
    sqlx::query!(
        "update schedules set status = 'scheduled', status_reason = null, awaits_approval = false, awaits_payment = false, waits_for = null,
             retry_count = $2, publish_planned_at = now(), attempt_log = attempt_log || $3, updated_at = now()
         where id = $1",
        id.0,
        retry_count,
        lines(entry)
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Gives a locked schedule new content, account, moment and retries, and a fresh start: the clock
/// will turn it into jobs again. `has_new_time` says that a person gave it its time now, and that its moment was
/// found by the time-zone data of this build.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn reschedule(conn: &mut Conn, new: &NewSchedule<'_>, has_new_time: bool) -> Result<()> {
    sqlx::query!(
        "update schedules set
             prepared_media = case when content_version_id = $2 and platform_connection_id = $3
                              then prepared_media else '[]' end,
             content_version_id = $2, platform_connection_id = $3, scheduled_at = $4, wall_time = $5,
             timezone = $6, max_retries = $7, catch_up = $8, catch_up_secs = $9, status = 'scheduled', status_reason = null,
             awaits_approval = false, awaits_payment = false, waits_for = null, error_message = null, retry_count = 0, prepare_planned_at = null, publish_planned_at = null,
             is_moved = is_moved or parent_schedule_id is not null and $10,
             tzdb = case when $10 then $11 else tzdb end,
             is_edited = is_edited or parent_schedule_id is not null
                         and (content_version_id, platform_connection_id) <> ($2, $3),
             check_at = now(),
             warnings = case when platform_connection_id = $3 then warnings else '[]' end,
             updated_at = now()
         where id = $1",
        new.id.0,
        new.content_version_id.0,
        new.platform_connection_id.0,
        new.scheduled_at,
        new.wall_time,
        new.timezone,
        new.max_retries,
        new.catch_up.as_str(),
        new.catch_up_secs,
        has_new_time,
        TZDB
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Remembers an upload of a locked schedule, in place of an older one of the same attachment.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn save_prepared(conn: &mut Conn, id: ScheduleId, upload: &Prepared) -> Result<()> {
    sqlx::query!(
        "update schedules set prepared_media = coalesce((
             select jsonb_agg(held) from jsonb_array_elements(prepared_media) as held
             where held ->> 'attachmentId' <> $2::text), '[]') || $3, updated_at = now()
         where id = $1",
        id.0,
        upload.attachment_id.to_string(),
        json!([upload])
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets all uploads of a locked schedule.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn forget_prepared(conn: &mut Conn, id: ScheduleId) -> Result<()> {
    sqlx::query!("update schedules set prepared_media = '[]' where id = $1", id.0)
        .execute(conn)
        .await?;
    Ok(())
}

/// Puts everything that waits to go out on an account on hold; answers the schedules.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn put_on_hold(
    conn: &mut Conn,
    connection: ConnectionId,
    reason: &str,
) -> Result<Vec<ScheduleId>> {
    let ids: Vec<Uuid> = sqlx::query_scalar!(
        "with waiting as (
             select id from schedules where platform_connection_id = $1 and status = 'scheduled'
             order by id for update
         )
         update schedules set status = 'on_hold', status_reason = $2, updated_at = now()
         from waiting where schedules.id = waiting.id
         returning schedules.id",
        connection.0,
        reason
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(ScheduleId).collect())
}
