//! The steps of publishing, and where a worker is killed between them.
//!
//! **Invariant:** every boundary is reached from outside: by a request that the network holds, by a row
//! or table that somebody else has locked, or by a line that loses the answer to a commit.

/// A boundary between two steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Claimed,
    InHand,
    InHandCommitted,
    Uploading,
    Intent,
    IntentCommitted,
    Sent,
    SentActsLater,
    Acted,
    Answered,
    Recorded,
    Written,
    WrittenCommitted,
    Dropped,
    DroppedNoted,
    DroppedWritten,
    DroppedCommitted,
    Looking,
    LookedFound,
    FoundWritten,
    FoundCommitted,
    Absent,
    AbsentCommitted,
    ActedThenLooking,
}

impl Step {
    /// All of them, in the order in which they come.
    pub(crate) const ALL: [Step; 24] = [
        Step::Claimed,
        Step::InHand,
        Step::InHandCommitted,
        Step::Uploading,
        Step::Intent,
        Step::IntentCommitted,
        Step::Sent,
        Step::SentActsLater,
        Step::Acted,
        Step::Answered,
        Step::Recorded,
        Step::Written,
        Step::WrittenCommitted,
        Step::Dropped,
        Step::DroppedNoted,
        Step::DroppedWritten,
        Step::DroppedCommitted,
        Step::Looking,
        Step::LookedFound,
        Step::FoundWritten,
        Step::FoundCommitted,
        Step::Absent,
        Step::AbsentCommitted,
        Step::ActedThenLooking,
    ];

    /// For people.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Step::Claimed => "claimed; the schedule not looked at yet",
            Step::InHand => "schedule taken in hand, not committed",
            Step::InHandCommitted => "… committed, the commit's answer lost",
            Step::Uploading => "an upload under way",
            Step::Intent => "intent written, not committed",
            Step::IntentCommitted => "… committed, its answer lost; no call made",
            Step::Sent => "call sent, the network has not acted and never will",
            Step::SentActsLater => "call sent, the network acts after the death",
            Step::Acted => "the network has acted, and not answered",
            Step::Answered => "answer there, not recorded",
            Step::Recorded => "answer recorded on the intent, the schedule not written",
            Step::Written => "schedule and post written, not committed",
            Step::WrittenCommitted => "… committed, its answer lost",
            Step::Dropped => "accepted, then dropped (nobody killed)",
            Step::DroppedNoted => "accepted, then dropped; noted on the intent alone",
            Step::DroppedWritten => "… unconfirmed written, not committed",
            Step::DroppedCommitted => "… committed, its answer lost",
            Step::Looking => "look-up under way",
            Step::LookedFound => "look-up answered, not written",
            Step::FoundWritten => "found post written, not committed",
            Step::FoundCommitted => "… committed, its answer lost",
            Step::Absent => "not there at three looks, publishing again not committed",
            Step::AbsentCommitted => "… committed, its answer lost",
            Step::ActedThenLooking => "killed in the call, and again in the look-up",
        }
    }

    /// Whether the posts need an image.
    pub(crate) fn needs_image(self) -> bool {
        self == Step::Uploading
    }
}
