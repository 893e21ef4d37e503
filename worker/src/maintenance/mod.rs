//! Maintenance: what keeps the database small.
//!
//! **Invariant:** nothing here waits long for a lock.

mod prune_ledger;

pub(crate) use prune_ledger::prune_ledger;
