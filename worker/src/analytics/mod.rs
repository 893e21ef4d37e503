//! Analytics: what people did with posts, added up.
//!
//! **Invariant:** each event is added once, in the transaction that takes it from those that wait.

mod aggregate_analytics;
mod rebuild_analytics;

pub(crate) use aggregate_analytics::aggregate_analytics;
pub(crate) use rebuild_analytics::{rebuild_analytics, rebuilding};
