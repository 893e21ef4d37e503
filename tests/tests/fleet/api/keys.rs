//! Keys: shown once, stored as a hash, revoked for good.

use std::time::Duration;

use anyhow::ensure;
use fleet_tests::api::{Ask, text};
use fleet_tests::harness::{Tenant, shared};
use fleet_tests::wait;
use serde_json::json;

#[tokio::test]
async fn a_key_is_shown_once_and_never_again() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let args = json!({ "name": "Shown once", "scopes": ["read"] });
        let ask = Ask::new("key.create", args).idempotency_key("a key").wait(10);
        let first = tenant.api.ask(&ask).await?;
        let key = text(&first.body, "key")?;
        let again = tenant.api.ask(&ask).await?;
        ensure!(again.body["id"] == first.body["id"] && again.body["key"].is_null(), "{again:?}");
        let job = tenant.api.job(first.body["id"].as_str().unwrap()).await?;
        let keys = json!(tenant.api.items("/v1/keys").await?);
        for shown in [&job, &keys, &again.body] {
            let shown = shown.to_string();
            ensure!(!shown.contains(&key) && !shown.contains("secretHash"), "{shown}");
        }
        ensure!(keys.to_string().contains("Shown once"));
        ensure!(tenant.api.with_token(&key).get("/v1/jobs").await?.status == 200);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_revoked_key_is_refused() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let args = json!({ "name": "Short-lived", "scopes": ["read"] });
        let job = tenant.api.done_by("", "key.create", args).await?;
        let key = tenant.api.with_token(&text(&job, "key")?);
        ensure!(key.get("/v1/jobs").await?.status == 200);
        let revoke = json!({ "keyId": job["result"]["keyId"] });
        tenant.api.done("key.revoke", revoke).await?;
        // A process may remember a key for two seconds.
        wait::until("the key is refused", Duration::from_secs(10), async || {
            Ok((key.get("/v1/jobs").await?.status == 401).then_some(()))
        })
        .await
    })
    .await;
}

#[tokio::test]
async fn a_disconnected_accounts_tokens_are_wiped() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let id = &tenant.account.connection;
        tenant.api.done("connection.disconnect", json!({ "connectionId": id })).await?;
        let left = format!(
            "select coalesce(access_token, refresh_token, 'nothing') from platform_connections where id = '{id}'"
        );
        ensure!(fleet.database.text(&left).await? == "nothing");
        Ok(())
    })
    .await;
}
