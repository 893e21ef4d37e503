//! What becomes of schedules that could not go out on time, by their own policies.
//!
//! The database decides (`late_verdict` in the migrations), by its clock: where the clock would plan a schedule,
//! where a worker takes it in hand, and where one that was on hold goes on.
//!
//! **Invariant:** what is missed says why, is told to its people, and counts no more.

use serde_json::json;
use uuid::Uuid;

use super::{Entry, Locked, Move, Status, move_to};
use crate::usage::{self, Ended};
use crate::{Conn, Result, events};
use jobs::{OrganizationId, ScheduleId};

/// Whether a schedule may still go out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Go,
    /// Nobody knows before its series is expanded up to now, which is a matter of moments.
    Wait,
    /// It may not.
    Missed {
        /// Why, for people.
        reason: String,
    },
}

/// Whether a locked schedule may still go out.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn verdict(conn: &mut Conn, id: ScheduleId) -> Result<Verdict> {
    let row = sqlx::query!(
        r#"select late_verdict(s) = 'wait' as "waits!", late_reason(s) as reason from schedules s where id = $1"#,
        id.0
    )
    .fetch_one(conn)
    .await?;
    Ok(match row.reason {
        Some(reason) => Verdict::Missed { reason },
        None if row.waits => Verdict::Wait,
        None => Verdict::Go,
    })
}

/// Writes that the moment of a locked schedule passed, tells its people, and counts it no more.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn miss(conn: &mut Conn, schedule: &Locked, entry: Entry<'_>) -> Result<()> {
    let reason = entry.message;
    let change = Move { reason: Some(reason), entry: Some(entry), ..Move::to(Status::Missed) };
    move_to(conn, schedule.id, &change).await?;
    usage::end(conn, schedule.id.0, Ended::Released).await?;
    let data = json!({
        "scheduleId": schedule.id,
        "contentVersionId": schedule.content_version_id,
        "platformConnectionId": schedule.platform_connection_id,
        "parentScheduleId": schedule.parent_schedule_id,
    });
    let (id, organization) = (schedule.id.0, schedule.organization_id);
    events::record(conn, organization, "post.missed", "schedule", id, reason, data).await
}

/// A schedule that was missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// The schedule.
    pub schedule_id: ScheduleId,
    /// Whose it is.
    pub organization_id: OrganizationId,
}

/// Writes of at most `limit` schedules that nobody planned in time, and that are too late by their policies,
/// that they are missed. To be called before [`super::due_to_publish`].
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn miss_overdue(conn: &mut Conn, limit: i64) -> Result<Vec<Missed>> {
    let rows = sqlx::query!(
        "with overdue as (
             select s.id, late_reason(s) as reason from schedules s
             where s.status = 'scheduled' and not s.is_recurring and s.publish_planned_at is null
               and s.scheduled_at < now() - interval '60 seconds'
               and late_verdict(s) in ('late', 'superseded')
             order by s.scheduled_at limit $1 for update skip locked
         ),
         missed as (
             update schedules s
             set status = 'missed', status_reason = o.reason, reserve_at = null, updated_at = now(),
                 attempt_log = attempt_log || jsonb_build_array(jsonb_build_object(
                     'at', now(), 'outcome', 'missed', 'message', o.reason))
             from overdue o where s.id = o.id
             returning s.id, s.organization_id, s.content_version_id, s.platform_connection_id,
                       s.parent_schedule_id, s.scheduled_at, o.reason
         ),
         told as (
             insert into events (organization_id, type, subject_type, subject_id, message, data)
             select organization_id, 'post.missed', 'schedule', id, reason,
                    jsonb_build_object('scheduleId', id, 'contentVersionId', content_version_id,
                                       'platformConnectionId', platform_connection_id,
                                       'parentScheduleId', parent_schedule_id)
             from missed order by scheduled_at, id
         )
         select id, organization_id from missed",
        limit
    )
    .fetch_all(&mut *conn)
    .await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    usage::release(conn, &ids).await?;
    let missed = |id, organization| Missed {
        schedule_id: ScheduleId(id),
        organization_id: OrganizationId(organization),
    };
    Ok(rows.into_iter().map(|row| missed(row.id, row.organization_id)).collect())
}
