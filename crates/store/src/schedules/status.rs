//! The states of a schedule.
//!
//! **Invariant:** the words are those of the product's schema and of the check in the table.

use std::fmt;

/// Where a schedule stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It waits for its moment, or for another attempt.
    Scheduled,
    /// A worker is at it.
    Publishing,
    /// The network has it in work.
    AwaitingPlatform,
    /// It is out.
    Published,
    /// It did not go out.
    Failed,
    /// It may be out.
    Unconfirmed,
    /// Its moment passed while nobody could publish.
    Missed,
    /// Left out on purpose.
    Skipped,
    /// Something must be done first.
    OnHold,
    /// No longer wanted.
    Cancelled,
    /// It recurs: its occurrences go out.
    Active,
    /// It recurs: its occurrences wait for a person.
    Paused,
    /// It recurred: there are no more occurrences.
    Ended,
}

impl Status {
    /// Every state.
    pub const ALL: [Status; 13] = [
        Status::Scheduled,
        Status::Publishing,
        Status::AwaitingPlatform,
        Status::Published,
        Status::Failed,
        Status::Unconfirmed,
        Status::Missed,
        Status::Skipped,
        Status::OnHold,
        Status::Cancelled,
        Status::Active,
        Status::Paused,
        Status::Ended,
    ];

    /// The word in rows and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Scheduled => "scheduled",
            Status::Publishing => "publishing",
            Status::AwaitingPlatform => "awaiting_platform",
            Status::Published => "published",
            Status::Failed => "failed",
            Status::Unconfirmed => "unconfirmed",
            Status::Missed => "missed",
            Status::Skipped => "skipped",
            Status::OnHold => "on_hold",
            Status::Cancelled => "cancelled",
            Status::Active => "active",
            Status::Paused => "paused",
            Status::Ended => "ended",
        }
    }

    /// Whether only a recurring schedule is in this state.
    pub const fn recurs(self) -> bool {
        matches!(self, Status::Active | Status::Paused | Status::Ended)
    }

    /// The word in a row, read.
    pub(crate) fn read(word: &str) -> crate::Result<Status> {
        Status::ALL.into_iter().find(|status| status.as_str() == word).ok_or_else(|| {
            crate::Error::Broken(sqlx::Error::Decode(
                format!("unknown status of a schedule: {word:?}").into(),
            ))
        })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
