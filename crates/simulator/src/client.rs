//! A typed client of the control, for tests and the demo.
//!
//! **Invariant:** it speaks to `/_control` alone; the network's own paths are for the code under
//! test.

mod webhooks;

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::control::{NewToken, NewUser};
use crate::fault::{Rule, Standing};
use crate::hold::{Hold, Outcome};
use crate::journal::{Effect, Entry, Who};
use crate::models::{ModelSettings, NewKey};
use crate::x::{ControlGrant, ControlPost, Metrics, NewApp, NewConsent, Settings, SettingsPatch};

/// Time given to an answer beyond what was asked to be waited for.
const GRACE: Duration = Duration::from_secs(10);

/// Scopes that are enough for all that the simulator can do.
const ALL_SCOPES: [&str; 6] =
    ["tweet.read", "tweet.write", "users.read", "media.write", "offline.access", "like.read"];

/// Trouble with the control.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The simulator cannot be reached, or its answer not be read.
    #[error("the simulator cannot be reached")]
    Unreachable(#[from] reqwest::Error),
    /// What was waited for did not happen in time.
    #[error("what was waited for did not happen in time: {0}")]
    TimedOut(String),
    /// The request was wrong.
    #[error("the simulator refused with {status}: {field}: {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Which field is wrong.
        field: String,
        /// What is wrong with it.
        message: String,
    },
}

type Result<T> = std::result::Result<T, ClientError>;

/// A client of one simulator's control.
#[derive(Clone, Debug)]
pub struct Client {
    base_url: String,
    http: reqwest::Client,
}

impl NewUser {
    /// A user with one token that never ends and may do everything.
    pub fn with_token(username: &str, token: &str) -> Self {
        Self {
            username: username.to_owned(),
            name: username.to_owned(),
            id: None,
            tokens: vec![NewToken::new(token)],
        }
    }
}

impl NewToken {
    /// A token that never ends and may do everything.
    pub fn new(token: &str) -> Self {
        Self {
            token: token.to_owned(),
            scopes: ALL_SCOPES.map(str::to_owned).into(),
            expires_in_secs: None,
        }
    }
}

/// Every method fails with [`ClientError::Unreachable`] when there is no readable answer, and with
/// [`ClientError::Refused`] when the simulator finds the request wrong.
#[expect(clippy::missing_errors_doc, reason = "said once, above")]
impl Client {
    /// For the simulator at `base_url`, such as `http://127.0.0.1:4711`.
    pub fn new(base_url: &str) -> Self {
        // Only a broken TLS setup fails here, and the default client has the same one.
        let http = reqwest::Client::builder().no_proxy().build().unwrap_or_default();
        Self { base_url: base_url.trim_end_matches('/').to_owned(), http }
    }

    /// Where the simulator is, without a trailing slash; the networks' base URL too.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Registers a user, or changes the one with this id or handle, and adds its tokens.
    pub async fn register(&self, user: &NewUser) -> Result<Who> {
        self.post("users", user).await
    }

    /// Revokes all tokens of a user; tells how many were still good.
    pub async fn revoke(&self, user: &str) -> Result<u64> {
        let told: Value = self.post("revoke", &json!({ "user": user })).await?;
        Ok(told["revoked"].as_u64().unwrap_or_default())
    }

    /// Registers an app of OAuth, or replaces it.
    pub async fn register_app(&self, app: &NewApp) -> Result<()> {
        self.post("apps", app).await
    }

    /// Answers an open consent page for the person; tells the address to which they are sent.
    pub async fn consent(&self, consent: &NewConsent) -> Result<String> {
        let told: Value = self.post("consent", consent).await?;
        Ok(told["location"].as_str().unwrap_or_default().to_owned())
    }

    /// What people have allowed to apps, oldest first.
    pub async fn grants(&self) -> Result<Vec<ControlGrant>> {
        self.get("grants", &[]).await
    }

    /// Registers a key for models.
    pub async fn register_key(&self, key: &str, name: &str) -> Result<()> {
        self.post("keys", &NewKey { key: key.to_owned(), name: name.to_owned() }).await
    }

    /// Sets how models answer.
    pub async fn set_models(&self, settings: &ModelSettings) -> Result<ModelSettings> {
        self.post("models", settings).await
    }

    /// The settings in force.
    pub async fn settings(&self) -> Result<Settings> {
        self.get("settings", &[]).await
    }

    /// Changes settings; tells those in force afterwards.
    pub async fn change(&self, patch: &SettingsPatch) -> Result<Settings> {
        self.post("settings", patch).await
    }

    /// Sets a post's numbers.
    pub async fn set_metrics(&self, post_id: &str, metrics: Metrics) -> Result<()> {
        self.post("metrics", &json!({ "postId": post_id, "metrics": metrics })).await
    }

    /// Adds a fault; tells its id.
    pub async fn fault(&self, rule: Rule) -> Result<String> {
        Ok(self.faults(&[rule]).await?.pop().unwrap_or_default())
    }

    /// Adds faults; tells their ids.
    pub async fn faults(&self, rules: &[Rule]) -> Result<Vec<String>> {
        #[derive(serde::Deserialize)]
        struct Added {
            ids: Vec<String>,
        }
        let added: Added = self.post("faults", rules).await?;
        Ok(added.ids)
    }

    /// The faults in force, with how often they were used.
    pub async fn standing_faults(&self) -> Result<Vec<Standing>> {
        self.get("faults", &[]).await
    }

    /// Forgets all faults. What is held stays held.
    pub async fn clear_faults(&self) -> Result<()> {
        self.call(Method::DELETE, "faults", |request| request, GRACE).await
    }

    /// The requests after the one numbered `after`, oldest first; all with 0.
    pub async fn journal(&self, after: u64) -> Result<Vec<Entry>> {
        self.get("journal", &[("after", after.to_string())]).await
    }

    /// The effects after the one numbered `after`, oldest first; all with 0.
    pub async fn effects(&self, after: u64) -> Result<Vec<Effect>> {
        self.get("effects", &[("after", after.to_string())]).await
    }

    /// The posts of a user (id or handle), oldest first, deleted ones included.
    pub async fn posts(&self, user: &str) -> Result<Vec<ControlPost>> {
        self.get("posts", &[("user", user.to_owned())]).await
    }

    /// Everybody's posts, oldest first, deleted ones included.
    pub async fn all_posts(&self) -> Result<Vec<ControlPost>> {
        self.get("posts", &[]).await
    }

    /// Waits until there are `count` effects since the last reset, then tells them all;
    /// [`ClientError::TimedOut`] after `timeout`.
    pub async fn wait_effects(&self, count: usize, timeout: Duration) -> Result<Vec<Effect>> {
        self.wait(&[("effects", count.to_string())], timeout).await?;
        self.effects(0).await
    }

    /// Waits until `count` posts have been made since the last reset;
    /// [`ClientError::TimedOut`] after `timeout`.
    pub async fn wait_posts(&self, count: usize, timeout: Duration) -> Result<Vec<ControlPost>> {
        let asked = [("effects", count.to_string()), ("kind", "postCreated".to_owned())];
        self.wait(&asked, timeout).await?;
        self.all_posts().await
    }

    /// Waits until the request numbered `seq` has arrived; [`ClientError::TimedOut`] after
    /// `timeout`.
    pub async fn wait_seq(&self, seq: u64, timeout: Duration) -> Result<()> {
        self.wait(&[("seq", seq.to_string())], timeout).await
    }

    async fn wait(&self, asked: &[(&str, String)], timeout: Duration) -> Result<()> {
        let ms = ("timeoutMs", timeout.as_millis().to_string());
        let add = |request: reqwest::RequestBuilder| request.query(asked).query(&[ms]);
        self.call::<Value>(Method::GET, "wait", add, timeout + GRACE).await?;
        Ok(())
    }

    /// Waits until a request is held under `name`; [`ClientError::TimedOut`] after `timeout`.
    pub async fn wait_hold(&self, name: &str, timeout: Duration) -> Result<Hold> {
        let ms = [("timeoutMs", timeout.as_millis().to_string())];
        let path = format!("wait-hold/{name}");
        self.call(Method::GET, &path, |request| request.query(&ms), timeout + GRACE).await
    }

    /// The requests that are being held.
    pub async fn holds(&self) -> Result<Vec<Hold>> {
        self.get("holds", &[]).await
    }

    /// Lets what is held under `name` go on; tells what was held.
    pub async fn release(&self, name: &str) -> Result<Vec<Hold>> {
        self.release_as(name, Outcome::Proceed).await
    }

    /// Ends what is held under `name` as said; tells what was held.
    pub async fn release_as(&self, name: &str, outcome: Outcome) -> Result<Vec<Hold>> {
        self.post(&format!("release/{name}"), &json!({ "outcome": outcome })).await
    }

    /// Forgets everything; what is held is dropped. Sequence numbers go on.
    pub async fn reset(&self) -> Result<()> {
        self.post("reset", &json!({})).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, asked: &[(&str, String)]) -> Result<T> {
        self.call(Method::GET, path, |request| request.query(asked), GRACE).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        told: &(impl Serialize + ?Sized),
    ) -> Result<T> {
        self.call(Method::POST, path, |request| request.json(told), GRACE).await
    }

    async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        told: &(impl Serialize + ?Sized),
    ) -> Result<T> {
        self.call(Method::PUT, path, |request| request.json(told), GRACE).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        fill: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
        timeout: Duration,
    ) -> Result<T> {
        let url = format!("{}/_control/{path}", self.base_url);
        let request = self.http.request(method, url).timeout(timeout);
        let response = fill(request).send().await?;
        let status = response.status();
        if status == StatusCode::NO_CONTENT {
            // `null` is how a unit is written.
            return serde_json::from_value(Value::Null).map_err(|error| ClientError::Refused {
                status: status.as_u16(),
                field: "body".to_owned(),
                message: error.to_string(),
            });
        }
        if status.is_success() {
            return Ok(response.json().await?);
        }
        let refusal: Value = response.json().await?;
        let word = |name: &str| refusal["error"][name].as_str().unwrap_or_default().to_owned();
        if status == StatusCode::REQUEST_TIMEOUT {
            return Err(ClientError::TimedOut(path.to_owned()));
        }
        Err(ClientError::Refused {
            status: status.as_u16(),
            field: word("field"),
            message: word("message"),
        })
    }
}
