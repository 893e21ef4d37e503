//! What the worker tells about itself beside the queue's own figures.
//!
//! **Invariant:** looking costs the same however much is waiting.

use metrics::{Unit, counter, describe_counter};
use std::sync::Arc;

use boot::Telemetry;
use boot::WorkerConfig;
use boot::figures::{Pool, connections};
use boot::flow::{Flow, Head};
use connectors::GrantError;
use jobs::Queue;
use store::webhook_events::Outcome;
use store::{Store, ledger};

const PARKED: &str = "queue_parked_total";
const INGESTED: &str = "webhook_events_total";
const REFRESHES: &str = "connection_refreshes_total";

/// Why a job is parked: this build cannot run it, another may.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Parked {
    /// It does not know the kind.
    UnknownKind,
    /// It does not read this version of the arguments.
    UnreadableArguments,
}

impl Parked {
    const ALL: [Parked; 2] = [Parked::UnknownKind, Parked::UnreadableArguments];

    /// The word in rows and metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Parked::UnknownKind => "unknown_kind",
            Parked::UnreadableArguments => "unreadable_arguments",
        }
    }
}

/// Describes the metrics of this file, sets to zero what alerts look at, and shows the pools.
pub(crate) fn start(telemetry: &Telemetry, main: &Store, lease: &Store) {
    describe_counter!(
        PARKED,
        Unit::Count,
        "Times a job was parked because this build cannot run it, by reason"
    );
    for reason in Parked::ALL {
        parked(reason, 0);
    }
    describe_counter!(
        INGESTED,
        Unit::Count,
        "Events that were told by webhook, by what came of them"
    );
    for outcome in [Outcome::Applied, Outcome::Unmatched, Outcome::Ignored, Outcome::Unknown] {
        for sender in [store::engagement::SENDER, store::billing::SENDER] {
            counter!(INGESTED, "sender" => sender, "outcome" => outcome.as_str()).increment(0);
        }
    }
    describe_counter!(REFRESHES, Unit::Count, "Calls to refresh tokens, by what came of them");
    for outcome in ["refreshed", "dead", "refused", "not_sent", "failed", "lost"] {
        counter!(REFRESHES, "outcome" => outcome).increment(0);
    }
    for (name, store) in [("main", main.clone()), ("lease", lease.clone())] {
        telemetry.at_scrape(move || {
            let store::Connections { open, idle, most } = store.connections();
            connections(name, Pool { open, idle, most });
        });
    }
}

/// A job was parked so many times.
pub(crate) fn parked(reason: Parked, times: u64) {
    counter!(PARKED, "reason" => reason.as_str()).increment(times);
}

/// An event that a sender told was looked at.
pub(crate) fn ingested(sender: &'static str, outcome: Outcome) {
    counter!(INGESTED, "sender" => sender, "outcome" => outcome.as_str()).increment(1);
}

/// A network was asked for new tokens.
pub(crate) fn refreshed(answer: &Result<(), GrantError>) {
    let outcome = match answer {
        Ok(()) => "refreshed",
        Err(GrantError::Dead(_)) => "dead",
        Err(GrantError::Refused(_)) => "refused",
        Err(GrantError::NotSent { .. }) => "not_sent",
        Err(GrantError::Failed { .. }) => "failed",
        Err(GrantError::Lost { .. }) => "lost",
    };
    counter!(REFRESHES, "outcome" => outcome).increment(1);
}

/// Watches whether due work moves.
pub(crate) fn flow(config: &WorkerConfig, store: Store) -> Arc<Flow> {
    let percent = config.organization_slots_percent;
    Flow::new(Queue::ALL.map(Queue::as_str), config.work_health_max_age, move || {
        let store = store.clone();
        async move {
            let heads = async { ledger::heads(&mut *store.begin().await?, percent).await };
            let heads = heads.await.map_err(|error| error.to_string())?;
            Ok(heads.into_iter().map(head).collect())
        }
    })
}

fn head(head: ledger::Head) -> Head {
    let ledger::Head { queue, job_id, due_for } = head;
    Head { queue: queue.as_str(), job_id: job_id.to_string(), due_for }
}
