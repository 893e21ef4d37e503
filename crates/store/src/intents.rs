//! `publish_intents`: committed before the call that publishes, closed by what the call answered.
//!
//! **Invariant:** a definite answer beats "unknown", whoever brings it and whenever; what is closed
//! stays as it is.

use chrono::{DateTime, Utc};
use serde::Serialize;
use std::time::Duration;
use uuid::Uuid;

use crate::{Claim, Conn, Page, Result, Store};
use jobs::{ConnectionId, IntentId, JobId, OrganizationId, ScheduleId};

/// A publishing call, about to be made or made.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// The intent.
    pub id: IntentId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// What is published.
    pub schedule_id: ScheduleId,
    /// Where.
    pub platform_connection_id: ConnectionId,
    /// The job that makes the call.
    pub job_id: JobId,
    /// The text as it is sent.
    pub text: String,
    /// The network's ids of the attachments, in order.
    pub media_ids: Vec<String>,
    /// `open`, `unknown`, `published`, `refused`, `not_sent` or `absent`.
    pub state: String,
    /// The call is not sent after this moment.
    pub send_before: DateTime<Utc>,
    /// No answer can come after this moment.
    pub answer_before: DateTime<Utc>,
    /// Why it ended as it did.
    pub reason: Option<String>,
    /// The network's own id of the post.
    pub platform_post_id: Option<String>,
    /// Where people see the post.
    pub platform_post_url: Option<String>,
    /// Consecutive look-ups that did not find the post.
    pub empty_reads: i32,
    /// When a person was asked to decide.
    pub asked_at: Option<DateTime<Utc>>,
    /// When it was opened.
    pub opened_at: DateTime<Utc>,
    /// When it was closed.
    pub closed_at: Option<DateTime<Utc>>,
}

impl Intent {
    /// What is known of the call.
    pub fn standing(&self) -> Standing {
        match (self.state.as_str(), &self.platform_post_id, &self.platform_post_url) {
            ("published", Some(id), Some(url)) => {
                Standing::Published { id: id.clone(), url: url.clone() }
            }
            ("open", ..) => Standing::Open,
            ("unknown", ..) => Standing::Unknown,
            _ => Standing::NoPost,
        }
    }
}

/// What is known of a publishing call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may be under way, or its worker died.
    Open,
    /// It ended without a clear answer.
    Unknown,
    /// There is a post.
    Published {
        /// The network's own id.
        id: String,
        /// Where people see it.
        url: String,
    },
    /// There is none.
    NoPost,
}

/// Which intents to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only of this schedule.
    pub schedule_id: Option<Uuid>,
    /// Only in this state.
    pub state: Option<String>,
}

/// One intent.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn get(conn: &mut Conn, id: IntentId) -> Result<Option<Intent>> {
    Ok(sqlx::query_as!(
        Intent,
        "select id, organization_id, schedule_id, platform_connection_id, job_id, text, media_ids, state,
                send_before, answer_before, reason, platform_post_id, platform_post_url, empty_reads,
                asked_at, opened_at, closed_at
         from publish_intents where id = $1",
        id.0
    )
    .fetch_optional(conn)
    .await?)
}

/// Intents, newest first.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn list(conn: &mut Conn, filter: &Filter, page: Page) -> Result<Vec<Intent>> {
    Ok(sqlx::query_as!(
        Intent,
        "select id, organization_id, schedule_id, platform_connection_id, job_id, text, media_ids, state,
                send_before, answer_before, reason, platform_post_id, platform_post_url, empty_reads,
                asked_at, opened_at, closed_at
         from publish_intents
         where id < $1 and ($3::uuid is null or schedule_id = $3) and ($4::text is null or state = $4)
         order by id desc limit $2",
        page.below(),
        page.limit,
        filter.schedule_id,
        filter.state
    )
    .fetch_all(conn)
    .await?)
}

/// The schedule's newest call that is not settled as "no post", locked.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn lock_current(conn: &mut Conn, schedule: ScheduleId) -> Result<Option<Intent>> {
    Ok(sqlx::query_as!(
        Intent,
        "select id, organization_id, schedule_id, platform_connection_id, job_id, text, media_ids, state,
                send_before, answer_before, reason, platform_post_id, platform_post_url, empty_reads,
                asked_at, opened_at, closed_at
         from publish_intents where schedule_id = $1 and state in ('open', 'unknown', 'published')
         order by opened_at desc limit 1 for update",
        schedule.0
    )
    .fetch_optional(conn)
    .await?)
}

/// The intent with this id, locked.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn lock(conn: &mut Conn, id: IntentId) -> Result<Option<Intent>> {
    sqlx::query!("select from publish_intents where id = $1 for update", id.0)
        .fetch_optional(&mut *conn)
        .await?;
    get(conn, id).await
}

/// A call that is about to be made.
#[derive(Clone, Debug)]
pub struct NewIntent<'a> {
    /// The new row's id.
    pub id: IntentId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// What is published.
    pub schedule_id: ScheduleId,
    /// Where.
    pub platform_connection_id: ConnectionId,
    /// The claim under which it is made.
    pub claim: Claim,
    /// SHA-256 of the text and the attachments.
    pub text_hash: [u8; 32],
    /// The text as it is sent.
    pub text: &'a str,
    /// The network's ids of the attachments, in order.
    pub media_ids: &'a [String],
    /// How long the call may still be sent.
    pub send_window: Duration,
    /// How long the network may take to answer.
    pub request_timeout: Duration,
}

/// Opens an intent; `false` when another one is open for the schedule, or for the same text on the
/// account.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn open(conn: &mut Conn, intent: &NewIntent<'_>) -> Result<bool> {
    let done = sqlx::query!(
        "insert into publish_intents (id, organization_id, schedule_id, platform_connection_id, job_id,
             claim_no, text_hash, text, media_ids, send_before, answer_before)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9,
                 clock_timestamp() + make_interval(secs => $10),
                 clock_timestamp() + make_interval(secs => $10 + $11))
         on conflict do nothing",
        intent.id.0,
        intent.organization_id.0,
        intent.schedule_id.0,
        intent.platform_connection_id.0,
        intent.claim.job_id.0,
        intent.claim.claim_no,
        &intent.text_hash[..],
        intent.text,
        intent.media_ids,
        intent.send_window.as_secs_f64(),
        intent.request_timeout.as_secs_f64()
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closing<'a> {
    /// There is a post.
    Published {
        /// The network's own id.
        id: &'a str,
        /// Where people see it.
        url: &'a str,
    },
    /// The network refused: there is none.
    Refused {
        /// Why.
        reason: &'a str,
    },
    /// Nothing reached the network: there is none.
    NotSent {
        /// Why.
        reason: &'a str,
    },
    /// Somebody looked: there is none.
    Absent {
        /// Who or what looked.
        reason: &'a str,
    },
    /// There may be one.
    Unknown {
        /// Why.
        reason: &'a str,
    },
}

/// Writes how a call ended; `false` when it was settled before. Nothing but the intent's own state
/// decides, so that the one who made the call may write even when the job is no longer theirs.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn close(conn: &mut Conn, id: IntentId, closing: &Closing<'_>) -> Result<bool> {
    let (state, reason, post) = match *closing {
        Closing::Published { id, url } => ("published", None, Some((id, url))),
        Closing::Refused { reason } => ("refused", Some(reason), None),
        Closing::NotSent { reason } => ("not_sent", Some(reason), None),
        Closing::Absent { reason } => ("absent", Some(reason), None),
        Closing::Unknown { reason } => ("unknown", Some(reason), None),
    };
    let done = sqlx::query!(
        "update publish_intents set state = $2, reason = $3, platform_post_id = $4, platform_post_url = $5,
             closed_at = case when $2 = 'unknown' then null else clock_timestamp() end
         where id = $1 and (state = 'open' or (state = 'unknown' and $2 <> 'unknown'))",
        id.0,
        state,
        reason,
        post.map(|(id, _)| id),
        post.map(|(_, url)| url)
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// [`close`] in a transaction of its own.
///
/// # Errors
/// [`crate::Error::Unavailable`]: then it may be repeated, since a repeated end changes nothing.
pub async fn record(store: &Store, id: IntentId, closing: &Closing<'_>) -> Result<bool> {
    let mut tx = store.begin().await?;
    let written = close(&mut tx, id, closing).await?;
    tx.commit().await?;
    Ok(written)
}

/// When the intent's schedule was first tried to be published with the same text.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn first_call(conn: &mut Conn, id: IntentId) -> Result<Option<DateTime<Utc>>> {
    Ok(sqlx::query_scalar!(
        "select min(earlier.opened_at) from publish_intents earlier
         join publish_intents this on this.schedule_id = earlier.schedule_id
             and this.text_hash = earlier.text_hash
         where this.id = $1",
        id.0
    )
    .fetch_one(conn)
    .await?)
}

/// Counts a look-up that did not find the post; says how many there have been in a row.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn count_empty_read(conn: &mut Conn, id: IntentId) -> Result<i32> {
    Ok(sqlx::query_scalar!(
        "update publish_intents set empty_reads = empty_reads + 1 where id = $1 returning empty_reads",
        id.0
    )
    .fetch_one(conn)
    .await?)
}

/// Notes whether a person was asked to decide.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn set_asked(conn: &mut Conn, id: IntentId, asked: bool) -> Result<()> {
    sqlx::query!(
        "update publish_intents set asked_at = case when $2 then now() end where id = $1",
        id.0,
        asked
    )
    .execute(conn)
    .await?;
    Ok(())
}
