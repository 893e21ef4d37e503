//! Metrics that more than one process records, in OpenTelemetry's names.
//!
//! **Invariant:** a label takes only the values that a program has written down.

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

const BUILD_INFO: &str = "build_info";
const SENT: &str = "messaging_client_sent_messages_total";
const CONNECTIONS: &str = "db_client_connections";
const CONNECTIONS_MAX: &str = "db_client_connections_max";

/// The connections of one pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Open now.
    pub open: u32,
    /// Open, and used by nobody right now.
    pub idle: u32,
    /// At most so many.
    pub most: u32,
}

/// Describes the metrics of this file, and tells which build this is.
pub(crate) fn start(process: &'static str, version: &'static str) {
    describe_gauge!(BUILD_INFO, Unit::Count, "The build of this process; always 1");
    describe_counter!(SENT, Unit::Count, "Jobs enqueued by this process");
    describe_gauge!(CONNECTIONS, Unit::Count, "Connections to Postgres, by pool and state");
    describe_gauge!(CONNECTIONS_MAX, Unit::Count, "Connections to Postgres that a pool may open");
    gauge!(BUILD_INFO, "process" => process, "version" => version).set(1.0);
}

/// So many jobs of the kind were enqueued.
pub fn sent(queue: &'static str, kind: &'static str, jobs: usize) {
    counter!(SENT,
        "messaging_system" => "ezre",
        "messaging_operation_name" => "enqueue",
        "messaging_destination_name" => queue,
        "job_kind" => kind)
    .increment(jobs as u64);
}

/// The connections of a pool right now.
pub fn connections(name: &'static str, pool: Pool) {
    let of = |state: &'static str| {
        gauge!(CONNECTIONS,
            "db_client_connection_pool_name" => name, "db_client_connection_state" => state)
    };
    of("idle").set(f64::from(pool.idle));
    of("used").set(f64::from(pool.open.saturating_sub(pool.idle)));
    gauge!(CONNECTIONS_MAX, "db_client_connection_pool_name" => name).set(f64::from(pool.most));
}
