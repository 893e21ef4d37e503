//! `webhook_events`: what networks told by webhook, each event once, as it came.
//!
//! The API keeps them, with the job that looks at them, by a function that can do nothing else; the worker
//! reads them and writes what came of each.
//!
//! **Invariant:** an event that came again within 30 days makes no job.

use chrono::{DateTime, Utc};

use crate::{Conn, Result, Store};
use jobs::{NewJob, WebhookEventId};

/// An authentic event.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// The new row's id.
    pub id: WebhookEventId,
    /// The sender's own id of it.
    pub event_id: String,
    /// The sender's word for what happened.
    pub event_type: Option<String>,
    /// The bytes whose signature was checked.
    pub body: String,
}

/// Keeps the events that are new, together with a job for them; answers how many are new. The function
/// in the database makes the job's arguments.
///
/// # Errors
/// [`crate::Error::Forbidden`] for a kind that no network may enqueue; [`crate::Error::Unavailable`].
pub async fn receive(store: &Store, sender: &str, events: &[Arrived], job: &NewJob) -> Result<u64> {
    macro_rules! column {
        ($event:ident => $value:expr) => {
            events.iter().map(|$event| $value).collect::<Vec<_>>()
        };
    }
    let spec = job.kind.spec();
    let new = sqlx::query_scalar!(
        r#"select receive_webhooks($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) as "new!""#,
        sender,
        &column!(event => event.id.0),
        &column!(event => event.event_id.as_str()) as &[&str],
        &column!(event => event.event_type.as_deref()) as &[Option<&str>],
        &column!(event => event.body.as_str()) as &[&str],
        job.id.0,
        job.kind.as_str(),
        spec.queue.as_str(),
        spec.args_version,
        i32::try_from(job.max_attempts).unwrap_or(i32::MAX),
        job.trace_context
    )
    .fetch_one(store.pool()?)
    .await?;
    Ok(new.cast_unsigned())
}

/// An event as it was kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The event.
    pub id: WebhookEventId,
    /// The sender's own id of it.
    pub event_id: String,
    /// What came.
    pub body: String,
    /// When it came first.
    pub received_at: DateTime<Utc>,
}

/// Those of the events that nobody has looked at, in the order in which they came.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn new_ones(conn: &mut Conn, ids: &[WebhookEventId]) -> Result<Vec<Kept>> {
    let ids: Vec<uuid::Uuid> = ids.iter().map(|id| id.0).collect();
    Ok(sqlx::query_as!(
        Kept,
        "select id, event_id, body, received_at from webhook_events
         where id = any ($1) and outcome is null order by id",
        &ids
    )
    .fetch_all(conn)
    .await?)
}

/// What came of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It changed something, or said again what was known.
    Applied,
    /// It is about nobody here, yet.
    Unmatched,
    /// It is understood, and nothing follows from it.
    Ignored,
    /// It is not understood.
    Unknown,
}

impl Outcome {
    /// The word in rows and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Applied => "applied",
            Outcome::Unmatched => "unmatched",
            Outcome::Ignored => "ignored",
            Outcome::Unknown => "unknown",
        }
    }
}

/// An event, what came of it, and whom it is about in the sender's words.
pub type Looked<'a> = (WebhookEventId, Outcome, Option<&'a str>);

/// Writes what came of events.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn conclude(conn: &mut Conn, looked: &[Looked<'_>]) -> Result<()> {
    let ids: Vec<uuid::Uuid> = looked.iter().map(|(id, ..)| id.0).collect();
    let outcomes: Vec<&str> = looked.iter().map(|(_, outcome, _)| outcome.as_str()).collect();
    let subjects: Vec<Option<&str>> = looked.iter().map(|(.., subject)| *subject).collect();
    sqlx::query!(
        "update webhook_events e set outcome = l.outcome, subject = l.subject
         from unnest($1::uuid[], $2::text[], $3::text[]) as l (id, outcome, subject) where e.id = l.id",
        &ids,
        &outcomes as &[&str],
        &subjects as &[Option<&str>]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Events that were about nobody, and are about this subject, are to be looked at again: answers them.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn reopen(conn: &mut Conn, sender: &str, subject: &str) -> Result<Vec<WebhookEventId>> {
    let ids = sqlx::query_scalar!(
        "update webhook_events set outcome = null
         where sender = $1 and subject = $2 and outcome = 'unmatched' returning id",
        sender,
        subject
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(WebhookEventId).collect())
}

/// Deletes at most `limit` events older than 30 days; says how many.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn prune(conn: &mut Conn, limit: i64) -> Result<u64> {
    let done = sqlx::query!(
        "delete from webhook_events where id in (
             select id from webhook_events where received_at < now() - interval '30 days'
             order by received_at limit $1)",
        limit
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
