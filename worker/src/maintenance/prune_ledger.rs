//! `ledger.prune`

use std::time::Duration;

use crate::run::{Answer, Run, failed};
use jobs::kinds::{PruneLedger, PrunedLedger};
use store::ledger;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) async fn prune_ledger(run: Run<PruneLedger>) -> Answer<PruneLedger> {
    let mut tx = run.begin().await?;
    let (dropped, rows_deleted) =
        ledger::prune(&mut tx, DAY * run.args.keep_days.max(1)).await.map_err(failed)?;
    run.end(tx, &PrunedLedger { partitions_dropped: dropped.into(), rows_deleted }).await
}
