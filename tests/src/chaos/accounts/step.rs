//! The steps of refreshing tokens and of generating content, and where a worker is killed between them.
//!
//! **Invariant:** whether the answer of a refresh can be lost is the boundary's own property: nobody
//! may be asked to connect again at another one.

/// A boundary between two steps of a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Refresh {
    Sent,
    SentActsLater,
    Acted,
    Answered,
    Stored,
}

impl Refresh {
    /// All of them, in the order in which they come.
    pub(crate) const ALL: [Refresh; 5] =
        [Refresh::Sent, Refresh::SentActsLater, Refresh::Acted, Refresh::Answered, Refresh::Stored];

    /// For people.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Refresh::Sent => "refresh sent, the network has not acted and never will",
            Refresh::SentActsLater => "refresh sent, the network acts after the death",
            Refresh::Acted => "the network has acted, and not answered",
            Refresh::Answered => "answer there, its tokens not stored",
            Refresh::Stored => "tokens stored, the commit's answer lost",
        }
    }

    /// Whether the network acts and its answer cannot be stored.
    pub(crate) fn loses_the_answer(self) -> bool {
        match self {
            Refresh::SentActsLater | Refresh::Acted | Refresh::Answered => true,
            Refresh::Sent | Refresh::Stored => false,
        }
    }

    /// Whether the workers have the network's answer when they die.
    pub(crate) fn is_answered(self) -> bool {
        matches!(self, Refresh::Answered | Refresh::Stored)
    }
}

/// A boundary between two steps of a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Generation {
    Asked,
    Streaming,
    Answered,
    Stored,
}

impl Generation {
    /// All of them, in the order in which they come.
    pub(crate) const ALL: [Generation; 4] =
        [Generation::Asked, Generation::Streaming, Generation::Answered, Generation::Stored];

    /// For people.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Generation::Asked => "the model asked, it has not begun",
            Generation::Streaming => "its answer under way, progress told",
            Generation::Answered => "answer there, nothing of it stored",
            Generation::Stored => "versions stored, the commit's answer lost",
        }
    }

    /// How often a model is asked for one, at most.
    pub(crate) fn most_asks(self) -> usize {
        if self == Generation::Stored { 1 } else { 2 }
    }
}

/// What a round does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) refresh: Refresh,
    pub(crate) generation: Generation,
    /// The access tokens end soon; otherwise they have ended.
    pub(crate) lives: bool,
    /// A refresh token that is used again ends its grant.
    pub(crate) replay_ends_grant: bool,
}
