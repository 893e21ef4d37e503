//! What this crate tells about itself: the names and meanings of its metrics, and their recording.
//!
//! Metrics that begin with `messaging_` are those of OpenTelemetry's messaging conventions, with
//! the conventions' attributes; the others are the queue's own. `figures/run.rs` follows one run.
//!
//! **Invariant:** no label takes a value that a caller or a newer build chose: kinds and queues of
//! rows that this build does not know are `unknown`, and a limit's key shows its class alone.

mod run;

use std::time::Instant;

use jobs::protocol::Outcome;
use jobs::{Code, Kind, Queue};
use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use store::ledger::{KeyClass, Rescued};

pub(crate) use run::{RunFigures, read_the_clock, settled};

/// The system's name in `messaging_system`.
const SYSTEM: &str = "ezre";

const OPERATION_DURATION: &str = "messaging_client_operation_duration_seconds";
const CONSUMED: &str = "messaging_client_consumed_messages_total";
const PROCESS_DURATION: &str = "messaging_process_duration_seconds";
const WAIT_DURATION: &str = "queue_wait_duration_seconds";
const END_TO_END_DURATION: &str = "queue_end_to_end_duration_seconds";
const RUNS: &str = "queue_runs_total";
const RETRIES: &str = "queue_retries_total";
const FENCED_WRITES: &str = "queue_fenced_writes_total";
const LIMITER_WAITS: &str = "queue_limiter_waits_total";
const PROMOTED: &str = "queue_promoted_total";
const FINISH_GROUP: &str = "queue_finish_group_jobs";
const RESCUED: &str = "queue_rescued_total";
const QUARANTINED: &str = "queue_quarantined_total";
const LEASES_LOST: &str = "queue_leases_lost_total";
const STRAYS: &str = "queue_strays_returned_total";

/// The class of a key that a claim met: it does not say which.
const MET_BY_CLAIM: &str = "unknown";

/// Describes the metrics of this crate, and sets what alerts look at to zero: an increase from
/// nothing is none to Prometheus.
pub(crate) fn start(queues: &[(Queue, usize)]) {
    describe();
    counter!(LEASES_LOST).absolute(0);
    counter!(STRAYS).absolute(0);
    // Any worker rescues jobs of any queue.
    for queue in Queue::ALL {
        counter!(RESCUED, "queue" => queue.as_str()).absolute(0);
        counter!(QUARANTINED, "queue" => queue.as_str()).absolute(0);
    }
    for &(queue, _) in queues {
        fenced_writes(queue).absolute(0);
        counter!(PROMOTED, "queue" => queue.as_str()).absolute(0);
        consumed(queue).absolute(0);
        for class in KeyClass::ALL.map(KeyClass::as_str).into_iter().chain([MET_BY_CLAIM]) {
            limiter_waits(queue, class).absolute(0);
        }
        run::prepare(queue, None);
        for &kind in Kind::ALL.iter().filter(|kind| kind.spec().queue == queue) {
            run::prepare(queue, Some(kind));
            for code in Code::ALL {
                retries(queue, kind.as_str(), code).absolute(0);
            }
        }
    }
}

fn describe() {
    describe_histogram!(
        OPERATION_DURATION,
        Unit::Seconds,
        "Duration of a statement of the queue: claim, finish"
    );
    describe_counter!(CONSUMED, Unit::Count, "Jobs claimed by this worker");
    describe_histogram!(
        PROCESS_DURATION,
        Unit::Seconds,
        "Duration of a run in its handler; error_type tells how a failed one failed"
    );
    describe_histogram!(
        WAIT_DURATION,
        Unit::Seconds,
        "From the moment a job was due to the start of its run"
    );
    describe_histogram!(
        END_TO_END_DURATION,
        Unit::Seconds,
        "From the moment a job was enqueued, or due if later, to its end"
    );
    describe_counter!(RUNS, Unit::Count, "Runs, by what became of the job");
    describe_counter!(RETRIES, Unit::Count, "Failed attempts that will be repeated, by problem");
    describe_counter!(
        FENCED_WRITES,
        Unit::Count,
        "Writes refused because the claim of the run was lost"
    );
    describe_counter!(
        LIMITER_WAITS,
        Unit::Count,
        "Jobs made to wait for a key that was closed or at its limit, by its class"
    );
    describe_counter!(PROMOTED, Unit::Count, "Jobs made ready because they were due");
    describe_histogram!(FINISH_GROUP, Unit::Count, "Runs settled in one transaction");
    describe_counter!(RESCUED, Unit::Count, "Jobs taken from dead workers");
    describe_counter!(QUARANTINED, Unit::Count, "Jobs dead because they killed several workers");
    describe_counter!(LEASES_LOST, Unit::Count, "Times this worker was declared lost");
    describe_counter!(STRAYS, Unit::Count, "Claims whose answer was lost, found and handed back");
}

/// A statement of the queue, from its beginning to its answer.
#[derive(Debug)]
pub(crate) struct Operation {
    name: &'static str,
    operation_type: &'static str,
    queue: &'static str,
    began: Instant,
}

impl Operation {
    /// Claiming begins.
    pub(crate) fn claim(queue: Queue) -> Self {
        Self::begin("claim", "receive", queue.as_str())
    }

    /// A group of runs, of any queues, begins to be settled.
    pub(crate) fn finish() -> Self {
        Self::begin("finish", "settle", "")
    }

    fn begin(name: &'static str, operation_type: &'static str, queue: &'static str) -> Self {
        Self { name, operation_type, queue, began: Instant::now() }
    }

    /// It was answered, or failed.
    pub(crate) fn ended<T>(self, answer: Result<T, store::Error>) -> Result<T, store::Error> {
        self.record(match &answer {
            Ok(_) => "",
            Err(error) if error.is_unavailable() => "unavailable",
            Err(_) => "refused",
        });
        answer
    }

    fn record(self, error: &'static str) {
        histogram!(OPERATION_DURATION,
            "messaging_system" => SYSTEM,
            "messaging_operation_name" => self.name,
            "messaging_operation_type" => self.operation_type,
            "messaging_destination_name" => self.queue,
            "error_type" => error)
        .record(self.began.elapsed().as_secs_f64());
    }
}

/// So many jobs were claimed, and so many met with a closed key and made to wait.
pub(crate) fn claimed(queue: Queue, jobs: usize, limited: usize) {
    consumed(queue).increment(jobs as u64);
    if limited > 0 {
        limiter_waits(queue, MET_BY_CLAIM).increment(limited as u64);
    }
}

/// So many due jobs were made ready.
pub(crate) fn promoted(queue: Queue, jobs: u64) {
    if jobs > 0 {
        counter!(PROMOTED, "queue" => queue.as_str()).increment(jobs);
    }
}

/// So many runs are settled in one transaction.
pub(crate) fn finish_group(runs: usize) {
    histogram!(FINISH_GROUP).record(runs as f64);
}

/// A job was taken from a dead worker.
pub(crate) fn rescued(job: &Rescued) {
    let queue = job.queue.parse::<Queue>().map_or("unknown", Queue::as_str);
    counter!(RESCUED, "queue" => queue).increment(1);
    if job.outcome == Some(Outcome::Dead) {
        counter!(QUARANTINED, "queue" => queue).increment(1);
    }
}

/// This worker was declared lost.
pub(crate) fn lease_lost() {
    counter!(LEASES_LOST).increment(1);
}

/// So many claims whose answer was lost were handed back.
pub(crate) fn strays_returned(claims: u64) {
    counter!(STRAYS).increment(claims);
}

fn consumed(queue: Queue) -> metrics::Counter {
    counter!(CONSUMED,
        "messaging_system" => SYSTEM,
        "messaging_operation_name" => "claim",
        "messaging_destination_name" => queue.as_str())
}

fn limiter_waits(queue: Queue, class: &'static str) -> metrics::Counter {
    counter!(LIMITER_WAITS, "queue" => queue.as_str(), "key_class" => class)
}

fn fenced_writes(queue: Queue) -> metrics::Counter {
    counter!(FENCED_WRITES, "queue" => queue.as_str())
}

fn retries(queue: Queue, kind: &'static str, code: Code) -> metrics::Counter {
    counter!(RETRIES, "queue" => queue.as_str(), "job_kind" => kind, "error_type" => code.as_str())
}
