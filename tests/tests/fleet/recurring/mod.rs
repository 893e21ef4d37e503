//! Recurring schedules: each occurrence goes out once, as people left it, whatever happens to schedulers.

mod beyond;
mod changing;
mod clock;
mod ending;
mod going;
mod late;
mod outage;
mod people;
mod plans;
mod refusals;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fleet_tests::harness::{Planned, Tenant};
use fleet_tests::wait;
use serde_json::{Value, json};

/// A series, and the texts that take turns in it.
#[derive(Clone, Debug)]
pub(crate) struct Recurring {
    pub(crate) id: String,
    texts: Vec<String>,
}

impl Recurring {
    /// A series that fires as a cron expression with seconds says, with so many texts that take turns.
    pub(crate) async fn new(
        tenant: &Tenant,
        expression: &str,
        texts: usize,
        more: Value,
    ) -> Result<Self> {
        let texts: Vec<String> = (0..texts).map(|n| tenant.text(&format!("Turn {n}"))).collect();
        let written = texts.iter().map(|text| {
            let version = json!({ "platform": "TWITTER", "text": text });
            json!({ "title": "News", "versions": [version] })
        });
        let made = tenant.api.all_done("content.create", written.collect()).await?;
        let version = |made: &Value| made["contentVersionIds"][0].as_str().map(str::to_owned);
        let versions: Option<Vec<String>> = made.iter().map(version).collect();
        let versions = versions.context("no version")?;
        let mut args = json!({
            "contentVersionId": versions[0],
            "platformConnectionId": tenant.account.connection,
            "timezone": "Europe/Berlin",
            "recurrence": {
                "rule": { "pattern": "cron", "expression": expression, "seconds": true },
                "contentVersionIds": versions,
            },
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            let of_recurrence = matches!(name.as_str(), "count" | "endDate");
            let place = if of_recurrence { &mut args["recurrence"] } else { &mut args };
            place[name] = value.clone();
        }
        let made = tenant.api.done("schedule.create", args).await?;
        let id = made["scheduleId"].as_str().context("no schedule")?.to_owned();
        Ok(Self { id, texts })
    }

    /// Its occurrences that have rows, in their order.
    async fn occurrences(&self, tenant: &Tenant) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        let path = format!("/v1/schedules/{}/occurrences?limit=200", self.id);
        let page = tenant.api.read(&path).await?;
        for occurrence in page["items"].as_array().context("no items")? {
            if occurrence["scheduleId"].is_string() {
                all.push(occurrence.clone());
            }
        }
        Ok(all)
    }

    /// Waits until its occurrences are as wanted.
    pub(crate) async fn until(
        &self,
        tenant: &Tenant,
        what: &str,
        limit: Duration,
        is_right: impl Fn(&[Value]) -> bool,
    ) -> Result<Vec<Value>> {
        let see = async || self.occurrences(tenant).await;
        wait::until_right(what, limit, see, |seen: &Vec<Value>| is_right(seen)).await
    }

    /// An occurrence as a schedule of which everything is checked that holds when it is out.
    fn planned(&self, tenant: &Tenant, occurrence: &Value, text: &str) -> Result<Planned> {
        let of = |field: &str| occurrence[field].as_str().context("a field is absent");
        Ok(Planned {
            id: of("scheduleId")?.to_owned(),
            at: of("scheduledAt")?.parse()?,
            text: text.to_owned(),
            username: tenant.account.username.clone(),
        })
    }

    /// Checks that occurrences are out, each once, each with its own text.
    pub(crate) async fn each_is_out_once(
        &self,
        tenant: &Tenant,
        occurrences: &[Value],
    ) -> Result<()> {
        let posts = tenant.network.posts(&tenant.account.username).await?;
        for occurrence in occurrences {
            let number = occurrence["occurrenceNumber"].as_u64().context("no number")?;
            let text = &self.texts[usize::try_from(number)? % self.texts.len()];
            let planned = self.planned(tenant, occurrence, text)?;
            let found: Vec<_> = posts.iter().filter(|post| post.text == planned.text).collect();
            ensure!(found.len() == 1, "{} posts of {occurrence}", found.len());
            ensure!(found[0].created_at >= planned.at, "early: {occurrence}");
            let url = occurrence["publishedPostUrl"].as_str().unwrap_or_default();
            ensure!(url.ends_with(&found[0].id), "{occurrence}");
        }
        Ok(())
    }
}

/// The id of an occurrence that has a row.
fn id(occurrence: &Value) -> &str {
    occurrence["scheduleId"].as_str().unwrap_or_default()
}

/// How many of these have this status.
pub(crate) fn count(occurrences: &[Value], status: &str) -> usize {
    occurrences.iter().filter(|it| it["status"] == status).count()
}
