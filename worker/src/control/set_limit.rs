//! `limit.set` and `limit.remove`: what keys allow.

use crate::run::{Answer, Run, failed};
use jobs::kinds::{LimitSet, RemoveLimit, RemovedLimit, SetLimit};
use store::ledger;

/// Sets a limit.
pub(crate) async fn set_limit(run: Run<SetLimit>) -> Answer<SetLimit> {
    let args = &run.args;
    let number = |n: Option<u32>| n.and_then(|n| i32::try_from(n).ok());
    let rate = number(args.starts).zip(number(args.per_secs));
    let mut tx = run.begin().await?;
    ledger::set_limit(&mut tx, &args.pattern, number(args.concurrency), rate, &run.job.actor)
        .await
        .map_err(failed)?;
    run.end(tx, &LimitSet { pattern: args.pattern.clone() }).await
}

/// Removes a limit. Those who wait for it look by themselves.
pub(crate) async fn remove_limit(run: Run<RemoveLimit>) -> Answer<RemoveLimit> {
    let mut tx = run.begin().await?;
    let removed = ledger::remove_limit(&mut tx, &run.args.pattern).await.map_err(failed)?;
    run.end(tx, &RemovedLimit { removed }).await
}
