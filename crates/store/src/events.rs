//! Events: what the people of an organization must know.
//!
//! Recorded by handlers and the scheduler in the transaction that made them true; read by
//! `/v1/events` as a feed.
//!
//! **Invariant:** a reader who always asks for what comes after the last cursor misses nothing:
//! the feed is in the order of transactions, and ends before the oldest one that still runs.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

use crate::{Conn, Result};
use jobs::OrganizationId;

/// An event as people see it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The event.
    pub id: i64,
    /// Whose event it is.
    pub organization_id: OrganizationId,
    /// What happened, as a stable word such as `post.published`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// What kind of thing it happened to, such as `schedule`.
    pub subject_type: String,
    /// What it happened to.
    pub subject_id: Uuid,
    /// What happened, for people.
    pub message: String,
    /// What happened, for programs.
    pub data: Value,
    /// When it happened.
    pub created_at: DateTime<Utc>,
    /// Its place in the feed.
    #[serde(skip)]
    pub xid: String,
}

impl Event {
    /// The place in the feed behind this event.
    pub fn cursor(&self) -> Cursor {
        Cursor { xid: self.xid.parse().unwrap_or_default(), seq: self.id }
    }
}

/// A place in the feed. Opaque to callers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    xid: u64,
    seq: i64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.xid, self.seq)
    }
}

/// The text is not a cursor of the feed.
#[derive(Debug, thiserror::Error)]
#[error("not a cursor: expected one that an earlier answer gave")]
pub struct NotACursor;

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> std::result::Result<Self, NotACursor> {
        let (xid, seq) = text.split_once('-').ok_or(NotACursor)?;
        Ok(Self {
            xid: u64::from_str_radix(xid, 16).map_err(|_| NotACursor)?,
            seq: i64::from_str_radix(seq, 16).map_err(|_| NotACursor)?,
        })
    }
}

/// Records an event; it is in the feed once the transaction is committed.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn record(
    conn: &mut Conn,
    organization: OrganizationId,
    event_type: &str,
    subject_type: &str,
    subject_id: Uuid,
    message: &str,
    data: Value,
) -> Result<()> {
    sqlx::query!(
        "insert into events (organization_id, type, subject_type, subject_id, message, data)
         values ($1, $2, $3, $4, $5, $6)",
        organization.0,
        event_type,
        subject_type,
        subject_id,
        message,
        data
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The events behind a cursor, oldest first; from the beginning when there is none.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn feed(conn: &mut Conn, after: Option<Cursor>, limit: i64) -> Result<Vec<Event>> {
    let after = after.unwrap_or_default();
    Ok(sqlx::query_as!(
        Event,
        r#"select seq as id, organization_id, type as event_type, subject_type, subject_id, message,
                  data, created_at, xid::text as "xid!"
           from events
           where (xid, seq) > ($1::text::xid8, $2) and xid < pg_snapshot_xmin(pg_current_snapshot())
           order by xid, seq limit $3"#,
        after.xid.to_string(),
        after.seq,
        limit
    )
    .fetch_all(conn)
    .await?)
}

/// One event.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn get(conn: &mut Conn, id: i64) -> Result<Option<Event>> {
    Ok(sqlx::query_as!(
        Event,
        r#"select seq as id, organization_id, type as event_type, subject_type, subject_id, message,
                  data, created_at, xid::text as "xid!"
           from events where seq = $1"#,
        id
    )
    .fetch_optional(conn)
    .await?)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::organizations::{self, NewOrganization};
    use crate::testing::Scratch;
    use serde_json::json;

    #[test]
    fn a_cursor_comes_back_from_its_text() {
        let cursor = Cursor { xid: u64::MAX, seq: 77 };
        assert_eq!(cursor.to_string().parse::<Cursor>().ok(), Some(cursor));
        for text in ["", "7", "-", "x-1", "1-x", "1-2-3"] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn an_event_that_is_committed_late_is_not_missed() {
        let scratch = Scratch::new().await;
        let organization = OrganizationId::new();
        let mut tx = scratch.store.begin().await.unwrap();
        let new = NewOrganization {
            id: organization,
            name: "Acme",
            slug: "acme",
            plan: "starter",
            timezone: "UTC",
        };
        organizations::insert(&mut tx, new).await.unwrap();
        tx.commit().await.unwrap();

        let mut early = scratch.store.begin().await.unwrap();
        let mut late = scratch.store.begin().await.unwrap();
        for (tx, message) in [(&mut early, "begun first"), (&mut late, "begun second")] {
            let subject = Uuid::now_v7();
            record(tx, organization, "t", "s", subject, message, json!({})).await.unwrap();
        }
        late.commit().await.unwrap();
        let mut reader = scratch.store.begin().await.unwrap();
        let seen = feed(&mut reader, None, 10).await.unwrap();
        assert!(seen.is_empty(), "an older write has not ended: {seen:?}");
        early.commit().await.unwrap();

        // An older transaction of any database of the server holds the feed back: other tests' too.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        let mut cursor = None;
        let mut messages = Vec::new();
        while messages.len() < 2 && std::time::Instant::now() < deadline {
            if let [event] = &feed(&mut reader, cursor, 1).await.unwrap()[..] {
                cursor = Some(event.cursor().to_string().parse().unwrap());
                messages.push(event.message.clone());
            } else {
                tokio::task::yield_now().await;
            }
        }
        assert!(feed(&mut reader, cursor, 1).await.unwrap().is_empty(), "nothing is seen twice");
        assert_eq!(messages, ["begun first", "begun second"]);
        reader.commit().await.unwrap();
        scratch.drop().await;
    }
}
