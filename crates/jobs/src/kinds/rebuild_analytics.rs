//! `analytics.rebuild`: Makes an organization's sums anew from all that people did with its posts.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, JobKind, Kind, Queue, Retry, Scope, Spec};

/// Arguments of `analytics.rebuild`: none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RebuildAnalytics {}

/// What `analytics.rebuild` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RebuiltAnalytics {
    /// The sums are of so many events.
    pub events: i64,
    /// The zone in which their days begin.
    pub timezone: String,
}

impl JobKind for RebuildAnalytics {
    const KIND: Kind = Kind::RebuildAnalytics;
    const SPEC: Spec = Spec {
        summary: "Makes an organization's sums anew from all that people did with its posts, in its \
                  present time zone. The old ones are shown until then.",
        args_version: 1,
        queue: Queue::Aggregate,
        caller: Caller::Organization(Scope::Admin),
        retry: Retry {
            max_attempts: 5,
            base: Duration::from_secs(10),
            cap: Duration::from_secs(600),
        },
        // Millions of events; no statement of it may take longer than 50 minutes.
        timeout: Duration::from_secs(3600),
        secrets: &[],
    };
    type Output = RebuiltAnalytics;
}
