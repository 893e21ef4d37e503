//! A job as it is enqueued.
//!
//! **Invariant:** a job's arguments have decoded as its kind's before it is enqueued.

use chrono::{DateTime, Utc};
use platforms::Platform;
use serde_json::Value;

use crate::{ConnectionId, JobId, JobKind, Kind, OrganizationId, Queue};

/// Who put a job into the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A frontend, with an organization's key.
    Api,
    /// An operator, with the operator's token.
    Operator,
    /// The clock.
    Scheduler,
    /// Another job.
    Worker,
    /// A network, by webhook.
    Network,
}

impl Origin {
    /// The word in rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Origin::Api => "api",
            Origin::Operator => "operator",
            Origin::Scheduler => "scheduler",
            Origin::Worker => "worker",
            Origin::Network => "network",
        }
    }
}

/// A job to be enqueued.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Made by whoever enqueues.
    pub id: JobId,
    /// Whose work it is; `None` for the fleet's own.
    pub organization_id: Option<OrganizationId>,
    /// The person behind it: opaque text of the frontend's.
    pub actor: String,
    /// Who enqueues.
    pub origin: Origin,
    /// What is to be done.
    pub kind: Kind,
    /// The arguments, decoded once already.
    pub args: Value,
    /// Lower goes first within an organization; 0 is usual.
    pub priority: i16,
    /// Not before this moment; `None` is now.
    pub run_at: Option<DateTime<Utc>>,
    /// Attempts in all.
    pub max_attempts: u32,
    /// Keys that must all be open for the job to be claimed.
    pub limit_keys: Vec<String>,
    /// Whether somebody waits for the end.
    pub notify_end: bool,
    /// At most one live job has this key.
    pub unique_key: Option<String>,
    /// The dead job that this one repeats.
    pub retried_from: Option<JobId>,
    /// W3C `traceparent` of whoever asked.
    pub trace_context: Option<String>,
}

impl NewJob {
    /// A job with the catalogue's defaults for its kind.
    pub fn new<K: JobKind>(
        origin: Origin,
        organization_id: Option<OrganizationId>,
        args: &K,
    ) -> Self {
        Self::from_value(
            origin,
            organization_id,
            K::KIND,
            serde_json::to_value(args).expect("arguments are plain data with string keys"),
        )
    }

    /// The same for arguments that have been decoded as `kind`'s and encoded again.
    pub fn from_value(
        origin: Origin,
        organization_id: Option<OrganizationId>,
        kind: Kind,
        args: Value,
    ) -> Self {
        Self {
            id: JobId::new(),
            organization_id,
            actor: String::new(),
            origin,
            kind,
            args,
            priority: 0,
            run_at: None,
            max_attempts: kind.spec().retry.max_attempts,
            limit_keys: Vec::new(),
            notify_end: false,
            unique_key: None,
            retried_from: None,
            trace_context: None,
        }
    }
}

/// The key that stands for one account of a network, across organizations: closed when a person
/// pauses the account.
pub fn account_key(platform: Platform, account_id: &str) -> String {
    format!("account:{platform}:{account_id}")
}

/// The key that stands for one connected account of one organization: closed while a person must
/// connect it again.
pub fn connection_key(connection: ConnectionId) -> String {
    format!("connection:{connection}")
}

/// The key that stands for one organization's work in one queue.
pub fn organization_key(organization: OrganizationId, queue: Queue) -> String {
    format!("organization:{organization}:{queue}")
}

/// The key that stands for one model: closed while its provider wants no more calls.
pub fn model_key(name: &str) -> String {
    format!("model:{name}")
}

/// The keys that must all be open for a publishing job of an organization's account to be claimed.
pub fn publish_limit_keys(
    platform: Platform,
    account_id: &str,
    connection: ConnectionId,
    organization: OrganizationId,
) -> Vec<String> {
    let mut keys = platform.publish_keys(account_id);
    keys.push(account_key(platform, account_id));
    keys.push(connection_key(connection));
    keys.push(organization_key(organization, Queue::Publish));
    keys
}
