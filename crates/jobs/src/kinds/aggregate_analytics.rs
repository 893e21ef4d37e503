//! `analytics.aggregate`: Adds what people did with an organization's posts to its sums.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, JobKind, Kind, Queue, Retry, Spec};

/// Arguments of `analytics.aggregate`: none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AggregateAnalytics {}

/// What `analytics.aggregate` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AggregatedAnalytics {
    /// So many events were added up.
    pub events: i64,
}

impl JobKind for AggregateAnalytics {
    const KIND: Kind = Kind::AggregateAnalytics;
    const SPEC: Spec = Spec {
        summary: "Adds what people did with an organization's posts to its sums.",
        args_version: 1,
        queue: Queue::Aggregate,
        caller: Caller::Internal,
        retry: Retry::BACKGROUND,
        timeout: Duration::from_secs(300),
        secrets: &[],
    };
    type Output = AggregatedAnalytics;
}
