//! Losing Redis loses nothing.

use anyhow::{Result, ensure};
use chrono::TimeDelta;
use fleet_tests::harness::{Fleet, Planned, Setup, Tenant, on};

use super::called;

async fn all_out(tenant: &Tenant, planned: &[Planned]) -> Result<()> {
    for planned in planned {
        tenant.published(planned).await?;
        called(tenant, planned, 1).await?;
        let late = tenant.posts(planned).await?[0].created_at - planned.at;
        ensure!(late < TimeDelta::seconds(6), "{} ms late", late.num_milliseconds());
    }
    Ok(())
}

async fn several(fleet: &Fleet) -> Result<(Tenant, Vec<Planned>)> {
    let tenant = Tenant::new(fleet).await?;
    let four = [("Without Redis", &tenant.account, 0); 4];
    let planned = tenant.plan_together(&four, 2_000).await?;
    Ok((tenant, planned))
}

#[tokio::test]
async fn a_fleet_without_redis_publishes_on_time() {
    on(Setup::default().without_redis(), async |fleet| {
        let (tenant, planned) = several(fleet).await?;
        all_out(&tenant, &planned).await
    })
    .await;
}

#[tokio::test]
async fn redis_emptied_and_then_lost_loses_nothing() {
    on(Setup::default().can_be_cut(), async |fleet| {
        let (tenant, planned) = several(fleet).await?;
        fleet.empty_redis().await?;
        all_out(&tenant, &planned).await?;
        fleet.redis.as_ref().unwrap().cut();
        let (tenant, planned) = several(fleet).await?;
        all_out(&tenant, &planned).await?;
        fleet.redis.as_ref().unwrap().mend();
        let (tenant, planned) = several(fleet).await?;
        all_out(&tenant, &planned).await
    })
    .await;
}
