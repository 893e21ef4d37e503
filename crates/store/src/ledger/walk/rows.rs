//! The ledger as it stands, and whether it is what the protocol says.

use chrono::{DateTime, Utc};
use serde_json::Value;
use std::collections::HashMap;
use uuid::Uuid;

use super::world::World;
use jobs::protocol::{Outcome, State};

#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct Found {
    id: Uuid,
    pub(super) state: String,
    pub(super) run_at: DateTime<Utc>,
    attempt: i32,
    max_attempts: i32,
    crashes: i32,
    claim_no: i64,
    cancel_requested: bool,
    begun: bool,
    worker: Option<Uuid>,
    pub(super) parked_by: Option<String>,
    progress: Option<Value>,
    permits: Vec<String>,
}

/// The word of a state in rows.
fn word(state: State) -> &'static str {
    match state {
        State::Scheduled => "scheduled",
        State::Ready => "ready",
        State::Running => "running",
        State::Ended(outcome) => outcome.as_str(),
    }
}

impl World {
    pub(super) async fn rows(&mut self) -> HashMap<Uuid, Found> {
        let rows: Vec<Found> = sqlx::query_as(
            "select id, state, run_at, attempt, max_attempts, crashes, claim_no, cancel_requested,
                    state = 'running' and started_at is not null as begun, worker, parked_by, progress, permits from jobs
             union all
             select id, outcome, run_at, attempt, max_attempts, crashes, claim_no, false,
                    false, worker, null, null, '{}' from job_history",
        )
        .fetch_all(&mut *self.conn)
        .await
        .unwrap();
        let all = rows.len();
        let by_id: HashMap<Uuid, Found> = rows.into_iter().map(|row| (row.id, row)).collect();
        assert_eq!(by_id.len(), all, "a job is live and ended at once, {}", self.at);
        by_id
    }

    /// Every job is where the protocol says that it is.
    pub(super) async fn compare(&mut self) {
        let rows = self.rows().await;
        assert_eq!(rows.len(), self.jobs.len(), "a job is lost, {}", self.at);
        for (id, known) in &mut self.jobs {
            let row = &rows[id];
            let ended = matches!(known.job.state, State::Ended(_));
            let at = format!("\n  {known:?}\n  {row:?}\n  {}", self.at);
            assert_eq!(row.state, word(known.job.state), "state, {at}");
            assert_eq!(row.attempt, known.job.attempt.cast_signed(), "attempt, {at}");
            assert_eq!(row.max_attempts, known.job.max_attempts.cast_signed(), "attempts, {at}");
            assert_eq!(row.crashes, known.job.crashes.cast_signed(), "crashes, {at}");
            assert_eq!(row.claim_no, known.job.claim_no.cast_signed(), "claim, {at}");
            // The database reads its clock a little later than the test, and adds jitter.
            let late = row.run_at - known.job.run_at;
            assert!((0..10_000).contains(&late.num_milliseconds()), "{late} late, {at}");
            known.job.run_at = row.run_at;
            if ended {
                continue;
            }
            assert_eq!(row.cancel_requested, known.job.cancel_requested, "cancel, {at}");
            assert_eq!(row.begun, known.job.begun, "begun, {at}");
            assert_eq!(row.worker, known.holder.map(|worker| worker.0), "worker, {at}");
            assert_eq!(row.progress, known.progress, "progress, {at}");
            assert_eq!(row.permits, known.permits, "permits, {at}");
            if known.job.state == State::Scheduled {
                assert_eq!(row.parked_by, known.parked_by, "parked by, {at}");
            }
        }
    }
}

/// Whether the job ended so.
pub(super) fn ended(state: State) -> Option<Outcome> {
    match state {
        State::Ended(outcome) => Some(outcome),
        State::Scheduled | State::Ready | State::Running => None,
    }
}
