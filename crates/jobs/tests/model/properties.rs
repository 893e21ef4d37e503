//! The properties that the checker looks at in every state.
//!
//! **Invariant:** what the fence lets through is asked of the transition function itself, for every
//! claim that anybody still has, in every state; not only when somebody happens to write.

use jobs::protocol::{Event, MAX_CRASHES, Outcome, State as Stage, Verdict};
use stateright::Property;
use std::collections::BTreeSet;

use crate::fleet::{Fault, Fleet};
use crate::rules::{self, Rule};
use crate::state::{Lease, Link, NOW, Settle, World};

/// For models in which nobody falls silent.
pub(crate) const NO_CRASH: Rule = "only a silence counts as a crash";
/// With a good lease: otherwise the process does not know yet, and the fence alone stops it.
pub(crate) const OWN_RUNS: Rule = "who has a good lease runs only what is its own";
pub(crate) const HELD: Rule = "a job is with a worker exactly when it runs";
pub(crate) const ENDS: Rule = "every job ends";

macro_rules! unbroken {
    ($($rule:ident),*) => {
        [$(Property::always(rules::$rule, |_, world: &World| world.broken != Some(rules::$rule))),*]
    };
}

/// What must hold, and what must happen somewhere in a model that is worth its name.
pub(crate) fn all() -> Vec<Property<Fleet>> {
    let mut all = Vec::from(unbroken![
        LIVE_CLAIM,
        TWO_ENDS,
        LOST_JOB,
        NOT_DUE,
        MOVES,
        ATTEMPTS,
        CRASHES,
        QUARANTINE,
        HANDED_BACK,
        CANCELLED,
        REVIVED
    ]);
    all.extend([
        Property::always(rules::STALE_CLAIM, |fleet: &Fleet, world: &World| {
            let broken = world.broken == Some(rules::STALE_CLAIM);
            !broken
                && open_claims(fleet, world)
                    .all(|(job, right)| world.rows[job].right == Some(right))
        }),
        Property::always(rules::TWO_RIGHTS, |fleet: &Fleet, world: &World| {
            let rights: BTreeSet<(usize, u8)> = open_claims(fleet, world).collect();
            let jobs: BTreeSet<usize> = rights.iter().map(|(job, _)| *job).collect();
            world.broken != Some(rules::TWO_RIGHTS) && rights.len() == jobs.len()
        }),
        Property::always(HELD, |_, world: &World| {
            world.rows.iter().all(|row| {
                let runs = row.job.state == Stage::Running;
                runs == row.worker.is_some() && runs == row.right.is_some()
            })
        }),
        Property::always(OWN_RUNS, |_, world: &World| {
            world.processes.iter().all(|process| {
                let good =
                    process.link == Link::Up && matches!(world.leases[process.me], Lease::Alive(_));
                process
                    .runs
                    .iter()
                    .filter(|run| run.settle.is_none())
                    .all(|run| !good || world.rows[run.claim.job].right == Some(run.claim.right))
            })
        }),
        Property::always(NO_CRASH, |fleet: &Fleet, world: &World| {
            let silent = [Fault::Kill, Fault::Away].iter().any(|kind| fleet.kinds.contains(kind));
            silent || world.rows.iter().all(|row| row.job.crashes == 0)
        }),
        Property::eventually(ENDS, |_, world: &World| has_ended(world)),
    ]);
    all.extend([
        Property::sometimes(DONE, |_, world: &World| ended(world, Outcome::Done)),
        Property::sometimes(OUT_OF_ATTEMPTS, |_, world: &World| {
            ended(world, Outcome::Dead)
                && world.rows[0].job.attempt == world.rows[0].job.max_attempts
        }),
        Property::sometimes(QUARANTINED, |_, world: &World| {
            ended(world, Outcome::Dead) && world.rows[0].job.crashes == MAX_CRASHES
        }),
        Property::sometimes(GIVEN_UP, |_, world: &World| ended(world, Outcome::Cancelled)),
        Property::sometimes(STALE_RUN, |_, world: &World| {
            let stale =
                world.claims_about().any(|claim| world.rows[claim.job].right != Some(claim.right));
            stale && world.rows[0].job.state == Stage::Running
        }),
        Property::sometimes(STRAY, |_, world: &World| {
            world.processes.iter().any(|process| !process.returning.is_empty())
        }),
        Property::sometimes(INTERRUPTED, |_, world: &World| {
            let back = |process: &crate::state::Process| {
                process.closing
                    && process.runs.iter().any(|run| run.settle == Some(Settle::HandBack))
            };
            world.processes.iter().any(back)
        }),
    ]);
    all
}

pub(crate) const DONE: Rule = "a job is done";
pub(crate) const OUT_OF_ATTEMPTS: Rule = "a job has no attempt left";
pub(crate) const QUARANTINED: Rule = "a job is quarantined";
pub(crate) const GIVEN_UP: Rule = "a job is cancelled";
pub(crate) const STALE_RUN: Rule = "a stale claim is about while another one runs";
pub(crate) const STRAY: Rule = "a stray is handed back";
pub(crate) const INTERRUPTED: Rule = "a deploy interrupts a run";

pub(crate) fn has_ended(world: &World) -> bool {
    world.rows.iter().all(|row| row.has_ended())
}

fn ended(world: &World, outcome: Outcome) -> bool {
    world.rows[0].job.state == Stage::Ended(outcome)
}

/// The claims that the fence would let through. A handler's own writes (`Store::claimed`) ask for
/// the same row by the same number as its finish does.
fn open_claims(fleet: &Fleet, world: &World) -> impl Iterator<Item = (usize, u8)> {
    world.claims_about().filter_map(|claim| {
        let finish = Event::Finish(claim.claim_no, Verdict::Done);
        let open = (fleet.next)(&world.rows[claim.job].job, finish, NOW).is_some();
        open.then_some((claim.job, claim.right))
    })
}
