//! Where what networks tell is kept, with the jobs that look at it.
//!
//! Deliveries that come at the same time share a commit and a job: whatever has come in while one group is
//! committed is the next group. One that comes alone is committed alone, at once.
//!
//! **Invariant:** a sender is answered with a success only after its event is committed.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::database::Database;
use crate::figures;
use crate::problem::{Problem, Result};
use bell::Bell;
use jobs::{JobKind, Kind, NewJob, Origin};
use store::webhook_events::Arrived;

/// The most deliveries of a group.
const GROUP: usize = 256;

/// How many groups are on their way at once: while one waits for the disk, the next is sent.
const AT_ONCE: usize = 2;

/// How long the database may take over a group.
const ANSWER: Duration = Duration::from_secs(5);

/// A delivery that waits for the next group.
struct Waiting {
    event: Arrived,
    trace_parent: String,
    answer: oneshot::Sender<Result<()>>,
}

/// Where the events of one sender go.
#[derive(Debug)]
pub(crate) struct Intake(mpsc::UnboundedSender<Waiting>);

/// What all groups of a sender have in common.
#[derive(Clone, Debug)]
struct Desk {
    database: Database,
    bell: Bell,
    sender: &'static str,
    kind: Kind,
}

impl Intake {
    /// Begins to keep a sender's events, for jobs of a kind, until this is dropped.
    pub(crate) fn start<K: JobKind>(
        database: &Database,
        bell: &Bell,
        sender: &'static str,
    ) -> Self {
        let desk = Desk { database: database.clone(), bell: bell.clone(), sender, kind: K::KIND };
        let (into, waiting) = mpsc::unbounded_channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..AT_ONCE {
            tokio::spawn(desk.clone().keep_groups(waiting.clone()));
        }
        Self(into)
    }

    /// Keeps an event, together with others; one that is known already is kept no second time.
    ///
    /// # Errors
    /// 503 when the database is away or does not answer: the sender will tell again.
    pub(crate) async fn keep(&self, event: Arrived, trace_parent: String) -> Result<()> {
        let (answer, kept) = oneshot::channel();
        let waiting = Waiting { event, trace_parent, answer };
        self.0.send(waiting).map_err(|_| Problem::unavailable())?;
        kept.await.unwrap_or_else(|_| Err(Problem::broken()))
    }
}

impl Desk {
    async fn keep_groups(self, waiting: Arc<Mutex<mpsc::UnboundedReceiver<Waiting>>>) {
        loop {
            let mut group = Vec::new();
            if waiting.lock().await.recv_many(&mut group, GROUP).await == 0 {
                return;
            }
            let (mut events, mut answers) = (Vec::new(), Vec::new());
            let mut trace = None;
            for Waiting { event, trace_parent, answer } in group {
                trace.get_or_insert(trace_parent);
                events.push(event);
                answers.push(answer);
            }
            let kept = self.keep(&events, trace).await;
            for answer in answers {
                _ = answer.send(kept.clone());
            }
        }
    }

    async fn keep(&self, events: &[Arrived], trace: Option<String>) -> Result<()> {
        // The database makes the arguments: of the events that are new.
        let args = serde_json::Value::Null;
        let mut job = NewJob::from_value(Origin::Network, None, self.kind, args);
        job.trace_context = trace;
        let keeping = self.database.receive(self.sender, events, &job);
        let kept = tokio::time::timeout(ANSWER, keeping).await;
        let new = kept.unwrap_or_else(|_| Err(Problem::unavailable()))?;
        figures::received(self.sender, new, events.len() as u64 - new);
        if new > 0 {
            let queue = self.kind.spec().queue;
            if !self.bell.ring(queue.as_str(), 1) || !self.bell.is_up() {
                self.database.notify(queue);
            }
        }
        Ok(())
    }
}
