//! `ledger.prune`: old history goes, the coming weeks' partitions are made.
//!
//! **Invariant:** partitions are made before any is dropped, so that a lock that cannot be had
//! never leaves the ledger without them.

use std::time::Duration;

use crate::run::{Answer, Run, failed};
use jobs::kinds::{PruneLedger, PrunedLedger};
use store::{ledger, webhook_events};

/// The most events of networks that go at once.
const AT_ONCE: i64 = 50_000;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Prunes the ledger.
pub(crate) async fn prune_ledger(run: Run<PruneLedger>) -> Answer<PruneLedger> {
    let made = ledger::make_partitions(&run.fleet.store).await.map_err(failed)?;
    let mut tx = run.begin().await?;
    let keep = DAY * run.args.keep_days.max(1);
    let told = webhook_events::prune(&mut tx, AT_ONCE).await.map_err(failed)?;
    let (dropped, rows_deleted) = ledger::prune(&mut tx, keep).await.map_err(failed)?;
    let rows_deleted = rows_deleted + told;
    tracing::info!(made, dropped, rows_deleted, "ledger.pruned");
    run.end(tx, &PrunedLedger { partitions_dropped: i64::from(dropped), rows_deleted }).await
}
