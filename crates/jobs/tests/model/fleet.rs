//! The model's sizes, its steps by name, and the shape that the checker wants.
//!
//! Every step of a process is one action, every statement of the database one more, so that anything
//! may come between them. A fault is an action too; at most [`Fleet::faults`] of them happen, in any
//! combination and at any moment.

use jobs::protocol::{Job, State as Stage};
use stateright::{Model, Property};
use std::collections::BTreeSet;

use crate::canonical::canonical;
use crate::ledger::Next;
use crate::properties;
use crate::state::{Answer, Claim, Lease, NOW, Process, Row, Straggler, TICK, World};

/// The sizes of a model, and what of it is broken on purpose.
#[derive(Clone, Debug)]
pub(crate) struct Fleet {
    /// The transition function.
    pub(crate) next: Next,
    pub(crate) jobs: usize,
    pub(crate) processes: usize,
    /// At most so many claimed and not yet settled jobs in a process.
    pub(crate) slots: usize,
    /// What handlers may answer.
    pub(crate) answers: &'static [Answer],
    /// Whether claimers meet closed keys.
    pub(crate) keys: bool,
    /// Whether somebody may cancel.
    pub(crate) cancels: bool,
    /// Whether claimers that find nothing go to sleep.
    pub(crate) sleeps: bool,
    /// At most so many faults.
    pub(crate) faults: u8,
    /// Of these kinds.
    pub(crate) kinds: &'static [Fault],
    /// A part of the surroundings that is left out, to see whether it is missed.
    pub(crate) without: Option<Part>,
}

/// What may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `kill -9`.
    Kill,
    /// SIGTERM: no fault, but it is counted among them.
    Stop,
    /// SIGSTOP, or the database is out of reach for this process.
    Away,
    /// The answer to a claim is lost.
    LoseClaim,
    /// The answer to a claim takes longer than two renewals, and strays are being looked for.
    Slow,
    /// A claimer gives up waiting; its request arrives before the next tick, or never.
    GiveUp,
    /// A claim does not see that its worker is declared lost in the same instant.
    Race,
    /// The answer to a settlement is lost, and it is asked for again.
    Unheard,
    /// A settlement arrives twice, the second time whenever it likes, or never.
    Twice,
    /// A handler's own transaction seems to have failed; it is committed some time, or never.
    Doubt,
}

/// All of them.
pub(crate) const ANY: &[Fault] = &[
    Fault::Kill,
    Fault::Stop,
    Fault::Away,
    Fault::LoseClaim,
    Fault::Slow,
    Fault::GiveUp,
    Fault::Race,
    Fault::Unheard,
    Fault::Twice,
    Fault::Doubt,
];

/// Parts of the surroundings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Claimers look once a second, bell or not.
    Polling,
    /// A renewal is refused once the incarnation was declared lost.
    NoRevival,
    /// Claims whose answer was lost are handed back.
    Strays,
    /// They are looked for after every claim that failed.
    Suspicion,
    /// They are looked for after a silence, too: it may have outlasted the suspicion.
    SuspicionAfterSilence,
    /// What was handed back as a stray is not run when its answer comes after all.
    Disowning,
    /// A process that stops hands back what the ledger says it holds.
    HandOver,
}

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

impl Fleet {
    pub(crate) fn has(&self, part: Part) -> bool {
        self.without != Some(part)
    }

    pub(crate) fn after(&self, last: &World, action: Action) -> World {
        let mut world = last.clone();
        world.faults -= u8::from(action.fault().is_some());
        self.step(&mut world, action);
        world
    }
}

impl Model for Fleet {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let row = |n: usize| Row {
            job: Job {
                // The first is due soon, the others at once.
                state: if n == 0 { Stage::Scheduled } else { Stage::Ready },
                run_at: if n == 0 { NOW + TICK } else { NOW },
                attempt: 0,
                max_attempts: 2,
                crashes: 0,
                claim_no: 0,
                cancel_requested: false,
            },
            worker: None,
            claims: 0,
            right: None,
        };
        vec![World {
            rows: (0..self.jobs).map(row).collect(),
            leases: vec![Lease::Alive(0); self.processes],
            processes: (0..self.processes).map(Process::new).collect(),
            stragglers: BTreeSet::new(),
            rung: self.sleeps,
            faults: self.faults,
            broken: None,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        self.possible(world, actions);
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let world = canonical(self.after(last, action));
        (world != *last).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Fleet>> {
        properties::all()
    }
}
