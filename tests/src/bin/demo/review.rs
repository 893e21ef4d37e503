//! An account connected by consent, and the post for it: written by a model, edited, rejected, edited
//! again, approved.
//!
//! **Invariant:** the person goes the way that a browser goes.

use anyhow::{Context, Result, ensure};
use chrono::Utc;
use fleet_tests::api::text;
use fleet_tests::person::Person;
use serde_json::{Value, json};
use simulator::{NewApp, NewUser};

use crate::Options;
use crate::print::Teller;
use crate::stage::{Account, PERSON, Post, Stage};
use crate::trouble::Trouble;

/// The person who approves.
const REVIEWER: &str = "ben@bakery.example";

/// How much of the model's text stays.
const KEPT: usize = 160;

impl Stage {
    /// Makes the fleet known to the network and the models, and connects an account by consent.
    pub(crate) async fn connect(&self, options: &Options, teller: &Teller) -> Result<Account> {
        let app = NewApp {
            client_id: options.x_client_id.clone(),
            client_secret: Some(options.x_client_secret.clone()),
            redirect_uris: vec![format!("{}/oauth/x/callback", self.api.base_url())],
        };
        self.network.register_app(&app).await?;
        self.network.register_key(&options.llm_api_key, "the fleet").await?;
        let username = format!("bakery_{}", self.mark);
        let new = NewUser { username, name: "Acme Bakery".into(), id: None, tokens: Vec::new() };
        let who = self.network.register(&new).await?;
        let person = Person {
            api: self.api.clone(),
            network: self.network.clone(),
            name: PERSON.to_owned(),
        };
        let outcome = person.consent(&who.username).await?;
        let told = |name: &str| outcome.get(name).cloned().unwrap_or_default();
        ensure!(told("outcome") == "connected", "{outcome:?}");
        teller.step(&format!("{PERSON} consented for @{}: {}", who.username, told("outcome")));
        let connection = told("connectionId");
        let seen = self.api.read(&format!("/v1/connections/{connection}")).await?;
        teller.step(&format!("its token ends at {}", seen["tokenExpiresAt"]));
        Ok(Account { id: who.id, username: who.username, connection })
    }

    /// A model writes, people review.
    pub(crate) async fn write_and_review(
        &mut self,
        account: Account,
        teller: &Teller,
    ) -> Result<()> {
        let args = json!({
            "brief": "A new rye bread, from Friday on. It rests for a day.",
            "tone": "warm and short", "platforms": ["TWITTER"],
        });
        let made = self.api.done_by(PERSON, "content.generate", args).await?;
        let result = &made["result"];
        let request = text(result, "contentRequestId")?;
        let version = result["contentVersionIds"][0].as_str().context("a version")?.to_owned();
        let written = self.read_version(&version).await?;
        let words = written["text"].as_str().unwrap_or_default().to_owned();
        teller.step(&format!("{} wrote: {words}", result["model"].as_str().unwrap_or_default()));
        teller.step(&format!(
            "{} tokens read, {} written, {} millionths of a dollar",
            result["inputTokens"], result["outputTokens"], result["costMicrodollars"]
        ));
        let kept: String = words.chars().take(KEPT).collect();
        let first = format!("{} #{}", kept.trim_end(), self.mark);
        self.edit(&version, &first, "Our mark belongs on it.").await?;
        let reason = "Say when it is in the shop.";
        let args = json!({ "contentRequestId": request, "reason": reason });
        self.api.done_by(REVIEWER, "content.reject", args).await?;
        teller.step(&format!("{PERSON} edited it; {REVIEWER} rejected it: {reason}"));
        let text = format!("From Friday on. {first}");
        self.edit(&version, &text, reason).await?;
        let path = format!("/v1/content-versions/{version}/history");
        let edits = self.api.items(&path).await?;
        let edit = edits.first().and_then(|edit| edit["id"].as_str()).context("an edit")?;
        let path = format!("/v1/content-versions/{version}/diff?against={edit}");
        let diff = self.api.read(&path).await?;
        ensure!(diff["toText"] == text.as_str(), "the comparison shows another text: {diff}");
        let args = json!({ "contentRequestId": request });
        self.api.done_by(REVIEWER, "content.approve", args).await?;
        teller.step(&format!("edited {} times, then approved by {REVIEWER}", edits.len()));
        let usage = self.api.read("/v1/usage").await?;
        for entry in usage["usage"].as_array().into_iter().flatten() {
            if entry["metric"] == "generations" {
                let (used, limit) = (&entry["used"], &entry["limit"]);
                teller.step(&format!("generations of this period: {used} of {limit}"));
            }
        }
        let title = "A new rye bread";
        let (trouble, schedule, at) = (Trouble::TokenEnded, String::new(), Utc::now());
        self.posts.push(Post { title, text, trouble, account, version, schedule, at });
        Ok(())
    }

    async fn read_version(&self, id: &str) -> Result<Value> {
        self.api.read(&format!("/v1/content-versions/{id}")).await
    }

    async fn edit(&self, version: &str, text: &str, why: &str) -> Result<()> {
        let seen = self.read_version(version).await?;
        let args = json!({
            "contentVersionId": version, "text": text, "editReason": why,
            "expectedUpdatedAt": seen["updatedAt"],
        });
        self.api.done_by(PERSON, "version.edit", args).await.map(drop)
    }
}
