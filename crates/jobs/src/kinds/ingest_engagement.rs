//! `engagement.ingest`: Takes in what a network told by webhook.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, JobKind, Kind, Queue, Retry, Spec, WebhookEventId};

/// Arguments of `engagement.ingest`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IngestEngagement {
    /// The events, as they were kept.
    pub webhook_events: Vec<WebhookEventId>,
}

/// What `engagement.ingest` answers: how many events came to what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IngestedEngagement {
    /// They changed something, or said again what was known.
    pub applied: u64,
    /// They are about nobody here.
    pub unmatched: u64,
    /// Nothing follows from them.
    pub ignored: u64,
    /// They are not understood, and kept.
    pub unknown: u64,
}

impl JobKind for IngestEngagement {
    const KIND: Kind = Kind::IngestEngagement;
    const SPEC: Spec = Spec {
        summary: "Takes in what a network told by webhook.",
        args_version: 1,
        queue: Queue::Poll,
        caller: Caller::Network,
        // What a network told once it does not tell again.
        retry: Retry {
            max_attempts: 1000,
            base: Duration::from_secs(1),
            cap: Duration::from_secs(600),
        },
        timeout: Duration::from_secs(60),
        secrets: &[],
    };
    type Output = IngestedEngagement;
}
