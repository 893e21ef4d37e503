//! What happened: every request that arrived and every effect that it had.
//!
//! The exchange opens an entry when a request has been read and closes it when the answer is
//! handed over; the networks report effects (a post made, a post deleted, a file uploaded) in the
//! same moment in which they happen.
//!
//! **Invariant:** no token is ever stored here, only the user to whom it belongs; sequence numbers
//! only grow, also over a reset.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

use crate::held;

/// A user, as the journal names one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// The network's own id.
    pub id: String,
    /// The handle, without a leading `@`.
    pub username: String,
}

impl Who {
    /// Whether `name` is this user's id or handle.
    pub fn is(&self, name: &str) -> bool {
        self.id == name || self.username.eq_ignore_ascii_case(name)
    }
}

/// Which fault met a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Met {
    /// The rule's id.
    pub id: String,
    /// The action's word, such as `dropAfter`.
    pub action: String,
}

/// One request to a network, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Grows by one with every request.
    pub seq: u64,
    /// When the whole request had been read, to the microsecond.
    pub at: DateTime<Utc>,
    /// Such as `POST`.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// As it stood in the address, without the question mark; empty when there was none.
    pub query: String,
    /// Whose token it carried; `None` when the token was unknown or absent.
    pub user: Option<Who>,
    /// Hex digest of the body's bytes.
    pub body_sha256: String,
    /// The body's length in bytes.
    pub body_bytes: u64,
    /// The body, where it was JSON or a form; long strings are cut, files told by their size.
    pub body: Option<Value>,
    /// How the network judged it, where that is more than a status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
    /// The fault that met it.
    pub fault: Option<Met>,
    /// The status that was answered, or that would have been; `None` while it is open.
    pub status: Option<u16>,
    /// Whether an answer was handed to the connection; `None` while it is open.
    pub answered: Option<bool>,
    /// When it was answered or dropped; of a stream, when its last piece was handed over.
    pub ended_at: Option<DateTime<Utc>>,
}

/// How a network judged a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Note {
    /// A call about tokens: an exchange, a refresh or a revocation.
    Token {
        /// `authorization_code`, `refresh_token` or `revoke`, or whatever was asked.
        grant_type: String,
        /// The app, when it authenticated.
        client_id: Option<String>,
        /// The grant, when there is one.
        grant: Option<String>,
        /// Why not; `None` when it was accepted.
        refused: Option<String>,
    },
    /// A call to a model.
    Model {
        /// Which model.
        model: Option<String>,
        /// Tokens of the prompt; 0 when it was refused.
        input_tokens: u64,
        /// Tokens of the answer.
        output_tokens: u64,
        /// Why not; `None` when it was accepted.
        refused: Option<String>,
    },
}

/// What changed at a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum What {
    /// A post was made.
    PostCreated {
        /// The post.
        post_id: String,
        /// As the author wrote it.
        text: String,
        /// Its attachments, in order.
        media_ids: Vec<String>,
    },
    /// A post was deleted.
    PostDeleted {
        /// The post.
        post_id: String,
    },
    /// A file was uploaded whole.
    MediaUploaded {
        /// The attachment.
        media_id: String,
        /// Found by looking at the bytes.
        mime: String,
        /// Its length in bytes.
        size_bytes: u64,
    },
}

impl What {
    /// The word that tells the kind on the wire.
    pub fn kind(&self) -> &'static str {
        match self {
            What::PostCreated { .. } => "postCreated",
            What::PostDeleted { .. } => "postDeleted",
            What::MediaUploaded { .. } => "mediaUploaded",
        }
    }
}

/// One change at a network, with its time and cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Effect {
    /// Grows by one with every effect.
    pub seq: u64,
    /// When it happened, to the microsecond.
    pub at: DateTime<Utc>,
    /// Sequence number of the request that caused it.
    pub request: u64,
    /// On whose behalf.
    pub user: Who,
    /// What changed.
    #[serde(flatten)]
    pub what: What,
}

#[derive(Debug, Default)]
struct Book {
    last_entry: u64,
    last_effect: u64,
    entries: Vec<Entry>,
    effects: Vec<Effect>,
    /// How many effects of each kind are in `effects`, so that waiting does not count them anew.
    counts: HashMap<&'static str, usize>,
}

/// The record of requests and effects, with a way to wait for them.
#[derive(Debug)]
pub(crate) struct Journal {
    book: Mutex<Book>,
    changed: watch::Sender<()>,
}

/// Now, cut to the microsecond, the journal's resolution.
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self { book: Mutex::default(), changed: watch::Sender::new(()) }
    }

    /// Writes a request down and gives it its sequence number (the one in `entry` is ignored).
    pub(crate) fn open(&self, mut entry: Entry) -> u64 {
        let mut book = held(&self.book);
        book.last_entry += 1;
        entry.seq = book.last_entry;
        book.entries.push(entry);
        let seq = book.last_entry;
        drop(book);
        self.changed.send_replace(());
        seq
    }

    /// Notes which fault met a request.
    pub(crate) fn note_fault(&self, seq: u64, met: Met) {
        self.amend(seq, |entry| entry.fault = Some(met));
    }

    /// Notes how the network judged a request.
    pub(crate) fn note(&self, seq: u64, note: Note) {
        self.amend(seq, |entry| entry.note = Some(note));
    }

    /// Notes how a request ended.
    pub(crate) fn close(&self, seq: u64, status: Option<u16>, answered: bool) {
        self.amend(seq, |entry| {
            entry.status = status;
            entry.answered = Some(answered);
            entry.ended_at = Some(now());
        });
    }

    /// Notes that a stream is over.
    pub(crate) fn streamed(&self, seq: u64) {
        self.amend(seq, |entry| entry.ended_at = Some(now()));
    }

    fn amend(&self, seq: u64, change: impl FnOnce(&mut Entry)) {
        let mut book = held(&self.book);
        if let Ok(index) = book.entries.binary_search_by_key(&seq, |entry| entry.seq) {
            change(&mut book.entries[index]);
        }
        drop(book);
        self.changed.send_replace(());
    }

    /// Writes an effect down.
    pub(crate) fn effect(&self, request: u64, at: DateTime<Utc>, user: Who, what: What) {
        let mut book = held(&self.book);
        book.last_effect += 1;
        let seq = book.last_effect;
        *book.counts.entry(what.kind()).or_default() += 1;
        book.effects.push(Effect { seq, at: at.trunc_subsecs(6), request, user, what });
        drop(book);
        self.changed.send_replace(());
    }

    /// The requests with a greater sequence number than `after`, oldest first.
    pub(crate) fn entries(&self, after: u64) -> Vec<Entry> {
        let book = held(&self.book);
        let start = book.entries.partition_point(|entry| entry.seq <= after);
        book.entries[start..].to_vec()
    }

    /// The effects with a greater sequence number than `after`, oldest first.
    pub(crate) fn effects(&self, after: u64) -> Vec<Effect> {
        let book = held(&self.book);
        let start = book.effects.partition_point(|effect| effect.seq <= after);
        book.effects[start..].to_vec()
    }

    /// How many effects there are since the last reset, of one kind or of all.
    fn count(&self, kind: Option<&str>) -> usize {
        let book = held(&self.book);
        match kind {
            None => book.effects.len(),
            Some(kind) => book.counts.get(kind).copied().unwrap_or_default(),
        }
    }

    /// Waits until there are `wanted` effects since the last reset; false when time ran out.
    pub(crate) async fn wait_effects(
        &self,
        wanted: usize,
        kind: Option<&str>,
        timeout: Duration,
    ) -> bool {
        self.wait(timeout, || self.count(kind) >= wanted).await
    }

    /// Waits until the request numbered `seq` has arrived; false when time ran out.
    pub(crate) async fn wait_seq(&self, seq: u64, timeout: Duration) -> bool {
        self.wait(timeout, || held(&self.book).last_entry >= seq).await
    }

    async fn wait(&self, timeout: Duration, reached: impl Fn() -> bool) -> bool {
        let mut changes = self.changed.subscribe();
        let watching = async {
            while !reached() {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(timeout, watching).await.is_ok()
    }

    /// Forgets all requests and effects; numbering goes on.
    pub(crate) fn reset(&self) {
        let mut book = held(&self.book);
        book.entries.clear();
        book.effects.clear();
        book.counts.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            seq: 0,
            at: now(),
            method: "GET".into(),
            path: "/2/users/me".into(),
            query: String::new(),
            user: None,
            body_sha256: String::new(),
            body_bytes: 0,
            body: None,
            note: None,
            fault: None,
            status: None,
            answered: None,
            ended_at: None,
        }
    }

    #[test]
    fn sequence_numbers_go_on_after_a_reset() {
        let journal = Journal::new();
        assert_eq!(journal.open(entry()), 1);
        journal.reset();
        assert_eq!(journal.open(entry()), 2);
        journal.close(1, Some(200), true);
        assert_eq!(journal.entries(0).len(), 1);
        assert_eq!(journal.entries(2).len(), 0);
        assert_eq!(journal.entries(0)[0].status, None);
    }

    #[tokio::test]
    async fn a_wait_ends_when_the_effect_is_there() {
        let journal = Journal::new();
        assert!(!journal.wait_effects(1, None, Duration::ZERO).await);
        let user = Who { id: "1".into(), username: "ada".into() };
        let what = What::PostDeleted { post_id: "7".into() };
        let (reached, ()) = tokio::join!(
            journal.wait_effects(1, Some("postDeleted"), Duration::from_secs(5)),
            async { journal.effect(1, now(), user, what) }
        );
        assert!(reached);
        assert!(!journal.wait_effects(1, Some("postCreated"), Duration::ZERO).await);
    }
}
