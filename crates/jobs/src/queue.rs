//! The queues: each is a worker of its own with its own slots, so that uploads never delay comments.
//!
//! **Invariant:** the control queue is never paused.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A queue.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Queue {
    /// Cancelling, retrying, pausing.
    Control,
    /// A person waits for the answer.
    Interactive,
    /// Posts go out, and are looked up when their outcome is unknown.
    Publish,
    /// Language models and image models.
    Generate,
    /// Accounts and their tokens.
    Connect,
    /// Engagement.
    Poll,
    /// Analytics.
    Aggregate,
    /// Pruning and the like.
    Maintenance,
}

impl Queue {
    /// Every queue.
    pub const ALL: [Queue; 8] = [
        Queue::Control,
        Queue::Interactive,
        Queue::Publish,
        Queue::Generate,
        Queue::Connect,
        Queue::Poll,
        Queue::Aggregate,
        Queue::Maintenance,
    ];

    /// The name in rows, settings and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Queue::Control => "control",
            Queue::Interactive => "interactive",
            Queue::Publish => "publish",
            Queue::Generate => "generate",
            Queue::Connect => "connect",
            Queue::Poll => "poll",
            Queue::Aggregate => "aggregate",
            Queue::Maintenance => "maintenance",
        }
    }

    /// Whether the queue may be paused.
    pub const fn can_pause(self) -> bool {
        !matches!(self, Queue::Control)
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name is not that of a queue.
#[derive(Debug, thiserror::Error)]
#[error(
    "unknown queue {0:?}: expected one of control, interactive, publish, generate, connect, poll, aggregate, maintenance"
)]
pub struct UnknownQueue(pub String);

impl FromStr for Queue {
    type Err = UnknownQueue;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Queue::ALL.into_iter().find(|q| q.as_str() == name).ok_or_else(|| UnknownQueue(name.into()))
    }
}
