//! Requests into the ledger: their idempotency keys and their jobs, in the caller's transaction.
//!
//! **Invariant:** the jobs of a request are inserted with its key, or neither is.

use store::idempotency::{self, Claimed, Wanted};
use store::ledger::{self, Fresh};

use jobs::{JobId, NewJob, OrganizationId};

/// What one request asks to be inserted.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) jobs: Vec<NewJob>,
    pub(super) key: Option<Key>,
}

/// A request's idempotency key.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) text: String,
    /// What makes two requests the same.
    pub(super) fingerprint: [u8; 32],
}

/// What became of a request.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Its jobs are in the ledger, in their order.
    Inserted(Vec<Fresh>),
    /// The same request came before: these are its jobs.
    Replay(Vec<JobId>),
    /// The key came with another request.
    OtherRequest,
}

impl From<Claimed> for Outcome {
    fn from(claimed: Claimed) -> Self {
        match claimed {
            Claimed::Fresh => Self::Inserted(Vec::new()),
            Claimed::Replay(ids) => Self::Replay(ids),
            Claimed::OtherRequest => Self::OtherRequest,
        }
    }
}

/// Inserts requests of one lane: an organization's, or, with `None`, operators'.
pub(super) async fn insert(
    conn: &mut store::Conn,
    lane: Option<OrganizationId>,
    entries: &[&Entry],
) -> store::Result<Vec<Outcome>> {
    let wanted: Vec<Wanted<'_>> = entries.iter().filter_map(|entry| wanted(entry)).collect();
    let mut claimed = idempotency::claim(conn, lane, &wanted).await?.into_iter();
    let mut outcomes: Vec<Outcome> = entries
        .iter()
        .map(|entry| {
            let claimed = entry.key.as_ref().and_then(|_| claimed.next());
            claimed.map_or(Outcome::Inserted(Vec::new()), Outcome::from)
        })
        .collect();
    let jobs = entries
        .iter()
        .zip(&outcomes)
        .filter(|(_, outcome)| matches!(outcome, Outcome::Inserted(_)))
        .flat_map(|(entry, _)| &entry.jobs);
    let mut rows = ledger::enqueue_shown(conn, jobs).await?;
    for (entry, outcome) in entries.iter().zip(&mut outcomes) {
        if let Outcome::Inserted(inserted) = outcome {
            inserted.extend(entry.jobs.iter().filter_map(|job| rows.remove(&job.id)));
            debug_assert_eq!(inserted.len(), entry.jobs.len(), "no caller's job has a unique key");
        }
    }
    Ok(outcomes)
}

fn wanted(entry: &Entry) -> Option<Wanted<'_>> {
    let Key { text, fingerprint } = entry.key.as_ref()?;
    let jobs = entry.jobs.iter().map(|job| job.id).collect();
    Some(Wanted { key: text, request_hash: *fingerprint, jobs })
}
