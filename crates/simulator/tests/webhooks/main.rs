//! Webhooks that the simulator sends: signed, doubled, late, in another order.

#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod receiver;
mod stripe;
mod x;

use std::time::Duration;

use receiver::Receiver;
use serde_json::{Value, json};
use simulator::{Client, NewUser, Running, Who};

/// The longest that a test waits for anything.
const DEADLINE: Duration = Duration::from_secs(20);

/// A simulator, a receiver of its webhooks, and a user with a post.
struct Stage {
    running: Running,
    control: Client,
    receiver: Receiver,
    ada: Who,
    post: String,
}

impl Stage {
    async fn new() -> Self {
        let running = Running::start().await.unwrap();
        let control = running.client();
        let ada = control.register(&NewUser::with_token("ada", "token-of-ada")).await.unwrap();
        let receiver = Receiver::start().await;
        let mut stage = Self { running, control, receiver, ada, post: String::new() };
        stage.post = stage.say("hello").await;
        stage
    }

    /// The same, with X's webhook set.
    async fn of_x() -> Self {
        let stage = Self::new().await;
        stage.control.set_x_webhook(&stage.receiver.url, receiver::SECRET).await.unwrap();
        stage
    }

    fn http(&self) -> reqwest::Client {
        reqwest::Client::builder().no_proxy().build().unwrap()
    }

    async fn say(&self, text: &str) -> String {
        let url = format!("{}/2/tweets", self.running.base_url());
        let request = self.http().post(url).bearer_auth("token-of-ada");
        let answer = request.json(&json!({ "text": text })).send().await.unwrap();
        let body: Value = answer.json().await.unwrap();
        body["data"]["id"].as_str().unwrap().to_owned()
    }

    /// Tells the control something that it refuses; the field that it names.
    async fn refused(&self, method: &str, path: &str, body: &Value) -> String {
        let url = format!("{}/_control/{path}", self.running.base_url());
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let answer = self.http().request(method, url).json(body).send().await.unwrap();
        assert!(answer.status().is_client_error(), "{path} {body}: {}", answer.status());
        let told: Value = answer.json().await.unwrap();
        assert!(!told["error"]["message"].as_str().unwrap().is_empty());
        told["error"]["field"].as_str().unwrap().to_owned()
    }
}
