//! Whether every job ends: a search over the whole graph of states.
//!
//! The checker's `eventually` sees only paths that stop; it says itself that it overlooks cycles,
//! and a fleet that polls and renews goes round for ever. So: from every reachable state, the
//! fleet's own steps must lead to the end of all jobs. Then no state is a trap, and whoever takes
//! every step that stays possible sooner or later (a fair schedule) arrives.

use stateright::Model;
use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::action::Action;
use crate::fleet::Fleet;
use crate::properties::has_ended;
use crate::state::{Link, World};

/// The graph's size, and the shortest way into a trap.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) states: usize,
    pub(crate) trap: Option<Vec<Action>>,
}

/// Looks from every reachable state for a way to the end.
pub(crate) fn search(fleet: &Fleet) -> Ends {
    let mut graph = Graph::default();
    for world in fleet.init_states() {
        graph.find(world, None);
    }
    while let Some((here, world)) = graph.unseen.pop_front() {
        let alone = world.processes.iter().all(|process| process.link == Link::Away);
        let mut actions = Vec::new();
        fleet.actions(&world, &mut actions);
        for action in actions {
            // Somebody must be there to do the work.
            let own = action.is_own() || alone && matches!(action, Action::Back(_));
            let Some(next) = fleet.next_state(&world, action.clone()) else { continue };
            let there = graph.find(next, Some((here, action)));
            if own {
                graph.own_steps_to[there].push(here);
            }
        }
    }
    let leads = graph.leads_to_an_end();
    let trap = leads.iter().position(|leads| !leads).map(|trap| graph.way_to(trap));
    Ends { states: leads.len(), trap }
}

#[derive(Default)]
struct Graph {
    /// By fingerprint: the states themselves would not fit.
    known: HashMap<u64, usize>,
    unseen: VecDeque<(usize, World)>,
    came_from: Vec<Option<(usize, Action)>>,
    own_steps_to: Vec<Vec<usize>>,
    ended: Vec<usize>,
}

impl Graph {
    fn find(&mut self, world: World, from: Option<(usize, Action)>) -> usize {
        let mut hasher = DefaultHasher::new();
        world.hash(&mut hasher);
        let new = self.came_from.len();
        let place = *self.known.entry(hasher.finish()).or_insert(new);
        if place == new {
            self.came_from.push(from);
            self.own_steps_to.push(Vec::new());
            if has_ended(&world) {
                self.ended.push(new);
            }
            self.unseen.push_back((new, world));
        }
        place
    }

    fn leads_to_an_end(&self) -> Vec<bool> {
        let mut leads = vec![false; self.came_from.len()];
        let mut open = self.ended.clone();
        while let Some(place) = open.pop() {
            if !std::mem::replace(&mut leads[place], true) {
                open.extend(&self.own_steps_to[place]);
            }
        }
        leads
    }

    fn way_to(&self, mut place: usize) -> Vec<Action> {
        let mut way = Vec::new();
        while let Some((from, action)) = &self.came_from[place] {
            way.push(action.clone());
            place = *from;
        }
        way.reverse();
        way
    }
}
