//! Requests that a fault keeps waiting until a tester lets them go.
//!
//! **Invariant:** a hold is listed before anything can wait for its release, so that a release
//! after a sighting is never lost.

use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::sync::{oneshot, watch};

use crate::fault::When;
use crate::{held, journal};

/// How a held request goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// As if nothing had been: act if that was still to come, and answer.
    #[default]
    Proceed,
    /// Do nothing further and reset the connection.
    Drop,
}

/// A request that is being held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// The name from the fault's action.
    pub name: String,
    /// The request's sequence number in the journal.
    pub seq: u64,
    /// Whether the network has acted already.
    pub when: When,
    /// Since when it is held.
    pub since: DateTime<Utc>,
}

/// The requests that are being held.
#[derive(Debug)]
pub(crate) struct Holds {
    waiting: Mutex<Vec<(Hold, oneshot::Sender<Outcome>)>>,
    changed: watch::Sender<()>,
}

impl Holds {
    pub(crate) fn new() -> Self {
        Self { waiting: Mutex::default(), changed: watch::Sender::new(()) }
    }

    /// Holds a request until it is released.
    pub(crate) async fn wait(&self, name: &str, seq: u64, when: When) -> Outcome {
        let (release, released) = oneshot::channel();
        let hold = Hold { name: name.to_owned(), seq, when, since: journal::now() };
        held(&self.waiting).push((hold, release));
        self.changed.send_replace(());
        released.await.unwrap_or(Outcome::Drop)
    }

    /// The holds, oldest first.
    pub(crate) fn list(&self) -> Vec<Hold> {
        held(&self.waiting).iter().map(|(hold, _)| hold.clone()).collect()
    }

    /// Lets the requests held under `name` go on; returns them.
    pub(crate) fn release(&self, name: &str, outcome: Outcome) -> Vec<Hold> {
        self.release_where(outcome, |hold| hold.name == name)
    }

    /// Lets all held requests go on.
    pub(crate) fn release_all(&self, outcome: Outcome) {
        self.release_where(outcome, |_| true);
    }

    fn release_where(&self, outcome: Outcome, which: impl Fn(&Hold) -> bool) -> Vec<Hold> {
        let mut waiting = held(&self.waiting);
        let (going, staying) = waiting.drain(..).partition(|(hold, _)| which(hold));
        *waiting = staying;
        drop(waiting);
        let going: Vec<(Hold, oneshot::Sender<Outcome>)> = going;
        going
            .into_iter()
            .map(|(hold, release)| {
                // The request's task may be gone at shutdown; then there is nobody to tell.
                let _ = release.send(outcome);
                hold
            })
            .collect()
    }

    /// Waits until a request is held under `name`; `None` when time ran out.
    pub(crate) async fn taken(&self, name: &str, timeout: Duration) -> Option<Hold> {
        let mut changes = self.changed.subscribe();
        let watching = async {
            loop {
                if let Some(hold) = self.list().into_iter().find(|hold| hold.name == name) {
                    return Some(hold);
                }
                changes.changed().await.ok()?;
            }
        };
        tokio::time::timeout(timeout, watching).await.ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_release_lets_only_its_own_name_go() {
        let holds = Holds::new();
        let limit = Duration::from_secs(5);
        let (first, second, ()) = tokio::join!(
            holds.wait("a", 1, When::Before),
            holds.wait("b", 2, When::After),
            async {
                assert_eq!(holds.taken("b", limit).await.expect("b is held").seq, 2);
                assert_eq!(holds.release("a", Outcome::Proceed).len(), 1);
                assert_eq!(holds.list().len(), 1);
                holds.release_all(Outcome::Drop);
            }
        );
        assert_eq!((first, second), (Outcome::Proceed, Outcome::Drop));
        assert!(holds.taken("a", Duration::ZERO).await.is_none());
    }
}
