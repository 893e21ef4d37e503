//! Accounts: connected by consent, their tokens refreshed by one worker at a time, lost and found
//! again.

mod connecting;
mod keys;
mod losing;
mod refreshing;

use anyhow::Result;
use fleet_tests::harness::{Account, Fleet, Tenant};
use fleet_tests::wait::{self, PATIENCE};
use serde_json::Value;
use simulator::{Entry, Note, SettingsPatch};

/// What the token endpoint was asked for the account's grants, oldest first, with its refusals.
pub(crate) async fn refreshes(tenant: &Tenant, account: &Account) -> Result<Vec<Entry>> {
    let mine = tenant.network.grants().await?.into_iter();
    let mine: Vec<String> =
        mine.filter(|grant| grant.user_id == account.id).map(|grant| grant.id).collect();
    let mut journal = tenant.network.journal(0).await?;
    journal.retain(|entry| match &entry.note {
        Some(Note::Token { grant_type, grant: Some(grant), .. }) => {
            grant_type == "refresh_token" && mine.contains(grant)
        }
        _ => false,
    });
    Ok(journal)
}

/// How long access tokens live that the network makes from now on.
async fn tokens_live(tenant: &Tenant, ms: u64) -> Result<()> {
    let patch = SettingsPatch { access_token_lifetime_ms: Some(ms), ..SettingsPatch::default() };
    tenant.network.change(&patch).await?;
    Ok(())
}

/// The fleet believes that the account's token ends so many seconds from now.
pub(crate) async fn believes(fleet: &Fleet, account: &Account, secs: i64) -> Result<()> {
    let sql = format!(
        "update platform_connections set token_expires_at = now() + interval '{secs} seconds'
         where id = '{}'",
        account.connection
    );
    fleet.database.run(&sql).await
}

async fn connection(tenant: &Tenant, account: &Account) -> Result<Value> {
    tenant.api.read(&format!("/v1/connections/{}", account.connection)).await
}

/// Waits until the account is usable, or is not.
async fn is_active(tenant: &Tenant, account: &Account, active: bool) -> Result<Value> {
    let what = format!("the account is active: {active}");
    let see = async || connection(tenant, account).await;
    wait::until_right(&what, PATIENCE, see, |seen| seen["isActive"] == active).await
}

/// Waits until people were told so often that the account must be connected again.
async fn told_to_reconnect(tenant: &Tenant, account: &Account, times: usize) -> Result<()> {
    let see = async || {
        let events = tenant.api.events_of(&account.connection).await?;
        Ok(events.iter().filter(|event| event["type"] == "connection.reconnect_needed").count())
    };
    let what = format!("people are told to reconnect, {times} times");
    wait::until_right(&what, PATIENCE, see, |told| *told == times).await.map(drop)
}
