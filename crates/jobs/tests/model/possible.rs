//! What may happen next.
//!
//! **Invariant:** nothing is left out because it is unlikely; only what nobody could tell from
//! another order of the same steps.

use jobs::protocol::{Event, State as Stage};

use crate::action::Action;
use crate::fleet::{Fleet, Part};
use crate::properties::has_ended;
use crate::state::{Answer, Claimer, Lease, Link, NOW, Process, Run, SILENCE, Straggler, World};

impl Fleet {
    pub(crate) fn possible(&self, world: &World, actions: &mut Vec<Action>) {
        if may_tick(world) {
            actions.push(Action::Tick);
        }
        self.of_ledger(world, actions);
        for (p, process) in world.processes.iter().enumerate() {
            match process.link {
                Link::Down => actions.push(Action::Start(p)),
                Link::Up => {
                    self.of_anybody(world, p, process, actions);
                    self.of_the_healthy(world, p, process, actions);
                }
                Link::Away => {
                    self.of_anybody(world, p, process, actions);
                    actions.push(Action::Back(p));
                }
            }
        }
        let faults = world.faults > 0;
        let may = |action: &Action| {
            action.fault().is_none_or(|kind| faults && self.kinds.contains(&kind))
        };
        actions.retain(may);
        if has_ended(world) {
            // Nothing is of interest but what may still be written.
            actions.retain(|action| {
                matches!(
                    action,
                    Action::Settle { .. }
                        | Action::Deaf { .. }
                        | Action::Return { .. }
                        | Action::Straggle(..)
                )
            });
        }
    }

    fn of_ledger(&self, world: &World, actions: &mut Vec<Action>) {
        for (job, row) in world.rows.iter().enumerate() {
            if (self.next)(&row.job, Event::Promote, NOW).is_some() {
                actions.push(Action::Promote(job));
            }
            if self.cancels && (self.next)(&row.job, Event::Cancel, NOW).is_some() {
                actions.push(Action::Cancel(job));
            }
            let gone = row.worker.is_some_and(|worker| match world.leases[worker] {
                Lease::Alive(_) => false,
                Lease::Lost | Lease::Stopped => true,
            });
            if gone {
                actions.push(Action::Rescue(job));
            }
        }
        for (incarnation, lease) in world.leases.iter().enumerate() {
            if *lease == Lease::Alive(SILENCE) {
                actions.push(Action::Lose(incarnation));
            }
        }
        if world.rung {
            actions.push(Action::LoseRing);
        }
        for &straggler in &world.stragglers {
            match straggler {
                Straggler::Settle(..) => actions.push(Action::Straggle(straggler, None)),
                Straggler::Ask(asked) if matches!(world.leases[asked], Lease::Alive(_)) => {
                    let jobs = self.claimable(world).map(Some);
                    actions.extend(jobs.map(|job| Action::Straggle(straggler, job)));
                }
                Straggler::Ask(_) => {}
            }
        }
    }

    /// The jobs that a claim may be given. A broken `next` may give away more than what is ready.
    fn claimable<'a>(&self, world: &'a World) -> impl Iterator<Item = usize> + 'a {
        let next = self.next;
        (0..world.rows.len()).filter(move |job| {
            let job = &world.rows[*job].job;
            job.state == Stage::Ready || next(job, Event::Claim, NOW).is_some()
        })
    }

    /// Also when it is frozen or cut off: what it has asked for arrives, and it may be killed.
    fn of_anybody(&self, world: &World, p: usize, process: &Process, actions: &mut Vec<Action>) {
        actions.push(Action::Kill(p));
        if let Claimer::Asked(asked) = process.claimer {
            self.of_a_claim(world, p, world.leases[asked], actions);
        }
        actions.extend(process.returning.iter().map(|&claim| Action::Return { p, claim }));
        for (run, Run { settle, .. }) in process.runs.iter().enumerate() {
            if settle.is_some() && process.link == Link::Away {
                actions.push(Action::Deaf { p, run });
            }
        }
    }

    fn of_a_claim(&self, world: &World, p: usize, asks: Lease, actions: &mut Vec<Action>) {
        let mut nothing = true;
        for job in self.claimable(world) {
            match asks {
                Lease::Alive(_) => {
                    nothing = false;
                    actions.push(Action::Take { p, job });
                    if self.keys {
                        actions.push(Action::Park { p, job });
                    }
                }
                Lease::Lost => actions.push(Action::Race { p, job }),
                Lease::Stopped => {}
            }
        }
        if nothing {
            actions.push(Action::FindNothing(p));
        }
        actions.push(Action::GiveUp(p));
    }

    fn of_the_healthy(
        &self,
        world: &World,
        p: usize,
        process: &Process,
        actions: &mut Vec<Action>,
    ) {
        let idle = matches!(process.claimer, Claimer::Awake | Claimer::Asleep);
        match process.claimer {
            Claimer::Awake | Claimer::Asleep if process.closing || process.expired => {}
            Claimer::Awake => {
                // Asking in vain matters only where it leads to sleep.
                let worth = self.sleeps || self.claimable(world).next().is_some();
                if worth && process.runs.len() < self.slots {
                    actions.push(Action::Ask(p));
                }
            }
            Claimer::Asleep => {
                if world.rung {
                    actions.push(Action::Hear(p));
                }
                if self.has(Part::Polling) {
                    actions.push(Action::Poll(p));
                }
            }
            Claimer::Answered(..) => {
                actions.extend([Action::Admit(p), Action::LoseClaim(p), Action::Slow(p)]);
            }
            Claimer::Slow(..) => actions.push(Action::Admit(p)),
            Claimer::Asked(_) => {}
        }
        for (run, Run { settle, claim, by, admitted, begun }) in process.runs.iter().enumerate() {
            if settle.is_some() {
                actions.push(Action::Settle { p, run });
                actions.extend([Action::Unheard { p, run }, Action::Twice { p, run }]);
                continue;
            }
            if *begun {
                let answers = self.answers.iter();
                actions.extend(answers.map(|&answer| Action::Answer { p, run, answer }));
            } else {
                actions.push(Action::Begin { p, run });
            }
            if process.closing {
                actions.push(Action::Interrupt { p, run });
            }
            let row = &world.rows[claim.job];
            let mine = *admitted && *by == process.me && row.worker == Some(process.me);
            if mine && row.job.cancel_requested {
                actions.push(Action::SeeCancel { p, run });
            }
            let answers =
                self.answers.iter().filter(|answer| *begun && **answer != Answer::Cancelled);
            actions.extend(answers.map(|&answer| Action::Doubt { p, run, answer }));
        }
        if matches!(world.leases[process.me], Lease::Alive(SILENCE) | Lease::Lost) {
            actions.push(Action::Expire(p));
        }
        if world.leases[process.me] != Lease::Alive(0) {
            actions.push(Action::Keep(p));
        }
        if process.closing && idle && process.runs.is_empty() {
            actions.push(Action::Leave(p));
        }
        if !process.closing {
            actions.push(Action::Stop(p));
        }
        actions.push(Action::Away(p));
    }
}

/// Whether the database's clock may go on. Who is well is quick: it has renewed since the last
/// tick, and has heard the answer to its claim.
fn may_tick(world: &World) -> bool {
    world.processes.iter().filter(|process| process.link == Link::Up).all(|process| {
        world.leases[process.me] == Lease::Alive(0)
            && !matches!(process.claimer, Claimer::Answered(..))
    })
}
