//! One story, told over HTTP: each request again and again until it is acknowledged.
//!
//! **Invariant:** a request is repeated with its own idempotency key and its own body, so that however
//! often it arrives its jobs are made once.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use reqwest::Method;
use serde_json::{Value, json};
use simulator::NewUser;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use tokio::time::sleep;

use super::load::{Frontends, LONG};
use crate::api::Answer;
use crate::harness::{Account, Tenant};

/// How long a frontend waits for one answer.
const ANSWER: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);

/// One story, by its mark.
pub(crate) struct Telling<'a> {
    pub(super) frontends: &'a Frontends<'a>,
    pub(super) tenant: &'a Tenant,
    pub(super) mark: usize,
}

impl Telling<'_> {
    /// Enqueues jobs in one request, again and again until it is acknowledged; answers their ids,
    /// none when the request is refused.
    pub(crate) async fn ask(&self, word: &str, jobs: Vec<Value>) -> Result<Vec<String>> {
        let frontends = self.frontends;
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let key = format!("{}-{}-{word}", frontends.seed, self.mark);
        let body = Value::Array(jobs);
        while !frontends.is_over() {
            let request = self.tenant.api.request(Method::POST, "/v1/jobs").timeout(ANSWER);
            let request = request.header("idempotency-key", &key).json(&body);
            match self.tenant.api.send(request).await {
                Ok(answer) if answer.is_success() => return self.note(&answer),
                Ok(answer) if !is_passing(answer.status) => {
                    let refusal = format!("{word}: {} {}", answer.status, answer.body);
                    frontends.book().refusals.push(refusal);
                    return Ok(Vec::new());
                }
                Ok(_) | Err(_) => frontends.book().repeats += 1,
            }
            sleep(PAUSE).await;
        }
        frontends.book().unanswered += 1;
        Ok(Vec::new())
    }

    fn note(&self, answer: &Answer) -> Result<Vec<String>> {
        let jobs = answer.body.as_array().context("a batch is answered with a list")?;
        let id = |job: &Value| job["id"].as_str().map(str::to_owned).context("a job has an id");
        let ids: Vec<String> = jobs.iter().map(id).collect::<Result<_>>()?;
        let mut book = self.frontends.book();
        book.replays += usize::from(answer.header("idempotent-replayed") == "true");
        book.jobs.extend(ids.iter().cloned());
        Ok(ids)
    }

    pub(crate) async fn write(
        &self,
        count: usize,
        run_at: Option<DateTime<Utc>>,
    ) -> Result<Vec<String>> {
        let one = |nth| {
            let word = if nth % 2 == 0 { LONG } else { "short" };
            let mark = format!("Chaos {} {}.{nth} {word}", self.frontends.seed, self.mark);
            let version = json!({ "platform": "TWITTER", "text": mark });
            let mut job = json!({
                "kind": "content.create", "args": { "title": mark, "versions": [version] },
            });
            if let Some(run_at) = run_at {
                job["runAt"] = json!(run_at);
            }
            job
        };
        self.ask("write", (0..count).map(one).collect()).await
    }

    /// Content versions of texts that were written.
    pub(crate) async fn versions(&self, count: usize) -> Result<Vec<Value>> {
        let jobs = self.write(count, None).await?;
        let results = self.results(&jobs).await?;
        Ok(results.into_iter().map(|mut made| made["contentVersionIds"][0].take()).collect())
    }

    pub(crate) async fn schedule(
        &self,
        versions: &[Value],
        on: &Account,
        at: DateTime<Utc>,
    ) -> Result<Vec<String>> {
        let one = |version: &Value| {
            let args = json!({
                "contentVersionId": version, "platformConnectionId": on.connection,
                "at": at.format("%Y-%m-%dT%H:%M:%S%.3f").to_string(), "timezone": "UTC",
                "maxRetries": 20,
            });
            json!({ "kind": "schedule.create", "args": args })
        };
        self.ask("schedule", versions.iter().map(one).collect()).await
    }

    pub(crate) async fn bring_in(&self, count: usize) -> Result<()> {
        let mut jobs = Vec::new();
        for nth in 0..count {
            let name = format!("u{}x{nth}", self.mark);
            let token = format!("token-{}-{}-{nth}", self.frontends.seed, self.mark);
            self.tenant.network.register(&NewUser::with_token(&name, &token)).await?;
            let args = json!({ "platform": "TWITTER", "accessToken": token });
            jobs.push(json!({ "kind": "connection.import", "args": args }));
        }
        self.ask("import", jobs).await.map(drop)
    }

    /// The results of jobs that are done, as soon as all have ended.
    pub(crate) async fn results(&self, jobs: &[String]) -> Result<Vec<Value>> {
        let frontends = self.frontends;
        let sql = "select outcome, coalesce(result, 'null') as result from job_history
                   where id = any ($1::uuid[])";
        loop {
            let rows = frontends.ground.eyes.rows(sql, jobs).await?;
            if rows.len() >= jobs.len() || frontends.is_over() {
                ensure!(rows.len() <= jobs.len(), "a job has ended more than once: {jobs:?}");
                let is_done = |row: &&PgRow| row.get::<&str, _>(0) == "done";
                return Ok(rows.iter().filter(is_done).map(|row| row.get(1)).collect());
            }
            sleep(PAUSE).await;
        }
    }
}

/// Whether the same request may be taken later: no answer that is final.
fn is_passing(status: u16) -> bool {
    status >= 500 || matches!(status, 408 | 425 | 429)
}
