//! A simulator, callers, and the comparison of every answer with X's description.

use std::time::Duration;

use fleet_tests::contract::{Contract, Sent};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use simulator::{Client, NewUser, Running, Who};

/// The longest that a test waits for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// An image of one pixel.
pub(crate) const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhg\
                              GAWjR9awAAAABJRU5ErkJggg==";

/// Problem types that X's pages name and its description does not.
const OTHER_PROBLEMS: [&str; 3] = [
    "about:blank",
    "https://api.x.com/2/problems/client-forbidden",
    "https://api.x.com/2/problems/rate-limit-exceeded",
];

/// X's description, unless it is absent, which is said.
pub(crate) fn contract() -> Option<Contract> {
    match Contract::load("x/openapi.trimmed.json") {
        Ok(contract) => Some(contract),
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "a skipped comparison must be seen")]
            {
                eprintln!("answers are not compared with X's description: {error}");
            }
            None
        }
    }
}

/// A running simulator.
pub(crate) struct Stage {
    pub(crate) running: Running,
    pub(crate) control: Client,
}

/// A user's way to the simulated X.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) who: Who,
    pub(crate) token: String,
    base_url: String,
    http: reqwest::Client,
    contract: Option<Contract>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answered {
    pub(crate) fn body(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> i64 {
        self.headers[name].to_str().unwrap().parse().unwrap()
    }

    /// The id of what was made.
    pub(crate) fn id(&self) -> String {
        assert!(self.status.is_success(), "{self:?}");
        self.body()["data"]["id"].as_str().unwrap().to_owned()
    }

    /// Which parameter an invalid-request problem names.
    pub(crate) fn parameter(&self) -> String {
        assert_eq!(self.status, 400, "{self:?}");
        let body = self.body();
        assert_eq!(body["type"], "https://api.x.com/2/problems/invalid-request");
        body["parameter"].as_str().unwrap().to_owned()
    }
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let running = Running::start().await.unwrap();
        let control = running.client();
        Self { running, control }
    }

    /// A new user with a token that may do everything.
    pub(crate) async fn caller(&self, username: &str) -> Caller {
        let token = format!("token-of-{username}");
        let who = self.control.register(&NewUser::with_token(username, &token)).await.unwrap();
        Caller {
            who,
            token,
            base_url: self.running.base_url().to_owned(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            contract: contract(),
        }
    }
}

impl Caller {
    /// The same user with another token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// The same without the comparison, for answers that a fault spoils.
    pub(crate) fn unchecked(&self) -> Self {
        Self { contract: None, ..self.clone() }
    }

    pub(crate) async fn try_send(
        &self,
        method: &str,
        target: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> reqwest::Result<Answered> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self
            .http
            .request(method, format!("{}{target}", self.base_url))
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .timeout(DEADLINE);
        if let Some((kind, bytes)) = body {
            request = request.header(CONTENT_TYPE, kind).body(bytes);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Answered { status, headers, text: response.text().await? })
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        target: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Answered {
        let answered = self.try_send(method, target, body).await.unwrap();
        self.compare(method, target, &answered);
        answered
    }

    /// Every answer must be one that the description allows.
    fn compare(&self, method: &str, target: &str, answered: &Answered) {
        let Some(contract) = &self.contract else { return };
        let body = answered.body();
        let status = answered.status.as_u16();
        if OTHER_PROBLEMS.iter().any(|kind| body["type"] == *kind) {
            assert!(body["title"].is_string() && body["detail"].is_string(), "{body}");
            assert_eq!(body["status"], status);
        } else {
            let complaints = contract.answer(method, target, status, &body);
            assert!(complaints.is_empty(), "{complaints:?} {body}");
        }
    }

    /// What the description has against a request; `None` when it is absent.
    pub(crate) fn complaints(
        &self,
        method: &str,
        target: &str,
        body: Option<&(&str, Vec<u8>)>,
    ) -> Option<Vec<String>> {
        let (content_type, body) = match body {
            Some((kind, bytes)) => (Some(*kind), bytes.as_slice()),
            None => (None, &[][..]),
        };
        Some(self.contract.as_ref()?.request(&Sent { method, target, content_type, body }))
    }

    pub(crate) async fn get(&self, target: &str) -> Answered {
        self.send("GET", target, None).await
    }

    pub(crate) async fn post_json(&self, target: &str, body: &Value) -> Answered {
        self.send("POST", target, Some(("application/json", body.to_string().into_bytes()))).await
    }

    pub(crate) async fn delete(&self, id: &str) -> Answered {
        self.send("DELETE", &format!("/2/tweets/{id}"), None).await
    }

    /// Makes a post.
    pub(crate) async fn say(&self, text: &str) -> Answered {
        self.post_json("/2/tweets", &json!({ "text": text })).await
    }

    /// Makes a post on a connection that may break.
    pub(crate) async fn try_say(&self, text: &str) -> reqwest::Result<Answered> {
        let body = json!({ "text": text }).to_string().into_bytes();
        self.try_send("POST", "/2/tweets", Some(("application/json", body))).await
    }

    /// Uploads the image of one pixel.
    pub(crate) async fn upload(&self) -> Answered {
        let body = json!({ "media": PNG, "media_category": "tweet_image" });
        self.post_json("/2/media/upload", &body).await
    }

    /// The user's timeline.
    pub(crate) async fn timeline(&self, query: &str) -> Answered {
        self.get(&format!("/2/users/{}/tweets{query}", self.who.id)).await
    }
}

/// A field of a form: its name, its value, whether it is a file.
pub(crate) type FormField<'a> = (&'a str, &'a [u8], bool);

/// A form, as bytes.
pub(crate) fn form(fields: &[FormField<'_>]) -> (&'static str, Vec<u8>) {
    let mut body = Vec::new();
    for (name, value, is_file) in fields {
        let file = if *is_file { "; filename=\"a\"\r\ncontent-type: image/png" } else { "" };
        let head =
            format!("--edge\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(value);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--edge--\r\n");
    ("multipart/form-data; boundary=edge", body)
}
