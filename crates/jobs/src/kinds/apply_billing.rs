//! `billing.apply`: Takes in what Stripe told of subscriptions and payments.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Caller, JobKind, Kind, Queue, Retry, Spec, WebhookEventId};

/// Arguments of `billing.apply`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplyBilling {
    /// The events, as they were kept.
    pub webhook_events: Vec<WebhookEventId>,
}

/// What `billing.apply` answers: how many events came to what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppliedBilling {
    /// They are taken in.
    pub applied: u64,
    /// They are about a customer of whom nobody has said yet whose it is.
    pub unmatched: u64,
    /// Nothing follows from them.
    pub ignored: u64,
    /// They are not understood, and kept.
    pub unknown: u64,
}

impl JobKind for ApplyBilling {
    const KIND: Kind = Kind::ApplyBilling;
    const SPEC: Spec = Spec {
        summary: "Takes in what Stripe told of subscriptions and payments.",
        args_version: 1,
        queue: Queue::Interactive,
        caller: Caller::Network,
        // What a sender told once it does not tell again.
        retry: Retry {
            max_attempts: 1000,
            base: Duration::from_secs(1),
            cap: Duration::from_secs(600),
        },
        timeout: Duration::from_secs(60),
        secrets: &[],
    };
    type Output = AppliedBilling;
}
