//! What keeps the database small.
//!
//! **Invariant:** nothing here holds a lock that others wait for longer than two seconds.

mod prune_ledger;

pub(crate) use prune_ledger::prune_ledger;
