//! Schedules of an organization that does not pay: what is held, what waits, what was missed meanwhile.
//!
//! **Invariant:** `awaits_payment` is set only while a schedule is on hold, and for no other reason than
//! that its organization is; what may be on its way to the network is left alone.

#[cfg(test)]
mod tests;

use uuid::Uuid;

use super::Entry;
use super::write::lines;
use crate::{Conn, Result};
use jobs::{OrganizationId, ScheduleId};

/// Locks the schedules of an organization that would go out by themselves; answers their ids.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn lock_all(conn: &mut Conn, organization: OrganizationId) -> Result<Vec<ScheduleId>> {
    let ids: Vec<Uuid> = sqlx::query_scalar!(
        "select id from schedules
         where organization_id = $1 and status in ('scheduled', 'publishing') and not is_recurring
         order by id for update",
        organization.0
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(ScheduleId).collect())
}

/// Puts those of these locked schedules on hold that are not on their way, until their organization
/// pays, and tells its people; answers how many.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn hold_unpaid(conn: &mut Conn, locked: &[ScheduleId], entry: &Entry<'_>) -> Result<u64> {
    let ids: Vec<Uuid> = locked.iter().map(|id| id.0).collect();
    let held = sqlx::query_scalar!(
        r#"with held as (
             update schedules s
             set status = 'on_hold', status_reason = $2, awaits_payment = true, waits_for = null,
                 attempt_log = attempt_log || $3, updated_at = now()
             where id = any ($1) and status in ('scheduled', 'publishing')
               and not exists (select from publish_intents i where i.schedule_id = s.id
                               and i.state in ('open', 'unknown', 'published'))
             returning id, organization_id, content_version_id, platform_connection_id
         ),
         told as (
             insert into events (organization_id, type, subject_type, subject_id, message, data)
             select organization_id, 'post.on_hold', 'schedule', id, $2,
                    jsonb_build_object('scheduleId', id, 'contentVersionId', content_version_id,
                                       'platformConnectionId', platform_connection_id)
             from held order by id
         )
         select count(*) as "held!" from held"#,
        &ids,
        entry.message,
        lines(Some(entry))
    )
    .fetch_one(conn)
    .await?;
    Ok(held.cast_unsigned())
}

/// Puts a locked schedule on hold until its organization pays. The caller shares the organization
/// ([`crate::billing::share_hold`]), so that no payment comes in between.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn await_payment(
    conn: &mut Conn,
    id: ScheduleId,
    reason: &str,
    entry: Option<&Entry<'_>>,
) -> Result<()> {
    sqlx::query!(
        "update schedules set status = 'on_hold', status_reason = $2, awaits_approval = false,
             awaits_payment = true, waits_for = null, attempt_log = attempt_log || $3, updated_at = now()
         where id = $1",
        id.0,
        reason,
        lines(entry)
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// At most `limit` schedules of an organization that wait for a payment, by their ids.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn awaiting_payment(
    conn: &mut Conn,
    organization: OrganizationId,
    limit: i64,
) -> Result<Vec<ScheduleId>> {
    let ids: Vec<Uuid> = sqlx::query_scalar!(
        "select id from schedules where organization_id = $1 and awaits_payment order by id limit $2",
        organization.0,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(ScheduleId).collect())
}
