//! Who receives the webhooks, and keeps them as they came.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use platforms::webhooks::x;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The secret that the receiver knows of X.
pub(crate) const SECRET: &str = "x-consumer-secret-ABCDEFGHIJKLMNOP";

#[derive(Default)]
struct Inbox {
    got: Vec<Got>,
    /// What is answered to the next ones, before 200 to all others.
    answers: VecDeque<u16>,
    /// Answered to everything, when set.
    always: Option<u16>,
    /// How many are being taken, and the most that ever were.
    busy: (usize, usize),
}

/// A webhook as it came.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.get(name).map(|value| value.as_bytes())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub(crate) struct Receiver {
    pub(crate) url: String,
    inbox: Arc<Mutex<Inbox>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhooks", listener.local_addr().unwrap());
        let inbox = Arc::new(Mutex::new(Inbox::default()));
        let app = Router::new().route("/webhooks", get(challenge).post(take));
        let app = app.with_state(Arc::clone(&inbox));
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, inbox, serving }
    }

    /// What came so far.
    pub(crate) fn got(&self) -> Vec<Got> {
        self.inbox.lock().unwrap().got.clone()
    }

    /// The most that were taken at the same time since this was last asked.
    pub(crate) fn most_at_once(&self) -> usize {
        std::mem::take(&mut self.inbox.lock().unwrap().busy.1)
    }

    /// The next ones are answered with these.
    pub(crate) fn answer(&self, statuses: impl IntoIterator<Item = u16>) {
        self.inbox.lock().unwrap().answers.extend(statuses);
    }

    /// Everything is answered with this from now on; with `None`, as before.
    pub(crate) fn always(&self, status: Option<u16>) {
        self.inbox.lock().unwrap().always = status;
    }
}

async fn challenge(Query(asked): Query<Vec<(String, String)>>) -> (StatusCode, String) {
    let [(name, token)] = &asked[..] else { return (StatusCode::BAD_REQUEST, String::new()) };
    assert_eq!(name, x::CRC_TOKEN);
    let answer = x::crc_answer(SECRET.as_bytes(), token).unwrap();
    (StatusCode::OK, json!({ "response_token": answer }).to_string())
}

async fn take(
    State(inbox): State<Arc<Mutex<Inbox>>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, [(&'static str, &'static str); 1]) {
    let status = {
        let mut inbox = inbox.lock().unwrap();
        inbox.got.push(Got { headers, body });
        inbox.busy.0 += 1;
        inbox.busy.1 = inbox.busy.1.max(inbox.busy.0);
        inbox.always.or_else(|| inbox.answers.pop_front())
    };
    // Others have their turn, if there are any.
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    inbox.lock().unwrap().busy.0 -= 1;
    (StatusCode::from_u16(status.unwrap_or(200)).unwrap(), [("location", "/webhooks")])
}
