//! How a process works its queues.
//!
//! **Invariant:** the silence after which a worker is lost is longer than two renewals.

use std::time::Duration;

use jobs::Queue;

/// How a process works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The process' name, for people.
    pub name: String,
    /// The host it runs on.
    pub host: String,
    /// The build.
    pub version: String,
    /// Which queues, and how many jobs of each at once.
    pub queues: Vec<(Queue, usize)>,
    /// Percent of the fleet's slots of a queue that the jobs of one organization may take at once.
    pub organization_percent: u32,
    /// How often the lease is renewed.
    pub renew: Duration,
    /// After how long a silence a worker is lost.
    pub ttl: Duration,
    /// No rescue so soon after the server's start or the own reconnection.
    pub grace: Duration,
    /// How long a stop may take.
    pub shutdown_timeout: Duration,
}
