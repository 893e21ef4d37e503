//! The one write, shielded: it is neither cut short by a deploy nor by a lost lease, and what the
//! network answers is recorded on the intent whoever has the job by then.
//!
//! The one risk that remains is a stop of this process between the connector's last look at its
//! clock, when the connection stands, and the first byte of the request.
//!
//! **Invariant:** [`send`] makes at most one call, and none after the intent's `send_before`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::fleet::Fleet;
use connectors::{Access, Closed, Commit, Draft, Refusal};
use jobs::IntentId;
use platforms::{ErrorClass, Platform};
use queue::Stop;
use store::intents::{self, Closing};

/// How long the outcome is tried to be recorded after the process was asked to end.
const LAST_WORDS: Duration = Duration::from_secs(30);

/// A call whose intent is committed.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// The intent.
    pub(super) intent: IntentId,
    /// When, by this process' clock, the intent's time began: before the database's did.
    pub(super) noted: Instant,
    /// The network.
    pub(super) platform: Platform,
    /// The right to publish.
    pub(super) access: Access,
    /// The post.
    pub(super) draft: Draft,
}

/// How a call ended.
#[derive(Clone, Debug)]
pub(super) enum Sent {
    /// It was not made, because its time had run out.
    TooLate,
    /// It was made.
    Answered {
        /// What the network said.
        commit: Commit,
        /// Set when the account's budget is used up.
        closed: Option<Closed>,
    },
}

/// Makes the call, if its time has not run out, and records its outcome.
pub(super) async fn send(fleet: Arc<Fleet>, call: Call, stop: Stop) -> Sent {
    let settings = fleet.publishing;
    let answer_before = call.noted + settings.send_window + settings.request_timeout;
    let send_before = call.noted + settings.send_window;
    let committing = async {
        if Instant::now() >= send_before {
            return Sent::TooLate;
        }
        let connector = fleet.connector(call.platform);
        let (commit, closed) = connector.commit(&call.access, &call.draft, send_before).await;
        Sent::Answered { commit, closed }
    };
    let sent =
        tokio::time::timeout_at(answer_before.into(), committing).await.unwrap_or_else(|_| {
            let reason = "the network did not answer in time".to_owned();
            Sent::Answered { commit: Commit::Unknown { reason }, closed: None }
        });
    record(&fleet, call.intent, &sent, &stop).await;
    sent
}

/// What the outcome means for the intent.
fn closing(sent: &Sent) -> Closing<'_> {
    match sent {
        Sent::TooLate => Closing::NotSent { reason: "its time to be sent had run out" },
        Sent::Answered { commit, .. } => match commit {
            Commit::Published(posted) => Closing::Published { id: &posted.id, url: &posted.url },
            Commit::NotSent { reason } => Closing::NotSent { reason },
            Commit::Unknown { reason } => Closing::Unknown { reason },
            Commit::Refused(Refusal { class, message, .. }) => match class {
                ErrorClass::Duplicate | ErrorClass::Ambiguous | ErrorClass::Ignore => {
                    Closing::Unknown { reason: message }
                }
                ErrorClass::AuthRefresh
                | ErrorClass::AuthReconnect
                | ErrorClass::Permission
                | ErrorClass::Permanent
                | ErrorClass::Policy
                | ErrorClass::RateLimited
                | ErrorClass::Quota
                | ErrorClass::Transient
                | ErrorClass::Pending
                | ErrorClass::Recreate
                | ErrorClass::Config => Closing::Refused { reason: message },
            },
        },
    }
}

/// Writes the outcome, again and again while the database is away. What is never written counts as
/// unknown, and is looked up.
async fn record(fleet: &Fleet, intent: IntentId, sent: &Sent, stop: &Stop) {
    let mut give_up: Option<Instant> = None;
    let mut pause = Duration::from_millis(50);
    loop {
        match intents::record(&fleet.store, intent, &closing(sent)).await {
            Ok(written) => {
                tracing::info!(intent.id = %intent, written, outcome = ?closing(sent), "post.sent");
                return;
            }
            Err(error) if error.is_unavailable() => {
                tracing::warn!(intent.id = %intent, %error, "the outcome is not recorded yet");
            }
            Err(error) => {
                tracing::error!(intent.id = %intent, %error, "the outcome cannot be recorded");
                return;
            }
        }
        if stop.is_stopped()
            && Instant::now() > *give_up.get_or_insert_with(|| Instant::now() + LAST_WORDS)
        {
            tracing::error!(intent.id = %intent, "the outcome was not recorded before the end");
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use connectors::Posted;

    fn answered(commit: Commit) -> Sent {
        Sent::Answered { commit, closed: None }
    }

    fn refused(class: ErrorClass) -> Sent {
        answered(Commit::Refused(Refusal {
            class,
            status: 403,
            message: "no".into(),
            closed: None,
        }))
    }

    #[test]
    fn only_a_definite_answer_closes_the_intent() {
        let posted = Posted { id: "1".into(), url: "u".into() };
        assert_eq!(
            closing(&answered(Commit::Published(posted))),
            Closing::Published { id: "1", url: "u" }
        );
        assert!(matches!(closing(&Sent::TooLate), Closing::NotSent { .. }));
        assert!(matches!(closing(&refused(ErrorClass::Permanent)), Closing::Refused { .. }));
        assert!(matches!(closing(&refused(ErrorClass::RateLimited)), Closing::Refused { .. }));
        for unknown in [
            answered(Commit::Unknown { reason: "reset".into() }),
            refused(ErrorClass::Duplicate),
            refused(ErrorClass::Ambiguous),
        ] {
            assert!(matches!(closing(&unknown), Closing::Unknown { .. }), "{unknown:?}");
        }
    }
}
