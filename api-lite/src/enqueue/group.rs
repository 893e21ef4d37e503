//! Small requests that come at the same time share a commit: whatever has come in while one group is
//! committed is the next group.
//!
//! Nobody waits for company: a request that comes alone is committed alone, at once. A group may hold
//! requests of several organizations; its transaction acts for one after the other.
//!
//! **Invariant:** a request is answered with its own outcome. When a group is refused, each of its
//! requests is tried alone.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::insert::{Entry, Outcome, insert};
use crate::database::Database;
use crate::problem::{Problem, Result};
use jobs::{Code, OrganizationId};

/// Requests with more jobs than this go alone: they would hold the others up.
pub(super) const SMALL: usize = 50;

/// The most requests of a group.
const GROUP: usize = 128;

/// How many groups are on their way at once: while one waits for the disk, the next is sent.
const AT_ONCE: usize = 2;

/// How long the database may take over a group.
const ANSWER: Duration = Duration::from_secs(15);

/// A request that was inserted, or not, and what became of it.
type Settled = Result<(Entry, Outcome)>;

/// A request that waits for the next group.
struct Waiting {
    organization: OrganizationId,
    entry: Entry,
    answer: oneshot::Sender<Settled>,
}

/// Where small requests go.
#[derive(Debug)]
pub(crate) struct Groups(mpsc::UnboundedSender<Waiting>);

impl Groups {
    /// Begins to commit groups, until this is dropped.
    pub(crate) fn start(database: &Database) -> Self {
        let (sender, waiting) = mpsc::unbounded_channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..AT_ONCE {
            tokio::spawn(commit_groups(database.clone(), waiting.clone()));
        }
        Self(sender)
    }

    /// Inserts a request of an organization together with others.
    ///
    /// # Errors
    /// 503 when the database is away, 504 when it does not answer.
    pub(super) async fn insert(&self, organization: OrganizationId, entry: Entry) -> Settled {
        let (answer, settled) = oneshot::channel();
        self.0.send(Waiting { organization, entry, answer }).map_err(|_| Problem::unavailable())?;
        settled.await.unwrap_or_else(|_| Err(Problem::broken()))
    }
}

async fn commit_groups(database: Database, waiting: Arc<Mutex<mpsc::UnboundedReceiver<Waiting>>>) {
    loop {
        let mut group = Vec::new();
        if waiting.lock().await.recv_many(&mut group, GROUP).await == 0 {
            return;
        }
        // A panic is logged where it happens, and its requests are told that the fault is ours.
        _ = tokio::spawn(settle(database.clone(), group)).await;
    }
}

/// Commits a group, and tells each of its requests what became of it.
async fn settle(database: Database, mut group: Vec<Waiting>) {
    // Whoever hung up meanwhile wants nothing any more.
    group.retain(|one| !one.answer.is_closed());
    // One order for all groups, so that two of them that claim the same keys do not lock each other
    // out.
    group.sort_by_key(|one| one.organization);
    let Some(first) = group.first() else { return };
    let alone = group.len() == 1;
    let committing = commit(&database, first.organization, &group, alone);
    match tokio::time::timeout(ANSWER, committing).await {
        Ok(Ok(outcomes)) => {
            for (one, outcome) in group.into_iter().zip(outcomes) {
                _ = one.answer.send(Ok((one.entry, outcome)));
            }
        }
        Ok(Err(Refused::All(problem))) => refuse(group, &problem),
        Ok(Err(Refused::One(error))) if !alone => {
            tracing::debug!(error = &error as &dyn std::error::Error, "group.refused");
            for one in group {
                tokio::spawn(commit_alone(database.clone(), one));
            }
        }
        Ok(Err(Refused::One(error))) => refuse(group, &Problem::from(error)),
        Err(_) => refuse(group, &no_answer()),
    }
}

/// Why a group was not committed.
enum Refused {
    /// The database is away: it would say so to each.
    All(Problem),
    /// One of its requests may be to blame.
    One(store::Error),
}

impl From<store::Error> for Refused {
    fn from(error: store::Error) -> Self {
        if error.is_unavailable() { Self::All(error.into()) } else { Self::One(error) }
    }
}

/// The outcome of each request, once all are committed. `group` is ordered by organization.
async fn commit(
    database: &Database,
    first: OrganizationId,
    group: &[Waiting],
    alone: bool,
) -> std::result::Result<Vec<Outcome>, Refused> {
    let begun = if alone {
        database.acting_for(first).await
    } else {
        database.acting_for_group(first).await
    };
    let mut tx = begun.map_err(Refused::All)?;
    let mut outcomes = Vec::with_capacity(group.len());
    for its in group.chunk_by(|one, next| one.organization == next.organization) {
        let organization = its[0].organization;
        tx.act_for(organization).await?;
        let entries: Vec<&Entry> = its.iter().map(|one| &one.entry).collect();
        outcomes.extend(insert(&mut tx, Some(organization), &entries).await?);
    }
    tx.commit().await?;
    Ok(outcomes)
}

async fn commit_alone(database: Database, one: Waiting) {
    let group = [one];
    let committing = commit(&database, group[0].organization, &group, true);
    let settled = match tokio::time::timeout(ANSWER, committing).await {
        Ok(Ok(mut outcomes)) => outcomes.pop().ok_or_else(Problem::broken),
        Ok(Err(Refused::All(problem))) => Err(problem),
        Ok(Err(Refused::One(error))) => Err(error.into()),
        Err(_) => Err(no_answer()),
    };
    let [Waiting { entry, answer, .. }] = group;
    _ = answer.send(settled.map(|outcome| (entry, outcome)));
}

fn refuse(group: Vec<Waiting>, problem: &Problem) {
    for one in group {
        _ = one.answer.send(Err(problem.clone()));
    }
}

fn no_answer() -> Problem {
    let detail = "the database did not answer in time; what was asked may yet happen";
    Problem::new(Code::Timeout, detail)
}
