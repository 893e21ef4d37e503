//! A server that answers as it is told, one reply a request, and keeps what it was asked.
//!
//! **Invariant:** [`Server::finish`] fails a test whose requests, or whose answers, X's own
//! description does not allow.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a panic is how a test fails")]

use fleet_tests::contract::{Contract, Sent};
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// Problems that X's prose names and its description does not.
const UNDESCRIBED: [&str; 4] =
    ["rate-limit-exceeded", "usage-capped", "client-forbidden", "about:blank"];

/// What the server does with the next request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// An answer, after which the connection stays open.
    Answer { status: u16, headers: Vec<(&'static str, String)>, body: String, described: bool },
    /// The head of a success, then the end of the connection within the body.
    Torn,
    /// The end of the connection before anything was read.
    DropUnread,
    /// The end of the connection after the request was read.
    DropRead,
    /// A reset of the connection after the request was read.
    Reset,
    /// Silence.
    Hang,
}

impl Reply {
    pub(crate) fn json(status: u16, body: Value) -> Self {
        Reply::Answer { status, headers: Vec::new(), body: body.to_string(), described: true }
    }

    /// An answer that X's description does not allow.
    pub(crate) fn raw(status: u16, body: &str) -> Self {
        Reply::Answer { status, headers: Vec::new(), body: body.to_owned(), described: false }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        if let Reply::Answer { headers, .. } = &mut self {
            headers.push((name, value.to_string()));
        }
        self
    }
}

/// A request as the server read it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Which connection it came on, counted from 0.
    pub(crate) connection: usize,
    reply: Option<Reply>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

#[derive(Default)]
struct State {
    replies: VecDeque<Reply>,
    asked: Vec<Asked>,
    connections: usize,
}

pub(crate) struct Server {
    pub(crate) url: Url,
    state: Arc<Mutex<State>>,
    listening: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Server {
    pub(crate) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port of our own");
        let address = listener.local_addr().expect("a bound port");
        let replies = replies.into_iter().collect();
        let state = Arc::new(Mutex::new(State { replies, ..State::default() }));
        let shared = Arc::clone(&state);
        let listening = tokio::spawn(async move {
            let mut serving = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let mut state = shared.lock().expect("no test panicked in here");
                let connection = state.connections;
                state.connections += 1;
                if matches!(state.replies.front(), Some(Reply::DropUnread)) {
                    state.replies.pop_front();
                    continue;
                }
                drop(state);
                serving.spawn(serve(BufReader::new(stream), connection, Arc::clone(&shared)));
            }
        });
        let url = format!("http://{address}").parse().expect("an address is a URL");
        Server { url, state, listening }
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        self.state.lock().expect("no test panicked in here").connections
    }

    /// Everything that was asked of endpoints that X's description leaves out, as it does its OAuth
    /// endpoints: all replies were used, nothing more was asked.
    pub(crate) fn finish_undescribed(self) -> Vec<Asked> {
        let state = self.state.lock().expect("no test panicked in here");
        assert!(state.replies.is_empty(), "never asked for: {:?}", state.replies);
        assert!(state.asked.iter().all(|asked| asked.reply.is_some()), "more than the replies");
        state.asked.clone()
    }

    /// Everything that was asked, after checking it: all replies were used, nothing more was
    /// asked, and X's description allows every request and every answer.
    pub(crate) fn finish(self) -> Vec<Asked> {
        let state = self.state.lock().expect("no test panicked in here");
        assert!(state.replies.is_empty(), "never asked for: {:?}", state.replies);
        let contract = match Contract::load("x/openapi.trimmed.json") {
            Ok(contract) => contract,
            Err(absent) => {
                println!("skipped the check against X's description: {absent}");
                return state.asked.clone();
            }
        };
        for asked in &state.asked {
            let sent = Sent {
                method: &asked.method,
                target: &asked.target,
                content_type: asked.header("content-type"),
                body: &asked.body,
            };
            assert_eq!(contract.request(&sent), [""; 0], "asked against the description");
            let reply = asked.reply.as_ref().expect("nothing was asked beyond the replies");
            if let Reply::Answer { status, body, described: true, .. } = reply {
                let body = serde_json::from_str(body).expect("a described answer is JSON");
                let found = contract.answer(&asked.method, &asked.target, *status, &body);
                assert_eq!(found, [""; 0], "answered against the description");
            }
        }
        state.asked.clone()
    }
}

/// A problem as X tells it.
pub(crate) fn problem(status: u16, kind: &str, detail: &str) -> Reply {
    let named = if kind.contains(':') {
        kind.to_owned()
    } else {
        format!("https://api.x.com/2/problems/{kind}")
    };
    let body = serde_json::json!({
        "type": named, "title": "Problem", "detail": detail, "status": status, "resource_type": "post",
    });
    let mut reply = Reply::json(status, body);
    if let Reply::Answer { described, .. } = &mut reply {
        *described = !UNDESCRIBED.contains(&kind);
    }
    reply
}

async fn serve(mut stream: BufReader<TcpStream>, connection: usize, state: Arc<Mutex<State>>) {
    while let Some(mut asked) = read(&mut stream).await {
        asked.connection = connection;
        let reply = {
            let mut state = state.lock().expect("no test panicked in here");
            let reply = state.replies.pop_front();
            asked.reply = reply.clone();
            state.asked.push(asked);
            reply
        };
        let text = match reply {
            Some(Reply::Answer { status, headers, body, .. }) => {
                let headers: String =
                    headers.iter().map(|(n, v)| format!("{n}: {v}\r\n")).collect();
                format!(
                    "HTTP/1.1 {status} .\r\ncontent-length: {}\r\n{headers}\r\n{body}",
                    body.len()
                )
            }
            Some(Reply::Torn) => "HTTP/1.1 201 .\r\ncontent-length: 99\r\n\r\n{\"data\"".to_owned(),
            Some(Reply::Hang) => return std::future::pending().await,
            Some(Reply::Reset) => {
                stream.get_ref().set_zero_linger().expect("a socket option");
                return;
            }
            Some(Reply::DropUnread | Reply::DropRead) | None => return,
        };
        let torn = text.contains("content-length: 99");
        if stream.write_all(text.as_bytes()).await.is_err() || torn {
            return;
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ').map(str::to_owned);
    let (method, target) = (first.next()?, first.next()?);
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Asked { method, target, headers, body, connection: 0, reply: None })
}
