//! Connecting an account: a person consents, and comes back with an outcome of its own for each end.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use fleet_tests::harness::{Fleet, Setup, Tenant, on, shared};
use fleet_tests::person::{RETURN_TO, go};
use fleet_tests::wait::PATIENCE;
use reqwest::Url;
use seal::{Aad, TravelKeys};
use secrecy::SecretString;
use serde_json::{Value, json};
use simulator::{Action, ConsentAnswer, Rule, SettingsPatch};

use super::{connection, is_active};

#[tokio::test]
async fn an_account_is_connected_by_consent_and_keeps_its_id_when_it_is_connected_again() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let account = tenant.connected_account().await?;
        let seen = connection(&tenant, &account).await?;
        ensure!(seen["accountId"] == account.id.as_str() && seen["isActive"] == true, "{seen}");
        ensure!(seen["createdBy"] == "anna@bakery.example", "{seen}");
        let scopes = seen["scopes"].as_array().context("no scopes")?;
        ensure!(scopes.contains(&Value::from("offline.access")), "{seen}");
        let ends: DateTime<Utc> = seen["tokenExpiresAt"].as_str().context("no end")?.parse()?;
        let left = ends - Utc::now();
        ensure!(left > TimeDelta::minutes(110) && left <= TimeDelta::hours(2), "{left}");
        tenant.api.event(&account.connection, "connection.connected", PATIENCE).await?;
        let planned = tenant.plan("By consent", &account, 2_500).await?;
        let again = tenant.person().consent(&account.username).await?;
        ensure!(again["connectionId"] == account.connection, "{again:?}");
        ensure!(again["outcome"] == "connected" && again["reconnected"] == "true", "{again:?}");
        ensure!(!again.contains_key("alsoInAnotherOrganization"), "{again:?}");
        tenant.published(&planned).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn whoever_does_not_consent_comes_back_with_that() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let (who, _) = tenant.newcomer().await?;
        let asked = tenant.person().ask().await?;
        let way_back = tenant.person().answer(&asked, &who.username, ConsentAnswer::Deny).await?;
        let outcome = tenant.person().come_back(&way_back).await?;
        ensure!(outcome["outcome"] == "denied", "{outcome:?}");
        ensure!(!outcome.contains_key("jobId"), "{outcome:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_way_back_is_good_once_and_a_state_of_nobody_is_refused() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let (who, _) = tenant.newcomer().await?;
        let asked = tenant.person().ask().await?;
        let way_back = tenant.person().answer(&asked, &who.username, ConsentAnswer::Allow).await?;
        let first = tenant.person().come_back(&way_back).await?;
        ensure!(first["outcome"] == "connected", "{first:?}");
        let second = tenant.person().come_back(&way_back).await?;
        ensure!(second["outcome"] == "used", "{second:?}");
        let mut other_code = way_back.clone();
        let pairs = [("state", asked.state.as_str()), ("code", "another")];
        other_code.query_pairs_mut().clear().extend_pairs(pairs);
        let third = tenant.person().come_back(&other_code).await?;
        ensure!(third["outcome"] == "used", "{third:?}");
        for state in ["", "v1.k1.AAAA", "nothing of ours"] {
            let mut address = way_back.clone();
            address.query_pairs_mut().clear().extend_pairs([("state", state), ("code", "c")]);
            let answer = go(&address).await?;
            let (status, body) = (answer.status(), answer.json::<Value>().await?);
            ensure!(status == 400 && body["code"] == "unknown_state", "{state:?}: {body}");
        }
        Ok(())
    })
    .await;
}

/// A state as the API seals it, whose time is over.
fn expired_state(fleet: &Fleet, tenant: &Tenant) -> Result<String> {
    let keys = SecretString::from(format!("k1:{}", fleet.secrets.travel_key));
    let organization: jobs::OrganizationId = tenant.organization.parse()?;
    let organization = URL_SAFE_NO_PAD.encode(organization.0.as_bytes());
    let ended = Utc::now().timestamp() - 1;
    let state = json!([organization, "anna", RETURN_TO, "v".repeat(43), ended]).to_string();
    let place = Aad::new("oauth.state", "TWITTER");
    Ok(TravelKeys::parse(&keys)?.seal(&SecretString::from(state), &place).to_string())
}

#[tokio::test]
async fn whoever_comes_back_too_late_is_told_so() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let state = expired_state(fleet, &tenant)?;
        let mut way_back: Url = format!("{}/oauth/x/callback", tenant.api.base_url()).parse()?;
        way_back.query_pairs_mut().extend_pairs([("state", state.as_str()), ("code", "c")]);
        let outcome = tenant.person().come_back(&way_back).await?;
        ensure!(outcome["outcome"] == "expired", "{outcome:?}");
        ensure!(tenant.api.items("/v1/jobs?kind=connection.connect").await?.is_empty());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_network_that_fails_gives_no_account_and_asks_to_begin_anew() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let (who, _) = tenant.newcomer().await?;
        let asked = tenant.person().ask().await?;
        let way_back = tenant.person().answer(&asked, &who.username, ConsentAnswer::Allow).await?;
        let rule = Rule::on("POST", "/2/oauth2/token", Action::status(503)).user(&who.id);
        tenant.network.fault(rule).await?;
        let outcome = tenant.person().come_back(&way_back).await?;
        ensure!(outcome["outcome"] == "failed" && outcome["code"] == "unavailable", "{outcome:?}");
        ensure!(outcome["message"].contains("Connect it again"), "{outcome:?}");
        let listed = tenant.api.items("/v1/connections").await?;
        ensure!(listed.len() == 1, "only the first account: {listed:#?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_code_that_has_ended_connects_nothing() {
    on(Setup::default().workers(1), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let patch = SettingsPatch { code_lifetime_ms: Some(1), ..SettingsPatch::default() };
        tenant.network.change(&patch).await?;
        let (who, _) = tenant.newcomer().await?;
        let outcome = tenant.person().consent(&who.username).await?;
        ensure!(outcome["outcome"] == "failed", "{outcome:?}");
        ensure!(outcome["code"] == "platform_refused", "{outcome:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn rights_that_were_not_given_are_named_and_nothing_is_kept() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let (who, _) = tenant.newcomer().await?;
        let mut asked = tenant.person().ask().await?;
        let fewer: Vec<(String, String)> = asked
            .page
            .query_pairs()
            .into_owned()
            .map(|(name, value)| match name.as_str() {
                "scope" => (name, "users.read tweet.read offline.access".to_owned()),
                _ => (name, value),
            })
            .collect();
        asked.page.query_pairs_mut().clear().extend_pairs(&fewer);
        let way_back = tenant.person().answer(&asked, &who.username, ConsentAnswer::Allow).await?;
        let outcome = tenant.person().come_back(&way_back).await?;
        ensure!(outcome["outcome"] == "failed", "{outcome:?}");
        ensure!(outcome["message"].contains("tweet.write, media.write"), "{outcome:?}");
        let grants = tenant.network.grants().await?;
        let grant = grants.iter().find(|grant| grant.user_id == who.id).context("no grant")?;
        ensure!(grant.ended, "the tokens end at the network too: {grant:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_account_may_be_in_two_organizations_and_both_are_told() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let account = tenant.connected_account().await?;
        let other = Tenant::new(fleet).await?;
        let outcome = other.person().consent(&account.username).await?;
        ensure!(outcome["outcome"] == "connected", "{outcome:?}");
        ensure!(outcome["alsoInAnotherOrganization"] == "true", "{outcome:?}");
        ensure!(outcome["connectionId"] != account.connection, "each has its own: {outcome:?}");
        let event = other.api.event(&outcome["connectionId"], "connection.connected", PATIENCE);
        let event = event.await?;
        ensure!(event["message"].as_str().is_some_and(|m| m.contains("nother organization")));
        let mine = tenant.plan("Mine", &account, 1_500).await?;
        let mut theirs = account.clone();
        theirs.connection = outcome["connectionId"].clone();
        let theirs = other.plan("Theirs", &theirs, 1_500).await?;
        tenant.published(&mine).await?;
        other.published(&theirs).await?;
        is_active(&tenant, &account, true).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn nobody_is_sent_to_an_address_that_is_not_allowed() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        for bad in ["https://evil.example/accounts", "https://app.example.com/", "nowhere"] {
            let answer = tenant.person().start(&[("returnTo", bad)]).await?;
            ensure!((answer.status, answer.field()) == (422, "returnTo"), "{bad}: {answer:?}");
        }
        let long = format!("{RETURN_TO}/{}", "a".repeat(400));
        let answer = tenant.person().start(&[("returnTo", &long)]).await?;
        ensure!((answer.status, answer.field()) == (422, "returnTo"), "{answer:?}");
        let answer = tenant.person().start(&[("returnTo", RETURN_TO), ("actor", " ")]).await?;
        ensure!((answer.status, answer.field()) == (422, "actor"), "{answer:?}");
        let answer = tenant.person().start(&[]).await?;
        ensure!((answer.status, answer.field()) == (422, "returnTo"), "{answer:?}");
        let path = format!("/oauth/friendster/start?returnTo={RETURN_TO}");
        let answer = tenant.api.get(&path).await?;
        ensure!((answer.status, answer.field()) == (404, "platform"), "{answer:?}");
        let reader = tenant.key_with(&["read"]).await?;
        let path = format!("/oauth/x/start?returnTo={RETURN_TO}");
        ensure!(reader.get(&path).await?.status == 403);
        ensure!(reader.with_token("ezre_nobody").get(&path).await?.status == 401);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_is_killed_while_it_exchanges_a_code_leaves_a_clear_answer() {
    on(Setup::default().workers(1), async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let (who, _) = tenant.newcomer().await?;
        let asked = tenant.person().ask().await?;
        let way_back = tenant.person().answer(&asked, &who.username, ConsentAnswer::Allow).await?;
        let hold = Action::hold("exchange", simulator::When::After);
        tenant.network.fault(Rule::on("POST", "/2/oauth2/token", hold)).await?;
        let waiting = tokio::spawn({
            let (tenant, way_back): (Tenant, Url) = (tenant.clone(), way_back);
            async move { tenant.person().come_back(&way_back).await }
        });
        tenant.network.wait_hold("exchange", Duration::from_secs(10)).await?;
        fleet.workers()[0].kill().await?;
        fleet.start_worker().await?;
        let outcome = waiting.await??;
        ensure!(outcome["outcome"] == "failed", "{outcome:?}");
        ensure!(outcome["message"].contains("Connect it again"), "{outcome:?}");
        let again = tenant.person().consent(&who.username).await?;
        ensure!(again["outcome"] == "connected", "{again:?}");
        Ok(())
    })
    .await;
}
