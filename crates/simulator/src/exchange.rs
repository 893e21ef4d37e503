//! One request from the first byte to the last: read it, write it down, let it meet its fault,
//! let the network act, answer.
//!
//! The acting runs in a task of its own: as at a real network, a caller who hangs up does not
//! undo what was asked.
//!
//! **Invariant:** the journal has the request before the network acts, the effects before the
//! answer, and the end of the exchange before the caller can see it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Bytes, to_bytes};
use axum::extract::{Extension, Request, State};
use axum::response::Response;
use serde_json::Value;
use tokio::sync::oneshot;

use crate::call::{Answer, Call};
use crate::connection::Line;
use crate::fault::{Action, Facts, Taken, When};
use crate::hold::Outcome;
use crate::journal::{self, Entry, Met};
use crate::{Simulator, models, x};

/// The largest body that is read, in bytes.
const BODY_LIMIT: usize = 64 * 1024 * 1024;

/// How an exchange ends.
enum Ending {
    Answer(Box<Answer>),
    /// The connection is reset.
    Sever,
}

/// The handler of everything that belongs to a network.
pub(crate) async fn exchange(
    State(simulator): State<Arc<Simulator>>,
    Extension(line): Extension<Line>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body: Bytes = match to_bytes(body, BODY_LIMIT).await {
        Ok(body) => body,
        Err(error) => {
            tracing::info!(%error, "a request could not be read");
            return x::body_too_large().into_response(&line, || ());
        }
    };
    let call = Call::read(parts, body).await;
    let (answer, answered) = oneshot::channel();
    tokio::spawn(conduct(simulator.clone(), call, answer));
    match answered.await {
        Ok((seq, Ending::Answer(answer))) => {
            answer.into_response(&line, move || simulator.journal.streamed(seq))
        }
        Ok((_, Ending::Sever)) | Err(_) => {
            line.sever();
            std::future::pending().await
        }
    }
}

async fn conduct(simulator: Arc<Simulator>, call: Call, caller: oneshot::Sender<(u64, Ending)>) {
    let user = simulator.caller(&call);
    let seq = simulator.journal.open(Entry {
        seq: 0,
        at: journal::now(),
        method: call.method.clone(),
        path: call.clean(&call.path),
        query: call.clean(&call.raw_query),
        user: user.clone(),
        body_sha256: call.body_sha256.clone(),
        body_bytes: call.body_bytes,
        body: call.journal_body(),
        note: None,
        fault: None,
        status: None,
        answered: None,
        ended_at: None,
    });
    let taken = simulator.faults.take(&Facts {
        method: &call.method,
        path: &call.path,
        user: user.as_ref(),
        text: call.text(),
    });
    if let Some(Taken { id, action }) = &taken {
        tracing::info!(seq, fault.id = id, fault.action = action.word(), "a request meets a fault");
        let met = Met { id: id.clone(), action: action.word().to_owned() };
        simulator.journal.note_fault(seq, met);
    }
    let (status, ending) = meet(&simulator, &call, seq, taken.map(|taken| taken.action)).await;
    let is_answer = matches!(ending, Ending::Answer(_));
    simulator.journal.close(seq, status, is_answer && !caller.is_closed());
    if caller.send((seq, ending)).is_err() {
        simulator.journal.close(seq, status, false);
    }
}

/// Lets the network act, with or without a fault. The status is the network's own, also where
/// nobody gets to see it; `None` when it did not act.
async fn meet(
    simulator: &Simulator,
    call: &Call,
    seq: u64,
    action: Option<Action>,
) -> (Option<u16>, Ending) {
    let act = || simulator.act(call, seq, None);
    let answer = match action {
        None => act(),
        Some(Action::Status { status, headers, body, act: acts }) => {
            let answer = forced(call, status, headers, body);
            if acts {
                // The note is then the network's own.
                act();
                Answer { note: None, ..answer }
            } else {
                simulator.noted(seq, answer)
            }
        }
        Some(Action::RateLimited { reset_in_ms }) => {
            let reset = journal::now() + Duration::from_millis(reset_in_ms);
            if models::is_model(&call.path) {
                let secs = reset_in_ms.div_ceil(1000);
                let answer = models::error(call, 429).with_header("retry-after", secs);
                return (Some(429), Ending::Answer(Box::new(simulator.noted(seq, answer))));
            }
            simulator.x().forced_rate_limit(call, reset)
        }
        Some(Action::Delay { ms, when }) => {
            let pause = tokio::time::sleep(Duration::from_millis(ms));
            match when {
                When::Before => {
                    pause.await;
                    act()
                }
                When::After => {
                    let answer = act();
                    pause.await;
                    answer
                }
            }
        }
        Some(Action::DropBefore {}) => return (None, Ending::Sever),
        Some(Action::DropAfter {}) => return (Some(act().status), Ending::Sever),
        Some(Action::Malformed {}) => act().cut(),
        Some(Action::RevokeToken {}) => {
            simulator.x().revoke_token(call.bearer.as_deref());
            act()
        }
        Some(
            fault @ (Action::MalformedOutput {} | Action::LongOutput { .. } | Action::Refusal {}),
        ) => simulator.act(call, seq, Some(&fault)),
        Some(Action::SpendLimit {}) => simulator.noted(seq, models::spend_limit(call)),
        Some(Action::CutStream { events }) => {
            let mut answer = act();
            if let Some(stream) = &mut answer.stream {
                stream.cut_after = Some(events);
            }
            answer
        }
        Some(Action::SlowStream { ms }) => {
            let mut answer = act();
            if let Some(stream) = &mut answer.stream {
                stream.pause = Duration::from_millis(ms);
            }
            answer
        }
        Some(Action::RevokeGrant {}) => {
            simulator.x().end_grant(call);
            act()
        }
        Some(Action::Hold { name, when }) => {
            let early = (when == When::After).then(&act);
            let outcome = simulator.holds.wait(&name, seq, when).await;
            match (outcome, early) {
                (Outcome::Drop, early) => {
                    return (early.map(|answer| answer.status), Ending::Sever);
                }
                (Outcome::Proceed, Some(answer)) => answer,
                (Outcome::Proceed, None) => act(),
            }
        }
    };
    (Some(answer.status), Ending::Answer(Box::new(answer)))
}

/// Whether errors at a path are plain JSON.
fn plain(path: &str) -> bool {
    x::is_oauth(path) || models::is_model(path)
}

/// The answer of a `status` fault.
fn forced(
    call: &Call,
    status: u16,
    headers: std::collections::BTreeMap<String, String>,
    body: Option<Value>,
) -> Answer {
    let mut answer = match body {
        None if models::is_model(&call.path) => models::error(call, status),
        None => x::problem_for(call, status),
        Some(Value::String(text)) => Answer {
            content_type: "text/plain; charset=utf-8",
            body: Bytes::from(text),
            ..Answer::json(status, &Value::Null)
        },
        Some(body) if status >= 400 && !plain(&call.path) => Answer::problem(status, &body),
        Some(body) => Answer::json(status, &body),
    };
    answer.headers.extend(headers);
    answer
}
