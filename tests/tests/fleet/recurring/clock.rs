//! Schedulers die around the ticks of a series.

use std::time::Duration;

use anyhow::ensure;
use fleet_tests::harness::{Setup, Tenant, on};
use fleet_tests::wait;
use serde_json::json;

use super::{Recurring, count};

#[tokio::test]
async fn sixty_ticks_of_a_second_under_dying_schedulers_are_all_there_once() {
    // Nothing is planned long before, so that somebody dies between the making and the planning of each.
    let setup = Setup::default().schedulers(2).with("PLAN_AHEAD_MS", "300");
    on(setup, async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let series = Recurring::new(&tenant, "* * * * * *", 70, json!({ "count": 70 })).await?;
        let mut kills = 0;
        let over = |seen: &[serde_json::Value]| count(seen, "published") == 70;
        wait::until("all seventy are out", Duration::from_secs(150), async || {
            let seen = series.occurrences(&tenant).await?;
            if over(&seen) {
                return Ok(Some(()));
            }
            // One is killed for every three posts; there are always two again.
            if count(&seen, "published") / 3 > kills {
                kills += 1;
                if let Some(scheduler) = fleet.schedulers().iter().find(|it| it.ended().is_none()) {
                    scheduler.kill().await?;
                }
                fleet.spawn_scheduler()?;
            }
            Ok(None)
        })
        .await?;
        ensure!(kills >= 20, "only {kills} schedulers died");
        let seen = series.occurrences(&tenant).await?;
        ensure!(seen.len() == 70, "{} occurrences", seen.len());
        series.each_is_out_once(&tenant, &seen).await?;
        let posts = tenant.network.posts(&tenant.account.username).await?;
        ensure!(posts.len() == 70, "{} posts", posts.len());
        Ok(())
    })
    .await;
}
