//! Ending runs: in groups by the worker's finisher, or one job inside its handler's transaction.
//!
//! **Invariant:** a run is ended by the claim that began it, or not at all.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::borrow::Borrow;
use std::time::Duration;
use uuid::Uuid;

use crate::{Claim, Claimed, Conn, Result};
use jobs::protocol::Outcome;
use jobs::{JobId, Problem, Wait};

/// How a run ended.
#[derive(Clone, Debug)]
pub enum Finish {
    /// The work is done.
    Done(Value),
    /// The attempt failed; the next one not before this pause is over.
    Retry(Problem, Duration),
    /// Not now.
    Snooze(DateTime<Utc>, Wait),
    /// Not now: again when this pause is over.
    SnoozeFor(Duration, Wait),
    /// No attempt can succeed.
    Dead(Problem),
    /// No longer wanted.
    Cancelled(Problem),
}

/// What became of a run that was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The job.
    pub job_id: JobId,
    /// How it ended; `None` when it waits for another run.
    pub outcome: Option<Outcome>,
}

/// Ends runs in one statement. Runs whose claim is lost are missing from the answer.
///
/// # Errors
/// [`crate::Error::Unavailable`]: then it may be repeated, since a repeated end changes nothing.
pub async fn finish<F>(conn: &mut Conn, runs: &[(Claim, F)]) -> Result<Vec<Ended>>
where
    F: Borrow<Finish>,
{
    let mut ids = Vec::with_capacity(runs.len());
    let mut claims = Vec::with_capacity(runs.len());
    let mut verdicts: Vec<&str> = Vec::with_capacity(runs.len());
    let mut untils: Vec<Option<DateTime<Utc>>> = Vec::with_capacity(runs.len());
    let mut pauses: Vec<Option<f64>> = Vec::with_capacity(runs.len());
    let mut errors: Vec<Option<Value>> = Vec::with_capacity(runs.len());
    let mut results: Vec<Option<&Value>> = Vec::with_capacity(runs.len());
    let mut waits: Vec<Option<Value>> = Vec::with_capacity(runs.len());
    for (claim, finish) in runs {
        ids.push(claim.job_id.0);
        claims.push(claim.claim_no);
        let (verdict, until, pause, error, result, wait) = match finish.borrow() {
            Finish::Done(result) => ("done", None, None, None, Some(result), None),
            Finish::Retry(problem, pause) => {
                let wait = Wait {
                    code: "retry".into(),
                    message: format!("tries again after: {}", problem.message),
                    key: None,
                };
                ("retry", None, Some(pause.as_secs_f64()), Some(problem), None, Some(wait))
            }
            Finish::Snooze(until, wait) => {
                ("snooze", Some(*until), None, None, None, Some(wait.clone()))
            }
            Finish::SnoozeFor(pause, wait) => {
                ("snooze", None, Some(pause.as_secs_f64()), None, None, Some(wait.clone()))
            }
            Finish::Dead(problem) => ("dead", None, None, Some(problem), None, None),
            Finish::Cancelled(problem) => ("cancelled", None, None, Some(problem), None, None),
        };
        verdicts.push(verdict);
        untils.push(until);
        pauses.push(pause);
        errors.push(error.map(|problem| json!(problem)));
        results.push(result);
        waits.push(wait.map(|wait| json!(wait)));
    }
    let rows = sqlx::query_file!(
        "src/ledger/finish.sql",
        &ids,
        &claims,
        &verdicts as &[&str],
        &untils as &[Option<DateTime<Utc>>],
        &pauses as &[Option<f64>],
        &errors as &[Option<Value>],
        &results as &[Option<&Value>],
        &waits as &[Option<Value>]
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Ended {
            job_id: JobId(row.id),
            outcome: row.outcome.as_deref().and_then(outcome),
        })
        .collect())
}

pub(super) fn outcome(word: &str) -> Option<Outcome> {
    [Outcome::Done, Outcome::Dead, Outcome::Cancelled].into_iter().find(|o| o.as_str() == word)
}

/// Gives running jobs back unharmed: they are ready again at once, or cancelled when somebody asked
/// for that. Says how many were still the worker's.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn hand_back(conn: &mut Conn, claims: &[Claim]) -> Result<u64> {
    let (ids, numbers): (Vec<Uuid>, Vec<i64>) =
        claims.iter().map(|claim| (claim.job_id.0, claim.claim_no)).unzip();
    let done =
        sqlx::query_file!("src/ledger/hand_back.sql", &ids, &numbers).fetch_all(conn).await?;
    Ok(done.len() as u64)
}

/// Writes how far a run has come.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn progress(tx: &mut Claimed, progress: &Value) -> Result<()> {
    let job = tx.claim().job_id;
    sqlx::query!("update jobs set progress = $2 where id = $1", job.0, progress)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
