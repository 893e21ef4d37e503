//! A frontend: a client of the API, as far as tests and the demo need one.
//!
//! **Invariant:** it knows the API by its documented wire alone, never by the crates behind it.

mod answer;

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

pub use answer::{Answer, Ask, Heard, Refused};

use crate::wait::{self, PATIENCE};

/// How long the API is asked to wait for the end of a job.
const WAIT_SECS: u64 = 10;

/// Every scope that a key may have.
pub const ALL_SCOPES: [&str; 7] = [
    "read",
    "content:write",
    "content:approve",
    "schedules:write",
    "connections:write",
    "jobs:write",
    "admin",
];

/// The API, called with one token.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    base_url: String,
    token: String,
    organization: Option<String>,
    heard: Option<Heard>,
}

impl Api {
    /// The API at `base_url`, with an organization's key or the operators' token.
    pub fn new(base_url: &str, token: &str) -> Self {
        // Only a broken TLS setup fails here, and the default client has the same one.
        let http = reqwest::Client::builder().no_proxy().build().unwrap_or_default();
        Self {
            http,
            base_url: base_url.trim_end_matches('/').to_owned(),
            token: token.to_owned(),
            organization: None,
            heard: None,
        }
    }

    /// The same API; `heard` keeps its answers.
    pub fn heard_by(&self, heard: &Heard) -> Self {
        Self { heard: Some(heard.clone()), ..self.clone() }
    }

    /// The same API with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), organization: None, ..self.clone() }
    }

    /// An operator acts for one organization.
    pub fn acting_for(&self, organization: &str) -> Self {
        Self { organization: Some(organization.to_owned()), ..self.clone() }
    }

    /// The same API by way of another address.
    pub fn by_way_of(&self, base_url: &str) -> Self {
        Self { base_url: base_url.trim_end_matches('/').to_owned(), ..self.clone() }
    }

    /// The token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Where the API is.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// A request with the token, for calls that are out of the ordinary.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.base_url);
        let request = self.http.request(method, url).bearer_auth(&self.token);
        let request = request.timeout(PATIENCE + Duration::from_secs(WAIT_SECS));
        match &self.organization {
            Some(organization) => request.header("ezre-organization", organization),
            None => request,
        }
    }

    /// Sends a request and reads its answer, whatever it is.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send(&self, request: RequestBuilder) -> Result<Answer> {
        let response = request.send().await.context("no answer of the API")?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.context("the API's answer broke off")?;
        if let Some(heard) = &self.heard {
            heard.note(&headers, &text);
        }
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Answer { status, headers, body })
    }

    /// Reads a path, whatever the answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.send(self.request(Method::GET, path)).await
    }

    /// Posts JSON to a path, whatever the answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// Reads a path that must be there.
    ///
    /// # Errors
    /// When there is no answer, or [`Refused`].
    pub async fn read(&self, path: &str) -> Result<Value> {
        accept(format!("GET {path}"), self.get(path).await?).map(|answer| answer.body)
    }

    /// All items of a list, page by page.
    ///
    /// # Errors
    /// As for [`Api::read`].
    pub async fn items(&self, path: &str) -> Result<Vec<Value>> {
        let joint = if path.contains('?') { '&' } else { '?' };
        let mut items = Vec::new();
        let mut target = path.to_owned();
        loop {
            let mut page = self.read(&target).await?;
            let Value::Array(found) = page["items"].take() else {
                bail!("GET {target} has no items: {page}")
            };
            let is_end = found.is_empty();
            items.extend(found);
            match page["nextCursor"].as_str() {
                // A feed has a next cursor even at its end.
                Some(cursor) if !is_end => {
                    let name = if path.starts_with("/v1/events") { "after" } else { "cursor" };
                    target = format!("{path}{joint}{name}={cursor}");
                }
                _ => return Ok(items),
            }
        }
    }

    /// Asks for a job, whatever the answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn ask(&self, ask: &Ask) -> Result<Answer> {
        let mut request = self.request(Method::POST, "/v1/jobs").json(&ask.body);
        if let Some(secs) = ask.wait_secs {
            request = request.header("prefer", format!("wait={secs}"));
        }
        if let Some(key) = &ask.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        self.send(request).await
    }

    /// Enqueues a job and answers its id at once.
    ///
    /// # Errors
    /// When there is no answer, or [`Refused`].
    pub async fn enqueue(&self, kind: &str, args: Value) -> Result<String> {
        let answer = accept(kind.to_owned(), self.ask(&Ask::new(kind, args)).await?)?;
        text(&answer.body, "id")
    }

    /// Enqueues a job, waits for its end and answers its result.
    ///
    /// # Errors
    /// When there is no answer; [`Refused`] when the API refuses or the job ends otherwise than
    /// done.
    pub async fn done(&self, kind: &str, args: Value) -> Result<Value> {
        Ok(self.done_by("", kind, args).await?["result"].take())
    }

    /// As [`Api::done`] on behalf of a person; answers the whole job.
    ///
    /// # Errors
    /// As for [`Api::done`].
    pub async fn done_by(&self, actor: &str, kind: &str, args: Value) -> Result<Value> {
        let mut ask = Ask::new(kind, args).wait(WAIT_SECS);
        if !actor.is_empty() {
            ask = ask.actor(actor);
        }
        let mut answer = accept(kind.to_owned(), self.ask(&ask).await?)?;
        if answer.status == 202 {
            let id = text(&answer.body, "id")?;
            answer.body = self.job_ended(&id, PATIENCE).await?;
        }
        if answer.body["state"] != "done" {
            return Err(Refused { what: kind.to_owned(), answer }.into());
        }
        Ok(answer.body)
    }

    /// Enqueues several jobs of one kind in one request, waits for their ends and answers their
    /// results.
    ///
    /// # Errors
    /// As for [`Api::done`].
    pub async fn all_done(&self, kind: &str, args: Vec<Value>) -> Result<Vec<Value>> {
        let batch: Vec<Value> =
            args.into_iter().map(|args| json!({ "kind": kind, "args": args })).collect();
        let request = self.request(Method::POST, "/v1/jobs").json(&batch);
        let request = request.header("prefer", format!("wait={WAIT_SECS}"));
        let answer = accept(kind.to_owned(), self.send(request).await?)?;
        let mut results = Vec::new();
        for job in answer.body.as_array().into_iter().flatten() {
            let mut job = self.job_ended(&text(job, "id")?, PATIENCE).await?;
            if job["state"] != "done" {
                bail!("{kind} is not done: {job}");
            }
            results.push(job["result"].take());
        }
        Ok(results)
    }

    /// A job.
    ///
    /// # Errors
    /// As for [`Api::read`].
    pub async fn job(&self, id: &str) -> Result<Value> {
        self.read(&format!("/v1/jobs/{id}")).await
    }

    /// Waits for the end of a job and answers it.
    ///
    /// # Errors
    /// As for [`Api::read`], and when the limit has passed.
    pub async fn job_ended(&self, id: &str, limit: Duration) -> Result<Value> {
        let over =
            |job: &Value| matches!(job["state"].as_str(), Some("done" | "dead" | "cancelled"));
        let what = format!("the end of the job {id}");
        wait::until_right(&what, limit, async || self.job(id).await, over).await
    }

    /// Waits until a job is in this state and answers it.
    ///
    /// # Errors
    /// As for [`Api::job_ended`].
    pub async fn job_is(&self, id: &str, state: &str, limit: Duration) -> Result<Value> {
        let what = format!("the job {id} is {state}");
        let is_right = |job: &Value| job["state"] == state;
        wait::until_right(&what, limit, async || self.job(id).await, is_right).await
    }

    /// A schedule.
    ///
    /// # Errors
    /// As for [`Api::read`].
    pub async fn schedule(&self, id: &str) -> Result<Value> {
        self.read(&format!("/v1/schedules/{id}")).await
    }

    /// Waits until a schedule has this status and answers it.
    ///
    /// # Errors
    /// As for [`Api::read`], and when the limit has passed.
    pub async fn schedule_is(&self, id: &str, status: &str, limit: Duration) -> Result<Value> {
        let what = format!("the schedule {id} is {status}");
        let is_right = |schedule: &Value| schedule["status"] == status;
        wait::until_right(&what, limit, async || self.schedule(id).await, is_right).await
    }

    /// The events of one subject, oldest first.
    ///
    /// # Errors
    /// As for [`Api::read`].
    pub async fn events_of(&self, subject: &str) -> Result<Vec<Value>> {
        let mut events = self.items("/v1/events?limit=200").await?;
        events.retain(|event| event["subjectId"] == subject);
        Ok(events)
    }

    /// Waits until the feed tells exactly these events of a subject, oldest first; answers them. It
    /// is behind for as long as an older transaction of the whole server is open.
    ///
    /// # Errors
    /// As for [`Api::read`], and when the feed does not tell them in time.
    pub async fn told(&self, subject: &str, types: &[&str]) -> Result<Vec<Value>> {
        let what = format!("the feed tells {types:?} of {subject}");
        let right = |events: &Vec<Value>| events.iter().map(|event| &event["type"]).eq(types);
        wait::until_right(&what, PATIENCE, async || self.events_of(subject).await, right).await
    }

    /// Waits for an event of this type about the subject.
    ///
    /// # Errors
    /// As for [`Api::read`], and when the limit has passed.
    pub async fn event(&self, subject: &str, event_type: &str, limit: Duration) -> Result<Value> {
        let what = format!("the event {event_type} of {subject}");
        wait::until(&what, limit, async || {
            let events = self.events_of(subject).await?;
            Ok(events.into_iter().find(|event| event["type"] == event_type))
        })
        .await
    }

    /// Uploads a file; answers its id.
    ///
    /// # Errors
    /// When there is no answer, or [`Refused`].
    pub async fn upload(&self, filename: &str, mime: &str, bytes: Vec<u8>) -> Result<String> {
        let begin = json!({
            "filename": filename, "contentType": mime, "sizeBytes": bytes.len(),
        });
        let begun = self.post("/v1/uploads", &begin).await?;
        let begun = accept("POST /v1/uploads".to_owned(), begun)?.body;
        let method = Method::from_bytes(text(&begun, "method")?.as_bytes())?;
        let url = text(&begun, "url")?;
        // Below the API it takes the key; elsewhere the address is a secret of its own.
        let mut request = match url.strip_prefix(&self.base_url) {
            Some(path) => self.request(method, path),
            None => self.http.request(method, &url),
        };
        request = request.timeout(PATIENCE).body(bytes);
        for (name, value) in begun["headers"].as_object().into_iter().flatten() {
            request = request.header(name, value.as_str().unwrap_or_default());
        }
        accept("the upload".to_owned(), self.send(request).await?)?;
        text(&begun, "fileId")
    }
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

fn accept(what: String, answer: Answer) -> Result<Answer> {
    if answer.is_success() { Ok(answer) } else { Err(Refused { what, answer }.into()) }
}

/// A text field that must be there.
///
/// # Errors
/// When it is not.
pub fn text(value: &Value, field: &str) -> Result<String> {
    let found = value[field].as_str().map(str::to_owned);
    found.ok_or_else(|| anyhow!("no text field {field:?} in {value}"))
}

/// The refusal that an error is, if it is one.
pub fn refusal(error: &anyhow::Error) -> Option<&Answer> {
    error.downcast_ref::<Refused>().map(|refused| &refused.answer)
}
