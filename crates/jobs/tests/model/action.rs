//! The model's steps by name.
//!
//! **Invariant:** every step of a process is an action of its own, and so is every statement of the
//! database, so that anything may come between them.

use crate::fleet::Fault;
use crate::state::{Answer, Claim, Straggler};

/// A step. Numbers are processes (`p`), jobs, incarnations, and places among a process' runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// A tick of the database's clock. Whoever is well renews in each, and looks for strays.
    Tick,
    Promote(usize),
    Cancel(usize),
    /// An incarnation was silent for too long.
    Lose(usize),
    Rescue(usize),

    /// A claimer asks for a job.
    Ask(usize),
    /// The database gives it this one.
    Take {
        p: usize,
        job: usize,
    },
    /// It meets a job whose key is closed.
    Park {
        p: usize,
        job: usize,
    },
    /// There is none for it.
    FindNothing(usize),
    /// The answer has come.
    Admit(usize),
    /// The claimer hears the bell.
    Hear(usize),
    /// A second is over.
    Poll(usize),

    /// The database lets a run begin whose job crashed before.
    Begin {
        p: usize,
        run: usize,
    },
    /// A handler answers.
    Answer {
        p: usize,
        run: usize,
        answer: Answer,
    },
    /// The database settles a run, and the finisher hears of it.
    Settle {
        p: usize,
        run: usize,
    },
    /// The keeper passes on a request to cancel.
    SeeCancel {
        p: usize,
        run: usize,
    },
    /// A run is cut short because the process was told to stop.
    Interrupt {
        p: usize,
        run: usize,
    },
    /// The process has handed everything over.
    Leave(usize),
    Start(usize),
    /// The keeper renews after a silence, or begins anew, and looks for strays.
    Keep(usize),
    /// By its own clock, the lease may be lost.
    Expire(usize),
    /// The database hands back a stray.
    Return {
        p: usize,
        claim: Claim,
    },

    /// The end of being frozen or cut off.
    Back(usize),
    /// A request arrives that nobody waits for any more, and is given this job.
    Straggle(Straggler, Option<usize>),
    /// Redis forgets.
    LoseRing,

    /// A request of a process that hears nothing was on its way already.
    Deaf {
        p: usize,
        run: usize,
    },
    Kill(usize),
    Stop(usize),
    Away(usize),
    LoseClaim(usize),
    Slow(usize),
    GiveUp(usize),
    Race {
        p: usize,
        job: usize,
    },
    Unheard {
        p: usize,
        run: usize,
    },
    Twice {
        p: usize,
        run: usize,
    },
    Doubt {
        p: usize,
        run: usize,
        answer: Answer,
    },
}

impl Action {
    pub(crate) fn fault(&self) -> Option<Fault> {
        Some(match self {
            Action::Kill(_) => Fault::Kill,
            Action::Stop(_) => Fault::Stop,
            Action::Away(_) => Fault::Away,
            Action::LoseClaim(_) => Fault::LoseClaim,
            Action::Slow(_) => Fault::Slow,
            Action::GiveUp(_) => Fault::GiveUp,
            Action::Race { .. } => Fault::Race,
            Action::Unheard { .. } => Fault::Unheard,
            Action::Twice { .. } => Fault::Twice,
            Action::Doubt { .. } => Fault::Doubt,
            _ => return None,
        })
    }

    /// Whether the fleet does this by itself when nothing more goes wrong and nobody comes to help:
    /// nobody cancels, no frozen process comes back, no late request happens to arrive.
    pub(crate) fn is_own(&self) -> bool {
        let by_chance = matches!(
            self,
            Action::Cancel(_)
                | Action::Back(_)
                | Action::Straggle(..)
                | Action::LoseRing
                | Action::Deaf { .. }
        );
        !by_chance && self.fault().is_none()
    }
}
