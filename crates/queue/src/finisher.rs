//! Ends runs in groups: whatever has come in while one group was committed is the next group.
//!
//! **Invariant:** a run is dropped from here only when the ledger knows how it ended, or when its
//! claim is lost; the database being away only makes it wait.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

use crate::end::{CloseKey, Settle};
use crate::figures::{self, Operation, RunFigures};
use crate::held::Held;
use crate::lease::Lease;
use crate::seats::Unsettled;
use bell::Bell;
use jobs::{Code, JobId, Problem, Queue};
use store::ledger::{self, Finish};
use store::{Claim, Error, Store};

/// One run to be settled.
#[derive(Debug)]
pub(crate) struct Settlement {
    pub(crate) claim: Claim,
    pub(crate) queue: Queue,
    pub(crate) notify_end: bool,
    pub(crate) settle: Settle,
    pub(crate) figures: RunFigures,
    /// Limited keys that it holds.
    pub(crate) permits: Vec<String>,
    pub(crate) _unsettled: Unsettled,
}

const GROUP: usize = 1000;
/// How long the database may take to answer before it is asked again on another connection.
const ANSWER: Duration = Duration::from_secs(15);

/// Settles runs until every sender is gone.
pub(crate) async fn finish_runs(
    store: Store,
    bell: Bell,
    lease: Arc<Lease>,
    mut runs: mpsc::UnboundedReceiver<Box<Settlement>>,
) {
    let mut connection = Held::new(store);
    let mut group = Vec::with_capacity(GROUP);
    while runs.recv_many(&mut group, GROUP).await > 0 {
        let ended = settle_until_known(&mut connection, &group).await;
        wake_the_next(&mut connection, &bell, &group).await;
        for run in group.drain(..) {
            lease.release(run.claim);
            figures::settled(&run, ended.of(run.claim));
            match run.settle {
                Settle::Finish(..) if run.notify_end && ended.is_over(run.claim) => {
                    bell.ended(run.claim.job_id.0);
                }
                // Somebody else may have a free slot for it.
                Settle::HandBack => {
                    bell.ring(run.queue.as_str(), 1);
                }
                Settle::Finish(..) | Settle::Nothing => {}
            }
        }
        if runs.is_empty() {
            connection.let_go();
        }
    }
}

/// Those who wait for what these runs held may look again.
async fn wake_the_next(connection: &mut Held, bell: &Bell, group: &[Box<Settlement>]) {
    let mut ended: HashMap<String, i64> = HashMap::new();
    for key in group.iter().flat_map(|run| &run.permits) {
        *ended.entry(key.clone()).or_default() += 1;
    }
    if ended.is_empty() {
        return;
    }
    let next = async {
        let mut conn = connection.take().await?;
        let queues = ledger::next_in_line(&mut conn, &ended).await?;
        connection.keep(conn);
        Ok::<_, Error>(queues)
    };
    match next.await {
        Ok(queues) => queues.iter().for_each(|queue| {
            bell.ring(queue.as_str(), 1);
        }),
        Err(error) => tracing::warn!(%error, "those who wait for a key look by themselves, later"),
    }
}

#[derive(Debug, Default)]
struct Outcomes(HashMap<JobId, ledger::Ended>);

impl Outcomes {
    fn of(&self, claim: Claim) -> Option<&ledger::Ended> {
        self.0.get(&claim.job_id)
    }

    fn is_over(&self, claim: Claim) -> bool {
        self.of(claim).is_some_and(|ended| ended.outcome.is_some())
    }
}

/// Settles a group, again and again while the database is away.
async fn settle_until_known(connection: &mut Held, group: &[Box<Settlement>]) -> Outcomes {
    let mut pause = Duration::from_millis(50);
    loop {
        let Ok(settled) = tokio::time::timeout(ANSWER, settle(connection, group)).await else {
            tracing::warn!(
                runs = group.len(),
                "cannot record ended runs: the database does not answer"
            );
            continue;
        };
        match settled {
            Ok(ended) => return ended,
            Err(error) if error.is_unavailable() => {
                tracing::warn!(%error, cause = ?std::error::Error::source(&error), runs = group.len(), "cannot record ended runs yet");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
            Err(error) => {
                tracing::error!(%error, cause = ?std::error::Error::source(&error), runs = group.len(), "a group of ended runs was refused");
                return settle_singly(connection, group).await;
            }
        }
    }
}

/// One run of the group cannot be stored: the others can, and that one is dead with a reason.
async fn settle_singly(connection: &mut Held, group: &[Box<Settlement>]) -> Outcomes {
    let mut all = Outcomes::default();
    for run in group {
        let mut attempt = run.settle.clone();
        loop {
            match settle_these(connection, &[(run.claim, &attempt)]).await {
                Ok(ended) => break all.0.extend(ended.0),
                Err(error) if error.is_unavailable() => {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                Err(error) => {
                    tracing::error!(job.id = %run.claim.job_id, %error, "the end of a run cannot be stored");
                    if matches!(attempt, Settle::Finish(Finish::Dead(_), None)) {
                        break;
                    }
                    let problem = Problem::new(Code::Internal, "what it answered cannot be stored");
                    attempt = Settle::Finish(Finish::Dead(problem), None);
                }
            }
        }
    }
    all
}

async fn settle(connection: &mut Held, group: &[Box<Settlement>]) -> Result<Outcomes, Error> {
    let runs: Vec<_> = group.iter().map(|run| (run.claim, &run.settle)).collect();
    figures::finish_group(group.len());
    Operation::finish().ended(settle_these(connection, &runs).await)
}

async fn settle_these(connection: &mut Held, runs: &[(Claim, &Settle)]) -> Result<Outcomes, Error> {
    let mut finishes = Vec::new();
    let mut back = Vec::new();
    let mut close: Vec<&CloseKey> = Vec::new();
    for (claim, settle) in runs {
        match settle {
            Settle::Finish(finish, closed) => {
                finishes.push((*claim, finish));
                close.extend(closed);
            }
            Settle::HandBack => back.push(*claim),
            Settle::Nothing => {}
        }
    }
    if finishes.is_empty() && back.is_empty() {
        return Ok(Outcomes::default());
    }
    if close.is_empty() && back.is_empty() {
        // One statement is one transaction, in one round trip.
        let mut conn = connection.take().await?;
        let ended = ledger::finish(&mut conn, &finishes).await?;
        connection.keep(conn);
        return Ok(Outcomes::from(ended));
    }
    // One order for all finishers, so that two that close the same keys do not lock each other out.
    close.sort_by(|a, b| a.key.cmp(&b.key));
    let mut tx = connection.begin().await?;
    for closed in close {
        ledger::close_key(&mut tx, &closed.key, Some(closed.until), &closed.reason).await?;
    }
    let ended =
        if finishes.is_empty() { Vec::new() } else { ledger::finish(&mut tx, &finishes).await? };
    if !back.is_empty() {
        ledger::hand_back(&mut tx, &back).await?;
    }
    tx.commit().await?;
    Ok(Outcomes::from(ended))
}

impl From<Vec<ledger::Ended>> for Outcomes {
    fn from(ended: Vec<ledger::Ended>) -> Self {
        Self(ended.into_iter().map(|ended| (ended.job_id, ended)).collect())
    }
}
