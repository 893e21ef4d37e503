//! Turns recurring schedules into occurrences, which `plan.rs` turns into jobs when they come up; has them count
//! against the plan; moves them, and what people gave a time, when this build has newer time-zone data.
//!
//! **Invariant:** any number of schedulers may do this at once, and any of them may die.

use std::sync::Arc;
use tokio_util::sync::CancellationToken;

use crate::{Scheduler, Step, every};
use jobs::series::TZDB;
use store::schedules::{self, WalkedTo};

/// Series in one transaction; each may bring dozens of occurrences.
const SERIES_AT_ONCE: i64 = 100;
const AT_ONCE: i64 = 500;

pub(crate) async fn run(scheduler: Arc<Scheduler>, shutdown: CancellationToken) {
    let (expander, cadences) = (&scheduler, &scheduler.cadences);
    tokio::join!(
        every(Step::Expand, cadences, shutdown.clone(), async || expander.expand().await),
        every(Step::Zones, cadences, shutdown, async || expander.follow_zones().await),
    );
}

impl Scheduler {
    async fn expand(&self) -> store::Result<()> {
        loop {
            let mut tx = self.store.begin().await?;
            let done = schedules::expand(&mut tx, SERIES_AT_ONCE).await?;
            tx.commit().await?;
            for series in &done.unreadable {
                tracing::error!(schedule.id = %series, "this build cannot read the series");
            }
            if done.occurrences > 0 || done.ended > 0 {
                tracing::info!(
                    occurrences = done.occurrences,
                    ended = done.ended,
                    "series.expanded"
                );
            }
            // A series that lags far behind is due again at once.
            if done.followed > 0 {
                tracing::info!(
                    series = done.followed,
                    tzdb = TZDB,
                    "series follow newer time-zone data"
                );
            } else if done.series == 0 || done.occurrences == 0 && done.ended == 0 {
                break;
            }
        }
        loop {
            let mut tx = self.store.begin().await?;
            let done = schedules::reserve_due(&mut tx, AT_ONCE).await?;
            tx.commit().await?;
            if done.held > 0 {
                tracing::info!(held = done.held, "plans have no room for occurrences");
            }
            if done.asked < usize::try_from(AT_ONCE).unwrap_or_default() {
                return Ok(());
            }
        }
    }

    async fn follow_zones(&self) -> store::Result<()> {
        loop {
            let mut tx = self.store.begin().await?;
            let moved = schedules::follow_zones(&mut tx, TZDB, SERIES_AT_ONCE).await?;
            tx.commit().await?;
            if moved == 0 {
                break;
            }
            tracing::info!(series = moved, tzdb = TZDB, "series follow newer time-zone data");
        }
        let (mut to, mut schedules, mut moved) = (WalkedTo::default(), 0, 0);
        loop {
            let mut tx = self.store.begin().await?;
            let done = schedules::follow_wall_times(&mut tx, TZDB, &to, AT_ONCE).await?;
            tx.commit().await?;
            if done.looked_at == 0 {
                break;
            }
            (schedules, moved) = (schedules + done.looked_at, moved + done.moved);
            to = done.to;
        }
        if schedules > 0 {
            tracing::info!(schedules, moved, tzdb = TZDB, "schedules follow newer time-zone data");
        }
        Ok(())
    }
}
