//! `ledger.prune`: Drops history that is older than the fleet keeps, and makes the coming weeks' partitions.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, JobKind, Kind, Queue, Retry, Spec};

/// Arguments of `ledger.prune`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PruneLedger {
    /// How many days of history are kept.
    pub keep_days: u32,
}

/// What `ledger.prune` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrunedLedger {
    /// Dropped partitions of the history.
    pub partitions_dropped: i64,
    /// Deleted rows of the tables that keep a day or a month.
    pub rows_deleted: u64,
}

impl JobKind for PruneLedger {
    const KIND: Kind = Kind::PruneLedger;
    const SPEC: Spec = Spec {
        summary: "Drops history that is older than the fleet keeps, and makes the coming weeks' partitions.",
        args_version: 1,
        queue: Queue::Maintenance,
        caller: Caller::Internal,
        retry: Retry::BACKGROUND,
        timeout: Duration::from_secs(300),
        secrets: &[],
    };
    type Output = PrunedLedger;
}
