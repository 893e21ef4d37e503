//! A person who connects an account: sent to the network's consent page, asked, sent back.
//!
//! **Invariant:** it goes the way that a browser goes, and never looks into a state or a code.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use reqwest::{Response, Url, redirect};
use simulator::{Client, ConsentAnswer, NewConsent};

use crate::api::{Answer, Api};

/// Where people are sent in the end.
pub const RETURN_TO: &str = "https://app.example.com/accounts";

/// A person of an organization, in front of a browser.
#[derive(Clone, Debug)]
pub struct Person {
    /// The organization's frontend.
    pub api: Api,
    /// The network.
    pub network: Client,
    /// What the frontend calls the person.
    pub name: String,
}

/// A consent page that a person looks at.
#[derive(Clone, Debug)]
pub struct Consenting {
    /// The page's address.
    pub page: Url,
    /// What travels with the person.
    pub state: String,
}

impl Person {
    /// Asks to be sent to a consent page, whatever the answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn start(&self, query: &[(&str, &str)]) -> Result<Answer> {
        let url = format!("{}/oauth/x/start", self.api.base_url());
        let request = browser()?.get(url).bearer_auth(self.api.token()).query(query);
        self.api.send(request).await
    }

    /// Is sent to the consent page.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn ask(&self) -> Result<Consenting> {
        let answer = self.start(&[("returnTo", RETURN_TO), ("actor", &self.name)]).await?;
        ensure!(answer.status == 302, "{answer:?}");
        let page: Url = answer.body["url"].as_str().context("no page")?.parse()?;
        ensure!(answer.header("location") == page.as_str(), "{answer:?}");
        let state = page.query_pairs().find(|(name, _)| name == "state");
        let state = state.context("no state")?.1.into_owned();
        Ok(Consenting { page, state })
    }

    /// Opens the page and answers as this user; tells where the network sends the person.
    ///
    /// # Errors
    /// When the network refuses.
    pub async fn answer(
        &self,
        asked: &Consenting,
        user: &str,
        answer: ConsentAnswer,
    ) -> Result<Url> {
        let page = go(&asked.page).await?;
        ensure!(page.status() == 200, "the consent page answers {}", page.status());
        let (state, user) = (asked.state.clone(), user.to_owned());
        let way_back = self.network.consent(&NewConsent { state, user, answer }).await?;
        way_back.parse().context("the way back")
    }

    /// Goes where the network sends the person; tells with what outcome they end.
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

    /// Connects an account; tells the outcome.
    ///
    /// # Errors
    /// When a step fails.
    pub async fn consent(&self, user: &str) -> Result<BTreeMap<String, String>> {
        let asked = self.ask().await?;
        let way_back = self.answer(&asked, user, ConsentAnswer::Allow).await?;
        self.come_back(&way_back).await
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
