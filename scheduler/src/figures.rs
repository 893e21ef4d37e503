//! The fleet's gauges, which no worker can tell alone, and the scheduler's own metrics.
//!
//! Every scheduler exports them: whoever sums them over processes takes the maximum instead.
//!
//! **Invariant:** looking costs the same however much is waiting; no label takes a value that a
//! caller or a newer build chose.

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio_util::sync::CancellationToken;

use crate::{Scheduler, Step, every};
use boot::figures::{Pool, connections, sent};
use boot::flow::{Flow, Head};
use boot::{SchedulerConfig, Telemetry};
use jobs::protocol::Outcome;
use jobs::{NewJob, Queue};
use store::Store;
use store::analytics;
use store::ledger::{self, Rescued};

/// Counting more of what waits would cost more with each.
const COUNTED: i64 = 10_000;

const FAILURES: &str = "scheduler_failures_total";
const LAST_SUCCESS: &str = "scheduler_last_success_timestamp_seconds";
const RESCUED: &str = "queue_rescued_total";
const QUARANTINED: &str = "queue_quarantined_total";
const DEPTH: &str = "queue_depth";
const SLOTS: &str = "queue_slots";
const WORKERS: &str = "queue_workers_alive";
const CLOSED_KEYS: &str = "queue_closed_keys";
const CLOSED_LONGEST: &str = "queue_closed_key_longest_seconds";
const LIMITED: &str = "queue_limited_jobs";
const PAUSES: &str = "queue_pauses";
const NOT_ADDED_UP: &str = "analytics_waiting_events";
const HISTORY_AHEAD: &str = "history_partitions_ahead_seconds";

/// Describes the metrics of this file, sets to zero what alerts look at, and shows the pool.
pub(crate) fn start(telemetry: &Telemetry, store: &Store) {
    describe();
    for step in Step::ALL {
        counter!(FAILURES, "step" => step.as_str()).absolute(0);
    }
    for queue in Queue::ALL {
        counter!(RESCUED, "queue" => queue.as_str()).absolute(0);
        counter!(QUARANTINED, "queue" => queue.as_str()).absolute(0);
    }
    let store = store.clone();
    telemetry.at_scrape(move || {
        let store::Connections { open, idle, most } = store.connections();
        connections("main", Pool { open, idle, most });
    });
}

fn describe() {
    describe_counter!(FAILURES, Unit::Count, "Turns of a step that failed");
    describe_gauge!(LAST_SUCCESS, Unit::Seconds, "When a step last succeeded, by this machine");
    describe_counter!(RESCUED, Unit::Count, "Jobs taken from dead workers");
    describe_counter!(QUARANTINED, Unit::Count, "Jobs dead because they killed several workers");
    describe_gauge!(DEPTH, Unit::Count, "Live jobs by state, at most 10,000 counted of each");
    describe_gauge!(SLOTS, Unit::Count, "Jobs that the living workers can run at once");
    describe_gauge!(WORKERS, Unit::Count, "Workers that renewed their lease lately");
    describe_gauge!(CLOSED_KEYS, Unit::Count, "Keys that are closed now, by class");
    describe_gauge!(
        CLOSED_LONGEST,
        Unit::Seconds,
        "Until the last closed key opens by itself, by class"
    );
    describe_gauge!(LIMITED, Unit::Count, "Jobs that wait for a key, by its class");
    describe_gauge!(PAUSES, Unit::Count, "What people have paused now, by scope");
    describe_gauge!(
        NOT_ADDED_UP,
        Unit::Count,
        "Events not in the sums yet, at most 10,000 counted"
    );
    describe_gauge!(HISTORY_AHEAD, Unit::Seconds, "For how long the history has partitions");
}

/// A step did its turn, or failed.
pub(crate) fn stepped(step: Step, succeeded: bool) {
    if succeeded {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        gauge!(LAST_SUCCESS, "step" => step.as_str()).set(now.as_secs_f64());
    } else {
        counter!(FAILURES, "step" => step.as_str()).increment(1);
    }
}

/// Jobs were enqueued.
pub(crate) fn enqueued(jobs: &[NewJob]) {
    for job in jobs {
        sent(job.kind.spec().queue.as_str(), job.kind.as_str(), 1);
    }
}

/// A job was taken from a dead worker.
pub(crate) fn rescued(job: &Rescued) {
    let queue = job.queue.parse::<Queue>().map_or("unknown", Queue::as_str);
    counter!(RESCUED, "queue" => queue).increment(1);
    if job.outcome == Some(Outcome::Dead) {
        counter!(QUARANTINED, "queue" => queue).increment(1);
    }
}

/// Watches whether due work moves.
pub(crate) fn flow(config: &SchedulerConfig, store: Store) -> Arc<Flow> {
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

/// Keeps the gauges of the fleet fresh.
pub(crate) async fn run(scheduler: Arc<Scheduler>, shutdown: CancellationToken) {
    every(Step::Measure, &scheduler.cadences, shutdown, async || {
        let mut tx = scheduler.store.begin().await?;
        for figures in ledger::queues(&mut tx).await? {
            let queue = figures.queue.as_str();
            let states = [
                ("scheduled", figures.scheduled),
                ("ready", figures.ready),
                ("running", figures.running),
            ];
            for (state, jobs) in states {
                gauge!(DEPTH, "queue" => queue, "state" => state).set(jobs as f64);
            }
            gauge!(SLOTS, "queue" => queue).set(figures.slots as f64);
        }
        for held in ledger::held(&mut tx).await? {
            let class = held.class.as_str();
            gauge!(CLOSED_KEYS, "key_class" => class).set(held.keys as f64);
            gauge!(CLOSED_LONGEST, "key_class" => class).set(held.longest_secs);
            gauge!(LIMITED, "key_class" => class).set(held.jobs as f64);
        }
        let standing = ledger::standing(&mut tx, scheduler.config.lease.ttl).await?;
        gauge!(WORKERS).set(standing.workers as f64);
        gauge!(PAUSES, "scope" => "queue").set(standing.paused_queues as f64);
        gauge!(PAUSES, "scope" => "organization").set(standing.paused_organizations as f64);
        gauge!(NOT_ADDED_UP).set(analytics::waiting_events(&mut tx, COUNTED).await? as f64);
        gauge!(HISTORY_AHEAD).set(standing.history_ahead_secs);
        tx.commit().await?;
        Ok(())
    })
    .await;
}
