//! Schedules whose job ended without a word: quarantined after crashes, timed out for good,
//! cancelled.
//!
//! The scheduler calls this every few seconds; with nothing adrift it costs a look into three small
//! indexes.
//!
//! **Invariant:** a schedule whose call may have been answered is looked up, never published again.

use chrono::{DateTime, Utc};
use serde_json::json;
use std::time::Duration;

use super::{Entry, Move, Status, move_to, publish_key, reconcile_key};
use crate::usage::{self, Ended};
use crate::{Conn, Result, events, ledger};
use jobs::kinds::{PublishPost, ReconcilePost};
use jobs::{IntentId, NewJob, OrganizationId, Origin, ScheduleId};

/// How long nothing has happened before a schedule counts as adrift.
const SILENCE: Duration = Duration::from_secs(30);

/// What is done about a schedule that is adrift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mending {
    /// Its post is known, but was not recorded: a job records it.
    Record,
    /// Its call may have been answered: a job looks.
    LookUp,
    /// No look-up will come any more: a person is asked.
    AskPerson,
    /// It did not go out.
    Fail,
    /// Its job was cancelled, so it is.
    Cancel,
}

/// A schedule that was adrift.
#[derive(Clone, Copy, Debug)]
pub struct Mended {
    /// The schedule.
    pub schedule_id: ScheduleId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// What was done about it.
    pub mending: Mending,
}

/// Finds at most `limit` schedules that wait for something no live job will do, and mends them in
/// this transaction. Jobs that are enqueued go to the publish queue.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn mend_adrift(conn: &mut Conn, limit: i64) -> Result<Vec<Mended>> {
    let rows = sqlx::query_file!("src/schedules/adrift.sql", SILENCE.as_secs_f64(), limit)
        .fetch_all(&mut *conn)
        .await?;
    let mut mended = Vec::with_capacity(rows.len());
    for row in rows {
        let schedule = Adrift {
            id: ScheduleId(row.id),
            organization: OrganizationId(row.organization_id),
            intent: row.intent_id.map(IntentId).zip(row.answer_before),
            message: row.message,
        };
        let mending =
            decide(Status::read(&row.status)?, row.intent_state.as_deref(), row.outcome.as_deref());
        schedule.mend(conn, mending).await?;
        mended.push(Mended {
            schedule_id: schedule.id,
            organization_id: schedule.organization,
            mending,
        });
    }
    Ok(mended)
}

fn decide(status: Status, intent: Option<&str>, outcome: Option<&str>) -> Mending {
    match (intent, outcome) {
        (Some("published"), _) => Mending::Record,
        (Some(_), _) if status == Status::Unconfirmed => Mending::AskPerson,
        (Some(_), _) => Mending::LookUp,
        (None, Some("cancelled")) => Mending::Cancel,
        (None, _) => Mending::Fail,
    }
}

struct Adrift {
    id: ScheduleId,
    organization: OrganizationId,
    intent: Option<(IntentId, DateTime<Utc>)>,
    message: Option<String>,
}

impl Adrift {
    async fn mend(&self, conn: &mut Conn, mending: Mending) -> Result<()> {
        let why = self.message.as_deref().unwrap_or("its job ended without saying why");
        match (mending, self.intent) {
            (Mending::Record, _) => self.enqueue_publish(conn).await,
            (Mending::LookUp, Some((intent, answer_before))) => {
                let reason = "The worker died while it published; the account is being looked through for the post.";
                self.change(conn, Status::Unconfirmed, reason, "post.unconfirmed").await?;
                self.enqueue_look_up(conn, intent, answer_before).await
            }
            (Mending::AskPerson, Some((intent, _))) => {
                let reason = "Whether the post is out could not be found out. Look at the account, then say whether it is there or shall be published again.";
                crate::intents::set_asked(conn, intent, true).await?;
                self.change(conn, Status::Unconfirmed, reason, "post.unconfirmed").await
            }
            (Mending::Cancel, _) => {
                let reason = format!("Its publishing job was cancelled: {why}");
                self.change(conn, Status::Cancelled, &reason, "post.cancelled").await
            }
            (Mending::Fail, _) | (Mending::LookUp | Mending::AskPerson, None) => {
                let reason = format!("It was not published: {why}");
                self.change(conn, Status::Failed, &reason, "post.failed").await
            }
        }
    }

    async fn change(&self, conn: &mut Conn, to: Status, reason: &str, event: &str) -> Result<()> {
        let at = crate::now(conn).await?;
        let error = (to == Status::Failed).then_some(reason);
        let entry = Entry { at, outcome: to.as_str(), message: reason, attempt: None };
        let change =
            Move { to, reason: Some(reason), error, failed_attempts: 0, entry: Some(entry) };
        move_to(conn, self.id, &change).await?;
        let data = json!({ "scheduleId": self.id });
        events::record(conn, self.organization, event, "schedule", self.id.0, reason, data).await?;
        if to == Status::Cancelled {
            usage::end(conn, self.id.0, Ended::Released).await?;
        }
        Ok(())
    }

    async fn enqueue_publish(&self, conn: &mut Conn) -> Result<()> {
        let args = PublishPost { schedule_id: self.id };
        let mut job = NewJob::new(Origin::Scheduler, Some(self.organization), &args);
        job.unique_key = Some(publish_key(self.id));
        ledger::enqueue(conn, &[job]).await.map(drop)
    }

    async fn enqueue_look_up(
        &self,
        conn: &mut Conn,
        intent: IntentId,
        answer_before: DateTime<Utc>,
    ) -> Result<()> {
        let args = ReconcilePost { schedule_id: self.id, intent_id: intent };
        let mut job = NewJob::new(Origin::Scheduler, Some(self.organization), &args);
        job.run_at = Some(answer_before);
        job.unique_key = Some(reconcile_key(intent));
        ledger::enqueue(conn, &[job]).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_may_have_been_answered_is_looked_up_and_never_repeated() {
        for state in ["open", "unknown"] {
            assert_eq!(decide(Status::Publishing, Some(state), Some("dead")), Mending::LookUp);
            assert_eq!(decide(Status::Scheduled, Some(state), Some("cancelled")), Mending::LookUp);
            assert_eq!(decide(Status::Unconfirmed, Some(state), None), Mending::AskPerson);
        }
    }

    #[test]
    fn a_post_that_is_known_is_recorded() {
        for status in [Status::Scheduled, Status::Publishing, Status::Unconfirmed] {
            assert_eq!(decide(status, Some("published"), Some("dead")), Mending::Record);
        }
    }

    #[test]
    fn without_a_call_the_end_of_the_job_is_the_end_of_the_schedule() {
        assert_eq!(decide(Status::Publishing, None, Some("dead")), Mending::Fail);
        assert_eq!(decide(Status::Scheduled, None, Some("cancelled")), Mending::Cancel);
        assert_eq!(decide(Status::Scheduled, None, None), Mending::Fail);
    }
}
