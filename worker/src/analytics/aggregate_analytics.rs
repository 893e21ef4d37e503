//! `analytics.aggregate`: batches of events become sums, until none waits.
//!
//! **Invariant:** a batch is taken and added in one transaction; a run that dies between two of them has
//! done a part, and the next one does the rest.

use std::time::Duration;

use super::rebuilding;
use crate::run::{Answer, Run, failed};
use jobs::Wait;
use jobs::kinds::{AggregateAnalytics, AggregatedAnalytics};
use store::analytics;
use store::ledger::Finish;

/// So many events in a transaction: half a second at most, and less where many are of one hour.
const BATCH: i64 = 10_000;

/// After so many batches others have their turn; the scheduler asks again.
const BATCHES: usize = 50;

/// How long a run waits for those who make all sums anew.
const LATER: Duration = Duration::from_secs(5);

/// Adds up what waits of an organization.
pub(crate) async fn aggregate_analytics(
    run: Run<AggregateAnalytics>,
) -> Answer<AggregateAnalytics> {
    let organization = run.organization()?;
    let (mut events, mut last) = (0, 0);
    for nth in 1.. {
        let mut tx = run.begin().await?;
        let Some(locked) = analytics::try_lock(&mut tx, organization).await.map_err(failed)? else {
            return run.finish(tx, Finish::SnoozeFor(LATER, made_anew())).await;
        };
        if locked.timezone != locked.wanted {
            // The organization moved while its sums were made anew.
            run.ask_for(&mut tx, rebuilding(organization, &locked.wanted)).await?;
        }
        let added = analytics::add(&mut tx, organization, &locked.timezone, last, BATCH);
        let added = added.await.map_err(failed)?;
        (events, last) = (events + added.events, added.last);
        if added.events < BATCH || nth == BATCHES {
            return run.end(tx, &AggregatedAnalytics { events }).await;
        }
        tx.commit().await.map_err(failed)?;
    }
    unreachable!("the loop has no other end")
}

fn made_anew() -> Wait {
    Wait {
        code: "rebuilding".to_owned(),
        message: "the organization's sums are being made anew".to_owned(),
        key: None,
    }
}
