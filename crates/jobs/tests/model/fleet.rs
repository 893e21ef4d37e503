//! The model's sizes, what may go wrong in it, and the shape that the checker wants.
//!
//! **Invariant:** a fault is a step like any other: at most [`Fleet::faults`] of them happen, in
//! any combination and at any moment.

use jobs::protocol::{Job, State as Stage};
use stateright::{Model, Property};
use std::collections::BTreeSet;

use crate::action::Action;
use crate::canonical::canonical;
use crate::ledger::Next;
use crate::properties;
use crate::state::{Answer, Lease, NOW, Process, Row, TICK, World};

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
                begun: false,
                claim_no: 0,
                cancel_requested: false,
            },
            worker: None,
            claims: 0,
            right: None,
            begun: false,
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
