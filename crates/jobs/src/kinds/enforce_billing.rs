//! `billing.enforce`: Holds what is scheduled of an organization that does not pay, or lets it go on.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, JobKind, Kind, OrganizationId, Queue, Retry, Spec};

/// Arguments of `billing.enforce`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnforceBilling {
    /// The organization.
    pub organization_id: OrganizationId,
}

/// What `billing.enforce` answers: how many schedules came to what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnforcedBilling {
    /// They wait for a payment now.
    pub held: u64,
    /// They go on.
    pub resumed: u64,
    /// Their time passed while they waited.
    pub missed: u64,
    /// They wait for something else now.
    pub on_hold: u64,
}

impl JobKind for EnforceBilling {
    const KIND: Kind = Kind::EnforceBilling;
    const SPEC: Spec = Spec {
        summary: "Holds what is scheduled of an organization that does not pay, or lets it go on.",
        args_version: 1,
        queue: Queue::Interactive,
        caller: Caller::Internal,
        // Whoever paid must not wait for ever.
        retry: Retry {
            max_attempts: 1000,
            base: Duration::from_secs(1),
            cap: Duration::from_secs(600),
        },
        timeout: Duration::from_secs(120),
        secrets: &[],
    };
    type Output = EnforcedBilling;
}
