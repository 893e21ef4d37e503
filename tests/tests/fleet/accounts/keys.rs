//! The keys that seal tokens: replaced while the fleet runs.

use std::sync::Arc;

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fleet_tests::harness::{Fleet, Process, Setup, Tenant, on};
use fleet_tests::wait::PATIENCE;

use super::{believes, refreshes};

/// Workers with these keys take over.
async fn take_over(fleet: &Fleet, keys: &str) -> Result<()> {
    let old: Vec<Arc<Process>> =
        fleet.workers().into_iter().filter(|worker| worker.ended().is_none()).collect();
    let worker = fleet.spawn_worker_with(vec![("TOKEN_KEYS", keys.to_owned())])?;
    worker.line("worker.started").await?;
    for worker in old {
        worker.signal(nix::sys::signal::Signal::SIGTERM)?;
        worker.end(PATIENCE).await?;
    }
    Ok(())
}

/// How many tokens are sealed with another key than this.
async fn sealed_otherwise(fleet: &Fleet, key: &str) -> Result<String> {
    let sql = format!(
        "select count(*) from platform_connections
         where access_token not like 'v1.{key}.%' or refresh_token not like 'v1.{key}.%'"
    );
    fleet.database.text(&sql).await
}

#[tokio::test]
async fn tokens_are_sealed_anew_under_a_new_key_while_the_fleet_runs() {
    on(Setup::default().workers(1), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let account = tenant.connected_account().await?;
        let new = format!("k9:{}", STANDARD.encode(rand::random::<[u8; 32]>()));
        let both = format!("{new},k2:{}", fleet.secrets.token_key);
        take_over(fleet, &both).await?;
        ensure!(sealed_otherwise(fleet, "k9").await? == "2", "two accounts under the old key");
        let meanwhile = tenant.plan("Meanwhile", &account, 1_500).await?;
        let told = fleet.run_worker(&["keys", "rotate"], &[("TOKEN_KEYS", both.clone())]).await?;
        ensure!(told.contains("keys.rotated"), "{told}");
        ensure!(sealed_otherwise(fleet, "k9").await? == "0", "all of them");
        tenant.published(&meanwhile).await?;
        // The old key goes: both tokens open with the new one alone.
        take_over(fleet, &new).await?;
        believes(fleet, &account, -1).await?;
        let planned = tenant.plan("Afterwards", &account, 1_500).await?;
        tenant.published(&planned).await?;
        ensure!(refreshes(&tenant, &account).await?.len() == 1, "it was refreshed");
        Ok(())
    })
    .await;
}
