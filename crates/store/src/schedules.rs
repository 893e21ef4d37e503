//! `schedules`: when and where content goes out, what was tried, and what came of it.
//!
//! | file | what |
//! | --- | --- |
//! | `check.rs` | whether content may go out on an account |
//! | `write.rs` | what handlers do to a schedule |
//! | `approval.rs` | what waits for its content to be approved |
//! | `payment.rs` | what waits for its organization to pay |
//! | `ahead/` | checks ahead of time, and what they find |
//! | `near.rs` | what else goes out from an account about some times |
//! | `plan.rs` | the clock turns schedules into jobs |
//! | `late.rs` | what becomes of what is late |
//! | `series/` | recurring schedules, and their occurrences |
//! | `wall_times.rs` | newer time-zone data moves what people gave a time |
//! | `adrift.rs` | schedules whose job ended without a word |
//!
//! **Invariant:** every state but the happy ones carries a reason that a person understands.

mod adrift;
mod ahead;
mod approval;
mod check;
mod late;
mod near;
mod payment;
mod plan;
pub mod series;
mod status;
#[cfg(test)]
mod tests;
mod wall_times;
mod write;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use crate::{Conn, Page, Result};
use jobs::{ConnectionId, ContentVersionId, OrganizationId, ScheduleId};

pub use adrift::{Mended, Mending, mend_adrift};
pub use ahead::{
    Asking, DueCheck, Finding, Warning, begin_asking, check_again, check_key, due_to_check,
    end_asking, forget_causes, look, rights, warn, warned, warned_of_account,
};
pub use approval::{
    OnItsWay, await_approval, awaiting, hold_unapproved, of_content, on_its_way, resume,
};
pub use check::{Attachment, Publishable, check_publishable};
pub use late::{Missed, Verdict, miss, miss_overdue, verdict};
pub use near::{Near, near};
pub use payment::{await_payment, awaiting_payment, hold_unpaid, lock_all};
pub use plan::{Due, due_to_prepare, due_to_publish};
pub use series::{
    Ahead, Counted, Expanded, Named, Occurrence, Place, SeriesJob, Waiting, awaits_its_series,
    count_again, delete, expand, follow_zones, lock_ahead, make_early, name_occurrence, note,
    occurrences, place, reserve_due, series_jobs, wait_for_series, which_occurrence,
};
pub use status::Status;
pub use wall_times::{Followed, WalkedTo, follow_wall_times};
pub use write::{
    Entry, LiveJob, Locked, Move, NewSchedule, Prepared, forget_prepared, insert, live_jobs, lock,
    move_to, published, put_on_hold, reschedule, restart, save_prepared,
};

/// A schedule as people see it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// The schedule.
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
    #[schema(value_type = String, example = "2026-12-24T18:00:00")]
    pub wall_time: NaiveDateTime,
    /// IANA zone of the wall time.
    pub timezone: String,
    /// `scheduled`, `publishing`, `awaiting_platform`, `published`, `failed`, `unconfirmed`,
    /// `missed`, `skipped`, `on_hold` or `cancelled`; of a recurring one `active`, `paused` or `ended`.
    pub status: String,
    /// What a person must know about the status.
    pub status_reason: Option<String>,
    /// Whether it is on hold only because its content is not approved: it goes on when it is.
    pub awaits_approval: bool,
    /// Whether it is on hold only because its organization is: it goes on when it pays.
    pub awaits_payment: bool,
    /// What else it is on hold for, and goes on when it is there: `series`, when the series of which it is
    /// an occurrence is paused; `quota`, room in the plan.
    pub waits_for: Option<String>,
    /// What becomes of it when it is late: `skip`, `latest` or `all`.
    pub catch_up: String,
    /// How late it may go out.
    #[serde(rename = "catchUpWindowSecs")]
    pub catch_up_secs: i32,
    /// What will keep it from going out, as far as is known now. It is checked when it is made, a day, an
    /// hour and 35 minutes before its time.
    #[schema(value_type = Vec<Warning>)]
    pub warnings: Json<Vec<Warning>>,
    /// The network's own id of the post.
    pub published_post_id: Option<String>,
    /// Where people see the post.
    pub published_post_url: Option<String>,
    /// When it went out.
    pub published_at: Option<DateTime<Utc>>,
    /// What went wrong last.
    pub error_message: Option<String>,
    /// Attempts that failed.
    pub retry_count: i32,
    /// How often a failed attempt is repeated.
    pub max_retries: i32,
    /// One entry for each attempt: `at`, `outcome`, `message`, `attempt`.
    pub attempt_log: Value,
    /// Whether it recurs.
    pub is_recurring: bool,
    /// `daily`, `weekly`, `monthly` or `cron`.
    pub recurrence_pattern: Option<String>,
    /// When it stops to recur.
    pub recurrence_end_date: Option<DateTime<Utc>>,
    /// The recurring schedule of which this is an occurrence.
    pub parent_schedule_id: Option<Uuid>,
    /// The local time that the series planned for this occurrence, wherever a person moved it.
    #[schema(value_type = Option<String>, example = "2026-12-24T18:00:00")]
    pub planned_at_local: Option<NaiveDateTime>,
    /// Which pass of a local time that exists twice: 0 for the first, and for all others.
    pub fold: Option<i16>,
    /// Which of the series' occurrences it is, from 0.
    pub occurrence_number: Option<i64>,
    /// Whether a person gave this occurrence another time.
    pub is_moved: bool,
    /// Whether a person gave this occurrence other content.
    pub is_edited: bool,
    /// Who scheduled it.
    pub created_by: String,
    /// When it was scheduled.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// Which schedules to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only of this status.
    pub status: Option<String>,
    /// Only of this account.
    pub platform_connection_id: Option<Uuid>,
    /// Only of this content version.
    pub content_version_id: Option<Uuid>,
    /// Only those that go out at or after this moment.
    pub scheduled_from: Option<DateTime<Utc>>,
    /// Only those that go out before this moment.
    pub scheduled_before: Option<DateTime<Utc>>,
    /// Only occurrences of this series.
    pub parent_schedule_id: Option<Uuid>,
    /// Only recurring ones, or only others.
    pub is_recurring: Option<bool>,
}

/// One schedule.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn get(conn: &mut Conn, id: ScheduleId) -> Result<Option<Schedule>> {
    Ok(sqlx::query_as!(
        Schedule,
        r#"select id, organization_id, content_version_id, platform_connection_id, scheduled_at, wall_time,
                timezone, status, status_reason, awaits_approval, awaits_payment, waits_for, catch_up, catch_up_secs,
                case when status in ('scheduled', 'on_hold') then warnings else '[]' end
                    as "warnings!: Json<Vec<Warning>>",
                published_post_id, published_post_url,
                published_at, error_message, retry_count, max_retries, attempt_log, is_recurring, recurrence_pattern,
                recurrence_end_date, parent_schedule_id, planned_at_local, fold, occurrence_number, is_moved, is_edited,
                created_by, created_at, updated_at
         from schedules where id = $1"#,
        id.0
    )
    .fetch_optional(conn)
    .await?)
}

/// Schedules, newest first.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn list(conn: &mut Conn, filter: &Filter, page: Page) -> Result<Vec<Schedule>> {
    Ok(sqlx::query_as!(
        Schedule,
        r#"select id, organization_id, content_version_id, platform_connection_id, scheduled_at, wall_time,
                timezone, status, status_reason, awaits_approval, awaits_payment, waits_for, catch_up, catch_up_secs,
                case when status in ('scheduled', 'on_hold') then warnings else '[]' end
                    as "warnings!: Json<Vec<Warning>>",
                published_post_id, published_post_url,
                published_at, error_message, retry_count, max_retries, attempt_log, is_recurring, recurrence_pattern,
                recurrence_end_date, parent_schedule_id, planned_at_local, fold, occurrence_number, is_moved, is_edited,
                created_by, created_at, updated_at
         from schedules
         where id < $1 and ($3::text is null or status = $3)
           and ($4::uuid is null or platform_connection_id = $4)
           and ($5::uuid is null or content_version_id = $5)
           and ($6::timestamptz is null or scheduled_at >= $6)
           and ($7::timestamptz is null or scheduled_at < $7)
           and ($8::uuid is null or parent_schedule_id = $8)
           and ($9::bool is null or is_recurring = $9)
         order by id desc limit $2"#,
        page.below(),
        page.limit,
        filter.status,
        filter.platform_connection_id,
        filter.content_version_id,
        filter.scheduled_from,
        filter.scheduled_before,
        filter.parent_schedule_id,
        filter.is_recurring
    )
    .fetch_all(conn)
    .await?)
}

/// The key that makes a schedule's publishing job the only live one.
pub fn publish_key(schedule: ScheduleId) -> String {
    format!("publish:{schedule}")
}

/// The key that makes a schedule's preparing job the only live one.
pub fn prepare_key(schedule: ScheduleId) -> String {
    format!("prepare:{schedule}")
}

/// The key that makes an intent's look-up job the only live one.
pub fn reconcile_key(intent: jobs::IntentId) -> String {
    format!("reconcile:{intent}")
}
