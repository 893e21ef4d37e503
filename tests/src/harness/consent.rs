//! A person who connects an account: sent to the network's consent page, asked, sent back.
//!
//! **Invariant:** it goes the way that a browser goes, and never looks into a state or a code.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use reqwest::{Response, Url, redirect};
use simulator::{ConsentAnswer, NewConsent};

use super::tenant::{Account, Tenant};
use crate::api::Answer;

/// Where people are sent in the end.
pub const RETURN_TO: &str = "https://app.example.com/accounts";

/// A consent page that a person looks at.
#[derive(Clone, Debug)]
pub struct Consenting {
    /// The page's address.
    pub page: Url,
    /// What travels with the person.
    pub state: String,
}

impl Tenant {
    /// Asks to be sent to a consent page, whatever the answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn start_consent(&self, query: &[(&str, &str)]) -> Result<Answer> {
        let url = format!("{}/oauth/x/start", self.api.base_url());
        let request = browser()?.get(url).bearer_auth(self.api.token()).query(query);
        self.api.send(request).await
    }

    /// Sends a person to the consent page.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn ask_for_consent(&self) -> Result<Consenting> {
        let query = [("returnTo", RETURN_TO), ("actor", "anna@bakery.example")];
        let answer = self.start_consent(&query).await?;
        ensure!(answer.status == 302, "{answer:?}");
        let page: Url = answer.body["url"].as_str().context("no page")?.parse()?;
        let location = answer.headers.get("location").and_then(|value| value.to_str().ok());
        ensure!(location == Some(page.as_str()), "{answer:?}");
        let state = page.query_pairs().find(|(name, _)| name == "state");
        let state = state.context("no state")?.1.into_owned();
        Ok(Consenting { page, state })
    }

    /// The person opens the page and answers; tells where the network sends them.
    ///
    /// # Errors
    /// When the network refuses.
    pub async fn answer(
        &self,
        asked: &Consenting,
        user: &str,
        answer: ConsentAnswer,
    ) -> Result<Url> {
        let page = browser()?.get(asked.page.clone()).send().await?;
        ensure!(page.status() == 200, "the consent page answers {}", page.status());
        let (state, user) = (asked.state.clone(), user.to_owned());
        let way_back = self.network.consent(&NewConsent { state, user, answer }).await?;
        way_back.parse().context("the way back")
    }

    /// The person goes where the network sends them; tells where they end, with the outcome.
    ///
    /// # Errors
    /// When they are not sent on.
    pub async fn come_back(&self, way_back: &Url) -> Result<BTreeMap<String, String>> {
        let response = go(way_back).await?;
        ensure!(response.status() == 303, "sent back with {}", response.status());
        let location = response.headers().get("location").and_then(|value| value.to_str().ok());
        let end: Url = location.context("no location")?.parse()?;
        ensure!(end.as_str().starts_with(RETURN_TO), "sent to {end}");
        Ok(end.query_pairs().into_owned().collect())
    }

    /// Connects an account by consent; tells the outcome.
    ///
    /// # Errors
    /// When a step fails.
    pub async fn consent(&self, user: &str) -> Result<BTreeMap<String, String>> {
        let asked = self.ask_for_consent().await?;
        let way_back = self.answer(&asked, user, ConsentAnswer::Allow).await?;
        self.come_back(&way_back).await
    }

    /// A new user of the network, whose account is connected by consent.
    ///
    /// # Errors
    /// When a step fails.
    pub async fn connected_account(&self) -> Result<Account> {
        let (who, _) = self.newcomer().await?;
        let outcome = self.consent(&who.username).await?;
        ensure!(outcome["outcome"] == "connected", "{outcome:?}");
        let connection = outcome.get("connectionId").context("no connection")?.clone();
        Ok(Account { connection, id: who.id, username: who.username, token: String::new() })
    }
}

/// Goes to an address as a browser does that is to follow nothing.
///
/// # Errors
/// When there is no answer.
pub async fn go(address: &Url) -> Result<Response> {
    browser()?.get(address.clone()).send().await.context("no answer")
}

fn browser() -> Result<reqwest::Client> {
    let none = redirect::Policy::none();
    Ok(reqwest::Client::builder().no_proxy().redirect(none).build()?)
}
