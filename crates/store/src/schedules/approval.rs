//! Schedules and the approval of what they send out: what waits for one, what goes on with one, what
//! is on its way already.
//!
//! **Invariant:** `awaits_approval` is set only while a schedule is on hold, and for no other reason
//! than that its content is not approved.

#[cfg(test)]
mod tests;

use uuid::Uuid;

use super::write::lines;
use super::{Entry, Status};
use crate::{Conn, Result};
use jobs::{ContentRequestId, OrganizationId, ScheduleId};

/// The schedules of a request's versions that may still go out, or are going out, by their ids.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn of_content(conn: &mut Conn, request: ContentRequestId) -> Result<Vec<ScheduleId>> {
    let ids: Vec<Uuid> = sqlx::query_scalar!(
        "select s.id from content_versions v join schedules s on s.content_version_id = v.id
         where v.content_request_id = $1
           and s.status in ('scheduled', 'publishing', 'awaiting_platform', 'unconfirmed', 'on_hold')
         order by s.id",
        request.0
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(ScheduleId).collect())
}

/// A schedule whose content can be stopped no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnItsWay {
    /// The call that publishes it is being made.
    BeingPublished(ScheduleId),
    /// Whether it is out is not known.
    MayBeOut(ScheduleId),
}

/// The first of these schedules, all of which are locked, that is on its way to the network.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn on_its_way(conn: &mut Conn, locked: &[ScheduleId]) -> Result<Option<OnItsWay>> {
    let ids: Vec<Uuid> = locked.iter().map(|id| id.0).collect();
    let row = sqlx::query!(
        r#"select s.id, s.status = 'unconfirmed' or coalesce(i.state = 'unknown', false)
                             as "may_be_out!"
           from schedules s
           left join lateral (
               select p.state from publish_intents p
               where p.schedule_id = s.id and p.state in ('open', 'unknown', 'published')
               order by p.opened_at desc limit 1
           ) i on true
           where s.id = any ($1)
             and (i.state is not null or s.status in ('awaiting_platform', 'unconfirmed'))
           order by s.id limit 1"#,
        &ids
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| match row.may_be_out {
        true => OnItsWay::MayBeOut(ScheduleId(row.id)),
        false => OnItsWay::BeingPublished(ScheduleId(row.id)),
    }))
}

/// Puts a locked schedule on hold until its content is approved.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn await_approval(
    conn: &mut Conn,
    id: ScheduleId,
    reason: &str,
    entry: Option<&Entry<'_>>,
) -> Result<()> {
    sqlx::query!(
        "update schedules set status = 'on_hold', status_reason = $2, awaits_approval = true, awaits_payment = false, waits_for = null,
             attempt_log = attempt_log || $3, updated_at = now()
         where id = $1",
        id.0,
        reason,
        lines(entry)
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Lets a locked schedule go on that was on hold: the clock will turn it into jobs again.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn resume(conn: &mut Conn, id: ScheduleId, entry: &Entry<'_>) -> Result<()> {
    sqlx::query!(
        "update schedules set status = 'scheduled', status_reason = null, awaits_approval = false, awaits_payment = false, waits_for = null,
             prepare_planned_at = null, publish_planned_at = null,
             attempt_log = attempt_log || $2, updated_at = now()
         where id = $1",
        id.0,
        lines(Some(entry))
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Puts everything that waits to go out from an organization and is not approved on hold until it is;
/// answers the schedules.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn hold_unapproved(
    conn: &mut Conn,
    organization: OrganizationId,
    reason: &str,
) -> Result<Vec<ScheduleId>> {
    let ids: Vec<Uuid> = sqlx::query_scalar!(
        "with waiting as (
             select s.id from schedules s join content_versions v on v.id = s.content_version_id
             where s.organization_id = $1 and s.status = 'scheduled'
               and v.approved_hash is distinct from content_hash(v)
             order by s.id for update of s
         )
         update schedules set status = 'on_hold', status_reason = $2, awaits_approval = true, awaits_payment = false, waits_for = null,
             updated_at = now()
         from waiting where schedules.id = waiting.id
         returning schedules.id",
        organization.0,
        reason
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(ScheduleId).collect())
}

/// The schedules of an organization that wait for an approval, by their ids.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn awaiting(conn: &mut Conn, organization: OrganizationId) -> Result<Vec<ScheduleId>> {
    let ids: Vec<Uuid> = sqlx::query_scalar!(
        "select id from schedules where organization_id = $1 and awaits_approval order by id",
        organization.0
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(ScheduleId).collect())
}

impl Status {
    /// Whether a schedule in this state goes out by itself when nothing stops it.
    pub const fn goes_out(self) -> bool {
        matches!(self, Status::Scheduled | Status::Publishing)
    }
}
