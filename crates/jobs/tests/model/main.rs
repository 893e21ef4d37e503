//! The model of the queue protocol: production's own [`jobs::protocol::next`], and around it the
//! database, the workers with what they believe, and everything that can go wrong between them.
//! Each test explores every state that a fleet of its size can come into.
//!
//! **Invariant:** a model that stops exploring fails: the states are counted.

#![expect(clippy::print_stderr, reason = "the sizes are part of the result")]

mod action;
mod broken;
mod canonical;
mod ends;
mod fleet;
mod ledger;
mod possible;
mod properties;
mod rules;
mod state;
mod step;

use jobs::protocol::next;
use stateright::{Checker, Expectation, HasDiscoveries, Model};
use std::collections::HashSet;
use std::time::Instant;

use action::Action;
use broken::Mutant;
use canonical::canonical;
use fleet::{ANY, Fault, Fleet};
use properties::{DONE, GIVEN_UP, INTERRUPTED, OUT_OF_ATTEMPTS, QUARANTINED, STALE_RUN, STRAY};
use rules::Rule;
use state::{Answer, World};

/// Two workers and a job, and nothing goes wrong.
const QUIET: Fleet = Fleet {
    next,
    jobs: 1,
    processes: 2,
    slots: 1,
    answers: &[Answer::Done, Answer::Retry],
    keys: false,
    cancels: false,
    sleeps: false,
    faults: 0,
    kinds: &[],
    without: None,
};

/// Everything that is no silence.
const UNHARMED: &[Fault] = &[
    Fault::Stop,
    Fault::LoseClaim,
    Fault::Slow,
    Fault::GiveUp,
    Fault::Unheard,
    Fault::Twice,
    Fault::Doubt,
];

/// Explores the fleet twice: for what must hold in every state, and for a way from every state to
/// the end of all jobs. What is `seen` must happen somewhere.
fn explore(name: &str, fleet: &Fleet, states: usize, seen: &[Rule]) {
    let began = Instant::now();
    let checker = fleet.clone().checker().threads(2).spawn_bfs().join();
    for property in fleet.properties() {
        if property.expectation != Expectation::Sometimes {
            checker.assert_no_discovery(property.name);
        } else if seen.contains(&property.name) {
            checker.assert_any_discovery(property.name);
        }
    }
    let ends = ends::search(fleet);
    assert_eq!(ends.trap, None, "{name}: no way to the end from here");
    assert_eq!(ends.states, checker.unique_state_count(), "{name}: both saw the same");
    eprintln!(
        "{name}: {} states, {} steps, at most {} deep, {:.1} s",
        ends.states,
        checker.state_count(),
        checker.max_depth(),
        began.elapsed().as_secs_f64()
    );
    assert!(ends.states >= states, "{name}: only {} states, not {states}", ends.states);
}

#[test]
fn two_workers_survive_any_two_faults() {
    let fleet = Fleet { faults: 2, kinds: ANY, ..QUIET };
    explore("two faults", &fleet, 70_000, &[DONE, OUT_OF_ATTEMPTS, STALE_RUN, STRAY, INTERRUPTED]);
}

#[test]
fn two_workers_with_two_jobs_survive_any_fault() {
    let fleet = Fleet { jobs: 2, keys: true, faults: 1, kinds: ANY, ..QUIET };
    explore("two jobs", &fleet, 50_000, &[DONE, OUT_OF_ATTEMPTS, STALE_RUN, STRAY, INTERRUPTED]);
}

#[test]
fn a_worker_that_meets_its_own_old_runs_survives_any_two_faults() {
    let fleet = Fleet { processes: 1, slots: 2, cancels: true, faults: 2, kinds: ANY, ..QUIET };
    let seen = [DONE, OUT_OF_ATTEMPTS, GIVEN_UP, STALE_RUN, STRAY, INTERRUPTED];
    explore("one worker", &fleet, 40_000, &seen);
}

#[test]
fn whatever_handlers_answer_and_people_cancel_any_fault_is_survived() {
    let answers = &[Answer::Done, Answer::Retry, Answer::Snooze, Answer::Dead, Answer::Cancelled];
    let fleet =
        Fleet { slots: 2, answers, keys: true, cancels: true, faults: 1, kinds: ANY, ..QUIET };
    let seen = [DONE, OUT_OF_ATTEMPTS, GIVEN_UP, STALE_RUN, STRAY, INTERRUPTED];
    explore("all answers", &fleet, 10_000, &seen);
}

#[test]
fn a_job_that_never_succeeds_ends_all_the_same() {
    let fleet = Fleet { answers: &[Answer::Retry], faults: 1, kinds: ANY, ..QUIET };
    explore("no success", &fleet, 1_500, &[OUT_OF_ATTEMPTS]);
}

#[test]
fn a_lost_ring_costs_time_and_nothing_else() {
    let fleet = Fleet { sleeps: true, faults: 1, kinds: ANY, ..QUIET };
    explore("bell", &fleet, 8_000, &[DONE, OUT_OF_ATTEMPTS, STALE_RUN]);
}

#[test]
fn the_third_silence_quarantines() {
    let kinds = &[Fault::Kill, Fault::Away];
    let fleet = Fleet { processes: 1, faults: 3, kinds, ..QUIET };
    explore("silences", &fleet, 5_000, &[DONE, OUT_OF_ATTEMPTS, QUARANTINED, STALE_RUN]);
}

#[test]
fn deploys_and_lost_messages_spend_nothing() {
    let fleet = Fleet { keys: true, faults: 2, kinds: UNHARMED, ..QUIET };
    explore("unharmed", &fleet, 10_000, &[DONE, OUT_OF_ATTEMPTS, STRAY, INTERRUPTED]);
}

/// A way to where the property fails.
fn counterexample(fleet: &Fleet, property: Rule) -> Option<Vec<Action>> {
    if property == properties::ENDS {
        return ends::search(fleet).trap;
    }
    let found = HasDiscoveries::AnyOf([property].into());
    let checker =
        fleet.clone().checker().finish_when(found).target_state_count(500_000).spawn_bfs();
    checker.join().discovery(property).map(|way| way.into_actions())
}

#[test]
fn a_broken_transition_is_found() {
    let answers = &[Answer::Done, Answer::Retry, Answer::Snooze];
    for mutant in broken::TRANSITIONS {
        let Mutant { next, faults, .. } = *mutant;
        let processes = if faults > 1 { 1 } else { 2 };
        let fleet = Fleet {
            next,
            processes,
            slots: 2,
            answers,
            cancels: true,
            faults,
            kinds: ANY,
            ..QUIET
        };
        let way = counterexample(&fleet, mutant.breaks);
        assert!(way.is_some(), "nobody notices that {}", mutant.name);
    }
}

#[test]
fn a_missing_part_is_found() {
    for &(part, faults, breaks) in broken::PARTS {
        let kinds = if breaks == properties::NO_CRASH { UNHARMED } else { ANY };
        let fleet = Fleet { sleeps: true, faults, kinds, without: Some(part), ..QUIET };
        let way = counterexample(&fleet, breaks);
        assert!(way.is_some(), "nobody misses {part:?}");
        eprintln!("without {part:?}, not {breaks:?}: {:?}", way.unwrap_or_default());
    }
}

/// States that are taken for the same go on in the same way.
#[test]
fn names_do_not_matter() {
    let fleet = Fleet {
        jobs: 2,
        slots: 2,
        keys: true,
        cancels: true,
        sleeps: true,
        faults: 2,
        kinds: ANY,
        ..QUIET
    };
    let after = |world: &World| {
        let mut actions = Vec::new();
        fleet.actions(world, &mut actions);
        actions.into_iter().map(|action| fleet.after(world, action)).collect::<Vec<World>>()
    };
    // A step that changes names alone is none.
    let forms = |worlds: Vec<World>, but: &World| -> HashSet<World> {
        worlds.into_iter().map(canonical).filter(|world| world != but).collect()
    };
    let mut worlds = fleet.init_states();
    let mut known: HashSet<World> = worlds.iter().cloned().collect();
    let mut renamed = 0;
    let mut place = 0;
    while place < worlds.len().min(8_000) {
        let world = worlds[place].clone();
        let form = canonical(world.clone());
        let next = after(&world);
        if form != world {
            renamed += 1;
            assert_eq!(forms(next.clone(), &form), forms(after(&form), &form), "{world:#?}");
        }
        worlds.extend(next.into_iter().filter(|next| known.insert(next.clone())));
        place += 1;
    }
    assert!(renamed > 4_000, "only {renamed} of {place} states had another name");
}
