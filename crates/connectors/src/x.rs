//! X, called: who the token belongs to, uploads, the one write that publishes, looking, deleting.
//!
//! Two HTTP clients: one for calls that may be repeated, and one for the write that publishes,
//! which has no pool, no redirects and no retries, so that a lost connection is seen as lost.
//!
//! Source: `x/openapi.trimmed.json` (v2.167) and section 3 of `PLATFORMS.md` of the contracts,
//! read 2026-11-22.
//!
//! **Invariant:** [`X::commit`] sends one request on a connection of its own, or none; and none
//! after its time.

mod answer;
mod engagement;
mod found;
mod in_time;
mod oauth;
mod same;
mod upload;

use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, Utc};
use platforms::x::Endpoint;
use platforms::{ErrorClass, Platform};
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, redirect, retry};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use url::Url;

use crate::{
    Access, Account, Called, Closed, Commit, Connector, Draft, Error, FoundPost, PostPage,
    PostReading, Posted, Upload, Uploaded,
};
use answer::{Answer, Budget, Failed};

pub use oauth::XOAuth;

/// Where X's API lives, unless a simulator stands in.
pub const DEFAULT_BASE_URL: &str = "https://api.x.com";

/// The fields of a post that are needed to recognise it.
const POST_FIELDS: &str = "attachments,created_at,entities,note_post,text";

/// Most posts on a page, which X also has as its limit.
const PAGE_SIZE: &str = "100";

/// X as a [`Connector`].
#[derive(Clone, Debug)]
pub struct X {
    base_url: Url,
    /// For calls that change nothing that people see.
    client: Client,
    /// For the calls of which there must be exactly one.
    once: Client,
}

/// The connector cannot be built from its settings.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The base URL is not one of HTTP or HTTPS.
    #[error("not an http or https base URL: {0}")]
    BaseUrl(Url),
    /// The HTTP client could not be set up, for instance for want of root certificates.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
}

impl X {
    /// A connector that calls X at `base_url`. A call of unknown outcome is given up after
    /// `request_timeout`; a connection that does not come about within `connect_timeout` counts
    /// as not sent, so it should be the shorter of the two.
    ///
    /// # Errors
    /// [`SetupError`] when the URL cannot be called or the HTTP client cannot be set up.
    pub fn new(
        base_url: Url,
        request_timeout: Duration,
        connect_timeout: Duration,
    ) -> Result<Self, SetupError> {
        let client = client(&base_url, request_timeout, connect_timeout)?;
        let once = client_of_one_call(&base_url, request_timeout, connect_timeout)?;
        Ok(X {
            client: client.build().map_err(SetupError::Client)?,
            once: once.connector_layer(in_time::InTime).build().map_err(SetupError::Client)?,
            base_url,
        })
    }

    /// A request to an endpoint; `id` fills the `{id}` of its path.
    fn request(
        &self,
        client: &Client,
        endpoint: Endpoint,
        id: &str,
        token: &SecretString,
    ) -> RequestBuilder {
        let (method, path) = endpoint.name().split_once(' ').unwrap_or(("GET", endpoint.name()));
        let mut url = self.base_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            let path = path.split('/').skip(1);
            segments.pop_if_empty().extend(path.map(|part| if part == "{id}" { id } else { part }));
        }
        let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET);
        client.request(method, url).bearer_auth(token.expose_secret())
    }

    /// Makes a call that publishes nothing and reads its answer.
    async fn call(
        &self,
        request: RequestBuilder,
        budget: &Budget<'_>,
    ) -> Result<Called<Value>, Error> {
        match answer::send(request, budget).await {
            Ok(answer) => answer.into_called(budget),
            Err(Failed::NotSent(reason) | Failed::Lost(reason)) => {
                Err(Error::Unavailable { reason })
            }
        }
    }
}

#[async_trait]
impl Connector for X {
    fn platform(&self) -> Platform {
        Platform::Twitter
    }

    fn publish_key(&self, account_id: &str) -> String {
        Endpoint::CreatePost.user_key(account_id)
    }

    fn publish_keys(&self, account_id: &str) -> Vec<String> {
        vec![self.publish_key(account_id), Endpoint::CreatePost.app_key()]
    }

    async fn identify(&self, token: &SecretString) -> Result<Called<Account>, Error> {
        let budget = Budget::of_unknown_account(Endpoint::Me, token);
        let request = self.request(&self.client, Endpoint::Me, "", token);
        let called = self.call(request, &budget).await?;
        let field = |name: &str| called.value["data"][name].as_str().map(str::to_owned);
        match (field("id"), field("username"), field("name")) {
            (Some(id), Some(username), Some(name)) => {
                Ok(Called { value: Account { id, username, name }, closed: called.closed })
            }
            _ => Err(answer::unreadable("the account has no id, username or name")),
        }
    }

    async fn prepare(&self, access: &Access, upload: Upload) -> Result<Called<Uploaded>, Error> {
        upload::upload(self, access, upload).await
    }

    async fn commit(
        &self,
        access: &Access,
        draft: &Draft,
        send_before: Instant,
    ) -> (Commit, Option<Closed>) {
        let mut body = json!({ "text": draft.text });
        if !draft.media_ids.is_empty() {
            body["media"] = json!({ "media_ids": draft.media_ids });
        }
        let budget = Budget::of_account(Endpoint::CreatePost, access);
        let request = self.request(&self.once, Endpoint::CreatePost, "", &access.token);
        let call = answer::send(request.json(&body), &budget);
        match in_time::send_before(send_before, call).await {
            Err(Failed::NotSent(reason)) => (Commit::NotSent { reason }, None),
            Err(Failed::Lost(reason)) => (Commit::Unknown { reason }, None),
            Ok(answer) => outcome(&answer, &budget),
        }
    }

    async fn posts_since(
        &self,
        access: &Access,
        since: DateTime<Utc>,
        page: Option<&str>,
    ) -> Result<Called<PostPage>, Error> {
        // X takes and tells times in whole seconds: asking from the second on misses nothing.
        // Replies and reposts are not left out: X takes a post that starts with a mention for a
        // reply, and must not hide it from us.
        let since = since.to_rfc3339_opts(SecondsFormat::Secs, true);
        let mut query = vec![
            ("max_results", PAGE_SIZE),
            ("start_time", since.as_str()),
            ("post.fields", POST_FIELDS),
        ];
        query.extend(page.map(|token| ("pagination_token", token)));
        let budget = Budget::of_account(Endpoint::UserPosts, access);
        let request =
            self.request(&self.client, Endpoint::UserPosts, &access.account_id, &access.token);
        let called = self.call(request.query(&query), &budget).await?;
        let value = found::page(called.value).map_err(|e| answer::unreadable(&e.to_string()))?;
        Ok(Called { value, closed: called.closed })
    }

    async fn engagement(
        &self,
        access: &Access,
        post_ids: &[String],
    ) -> Result<Called<Vec<PostReading>>, Error> {
        engagement::engagement(self, access, post_ids).await
    }

    fn is_same(&self, draft: &Draft, found: &FoundPost) -> bool {
        draft.media_ids.len() == found.media_count && same::same_text(&draft.text, &found.text)
    }

    fn permalink(&self, username: &str, post_id: &str) -> String {
        format!("https://x.com/{username}/status/{post_id}")
    }

    async fn delete(&self, access: &Access, post_id: &str) -> Result<Called<()>, Error> {
        let budget = Budget::of_account(Endpoint::DeletePost, access);
        let request = self.request(&self.client, Endpoint::DeletePost, post_id, &access.token);
        match self.call(request, &budget).await {
            Ok(called) if called.value["data"]["deleted"] == true => {
                Ok(Called { value: (), closed: called.closed })
            }
            Ok(_) => Err(answer::unreadable("the deletion is not confirmed")),
            Err(Error::Refused(refusal)) if refusal.class == ErrorClass::Ignore => {
                Ok(Called { value: (), closed: refusal.closed })
            }
            Err(error) => Err(error),
        }
    }
}

fn client(
    base_url: &Url,
    request_timeout: Duration,
    connect_timeout: Duration,
) -> Result<ClientBuilder, SetupError> {
    if !matches!(base_url.scheme(), "http" | "https") || base_url.cannot_be_a_base() {
        return Err(SetupError::BaseUrl(base_url.clone()));
    }
    let builder = Client::builder()
        .user_agent(concat!("ezre-fleet/", env!("CARGO_PKG_VERSION")))
        .timeout(request_timeout)
        .connect_timeout(connect_timeout)
        .redirect(redirect::Policy::none())
        .referer(false);
    Ok(if is_loopback(base_url) { builder.no_proxy() } else { builder })
}

/// A client whose calls have a connection of their own and are never repeated.
fn client_of_one_call(
    base_url: &Url,
    request_timeout: Duration,
    connect_timeout: Duration,
) -> Result<ClientBuilder, SetupError> {
    let builder = client(base_url, request_timeout, connect_timeout)?;
    Ok(builder.http1_only().pool_max_idle_per_host(0).retry(retry::never()))
}

/// What an answer to the publishing call says of the post.
fn outcome(answer: &Answer, budget: &Budget<'_>) -> (Commit, Option<Closed>) {
    if answer.is_success() {
        let closed = answer.closed(budget, None);
        let commit = match answer.body["data"]["id"].as_str().filter(|id| is_post_id(id)) {
            Some(id) => Commit::Published(posted(id)),
            None => Commit::Unknown { reason: answer.describe(budget, "no id of the post") },
        };
        return (commit, closed);
    }
    match answer.refusal(budget) {
        refusal if is_open(refusal.class) => {
            let reason = answer.describe(budget, &refusal.message);
            (Commit::Unknown { reason }, refusal.closed)
        }
        refusal => {
            let closed = refusal.closed.clone();
            (Commit::Refused(refusal), closed)
        }
    }
}

/// Whether a class leaves open what became of a call.
fn is_open(class: ErrorClass) -> bool {
    match class {
        ErrorClass::Ambiguous | ErrorClass::Transient | ErrorClass::Pending => true,
        ErrorClass::AuthRefresh
        | ErrorClass::AuthReconnect
        | ErrorClass::Permission
        | ErrorClass::Permanent
        | ErrorClass::Policy
        | ErrorClass::RateLimited
        | ErrorClass::Quota
        | ErrorClass::Duplicate
        | ErrorClass::Recreate
        | ErrorClass::Config
        | ErrorClass::Ignore => false,
    }
}

fn is_post_id(id: &str) -> bool {
    (1..=19).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit())
}

/// A post by its id alone, under an address that needs no username.
fn posted(id: &str) -> Posted {
    Posted { id: id.to_owned(), url: format!("https://x.com/i/web/status/{id}") }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
