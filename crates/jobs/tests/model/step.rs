//! What becomes of a step.

use jobs::protocol::Event;
use std::collections::BTreeSet;

use crate::action::Action;
use crate::fleet::{Fleet, Part};
use crate::rules;
use crate::state::{
    Answer, Claim, Claimer, Lease, Link, NOW, Process, Run, SILENCE, SUSPICION, Settle, Straggler,
    TICK, World,
};

impl Fleet {
    pub(crate) fn step(&self, world: &mut World, action: Action) {
        match action {
            Action::Tick => {
                world.tick();
                // A statement is not given longer.
                world.stragglers.retain(|straggler| matches!(straggler, Straggler::Settle(..)));
                for p in 0..world.processes.len() {
                    if world.processes[p].link == Link::Up {
                        self.keep(world, p);
                    }
                    let process = &mut world.processes[p];
                    process.suspicion = process.suspicion.saturating_sub(1);
                }
            }
            Action::Promote(job) => self.quietly(world, job, Event::Promote),
            Action::Cancel(job) => self.quietly(world, job, Event::Cancel),
            Action::Lose(incarnation) => world.leases[incarnation] = Lease::Lost,
            Action::Rescue(job) => {
                self.quietly(world, job, Event::Rescue);
                world.rung = self.sleeps;
            }
            Action::Ask(p) => {
                let process = &mut world.processes[p];
                process.claimer = Claimer::Asked(process.me);
            }
            Action::Take { p, job } | Action::Race { p, job } => {
                if let Claimer::Asked(asked) = world.processes[p].claimer {
                    let claim = world.claim(self.next, job, asked);
                    let answered = claim.map(|claim| Claimer::Answered(asked, claim));
                    world.processes[p].claimer = answered.unwrap_or(Claimer::Awake);
                }
            }
            Action::Park { p, job } => {
                self.quietly(world, job, Event::Park(NOW + TICK));
                world.processes[p].claimer = Claimer::Awake;
            }
            Action::FindNothing(p) => {
                let asleep = if self.sleeps { Claimer::Asleep } else { Claimer::Awake };
                world.processes[p].claimer = asleep;
            }
            Action::Hear(p) => {
                world.rung = false;
                world.processes[p].claimer = Claimer::Awake;
            }
            Action::Poll(p) => world.processes[p].claimer = Claimer::Awake,
            Action::LoseRing => world.rung = false,
            Action::Return { p, claim } => {
                world.processes[p].returning.remove(&claim);
                self.settle(world, claim, Settle::HandBack);
            }
            Action::Settle { p, run } => {
                let Run { claim, settle, .. } = world.processes[p].runs.remove(run);
                settle.into_iter().for_each(|settle| self.settle(world, claim, settle));
            }
            Action::Unheard { p, run } | Action::Deaf { p, run } => {
                let Run { claim, settle, .. } = world.processes[p].runs[run];
                settle.into_iter().for_each(|settle| self.settle(world, claim, settle));
            }
            Action::Twice { p, run } => {
                let Run { claim, settle, .. } = world.processes[p].runs[run];
                world.stragglers.extend(settle.map(|settle| Straggler::Settle(claim, settle)));
            }
            Action::Doubt { p, run, answer } => {
                let run = &mut world.processes[p].runs[run];
                run.settle = Some(Settle::HandBack);
                let sent = Straggler::Settle(run.claim, Settle::Finish(answer));
                world.stragglers.insert(sent);
            }
            Action::Straggle(straggler, job) => {
                world.stragglers.remove(&straggler);
                match straggler {
                    Straggler::Settle(claim, settle) => self.settle(world, claim, settle),
                    Straggler::Ask(asked) => {
                        job.and_then(|job| world.claim(self.next, job, asked));
                    }
                }
            }
            Action::GiveUp(p) => {
                if let Claimer::Asked(asked) = world.processes[p].claimer {
                    world.stragglers.insert(Straggler::Ask(asked));
                    self.lose_claim(&mut world.processes[p]);
                }
            }
            Action::Keep(p) => self.keep(world, p),
            Action::Start(p) => {
                let me = world.register();
                let process = &mut world.processes[p];
                (process.link, process.me) = (Link::Up, me);
            }
            Action::Leave(p) => {
                let me = world.processes[p].me;
                if self.has(Part::HandOver) {
                    let held: Vec<Claim> = world.held_by(me).collect();
                    held.into_iter().for_each(|claim| self.settle(world, claim, Settle::HandBack));
                }
                world.leases[me] = Lease::Stopped;
                world.processes[p].end();
            }
            Action::Admit(p) => world.processes[p].admit(),
            Action::Begin { p, run } => {
                let claim = world.processes[p].runs[run].claim;
                let begun = world.begin(self.next, claim);
                let run = &mut world.processes[p].runs[run];
                run.begun = begun;
                run.settle = (!begun).then_some(Settle::HandBack);
            }
            Action::Answer { p, run, answer } => {
                world.processes[p].runs[run].settle = Some(Settle::Finish(answer));
            }
            Action::SeeCancel { p, run } => {
                let cancelled = Settle::Finish(Answer::Cancelled);
                world.processes[p].runs[run].settle = Some(cancelled);
            }
            Action::Interrupt { p, run } => {
                world.processes[p].runs[run].settle = Some(Settle::HandBack);
            }
            Action::Expire(p) => {
                world.processes[p].expired = true;
                world.processes[p].stop_all();
            }
            Action::Back(p) => world.processes[p].link = Link::Up,
            Action::Kill(p) => world.processes[p].end(),
            Action::Stop(p) => world.processes[p].closing = true,
            Action::Away(p) => world.processes[p].link = Link::Away,
            Action::LoseClaim(p) => self.lose_claim(&mut world.processes[p]),
            Action::Slow(p) => {
                if let Claimer::Answered(by, claim) = world.processes[p].claimer {
                    world.processes[p].claimer = Claimer::Slow(by, claim);
                    world.processes[p].suspicion = SUSPICION;
                }
            }
        }
    }

    /// An event that nobody's claim stands behind.
    fn quietly(&self, world: &mut World, job: usize, event: Event) {
        world.apply(self.next, job, event, None);
    }

    fn settle(&self, world: &mut World, claim: Claim, settle: Settle) {
        world.settle(self.next, claim, settle);
        world.rung |= self.sleeps && settle == Settle::HandBack;
    }

    /// A claim has failed, and its answer with it.
    fn lose_claim(&self, process: &mut Process) {
        process.claimer = Claimer::Awake;
        process.disowned = false;
        if self.has(Part::Suspicion) {
            process.suspicion = SUSPICION;
        }
    }

    /// The keeper's round: renew, or begin anew; then look for strays.
    fn keep(&self, world: &mut World, p: usize) {
        let me = world.processes[p].me;
        if world.leases[me] == Lease::Alive(SILENCE) && self.has(Part::SuspicionAfterSilence) {
            world.processes[p].suspicion = SUSPICION;
        }
        if world.leases[me] == Lease::Lost && !self.has(Part::NoRevival) {
            world.leases[me] = Lease::Alive(0);
            world.broken = world.broken.or(Some(rules::REVIVED));
        }
        if !world.renew(me) {
            let anew = world.register();
            world.processes[p].me = anew;
            world.processes[p].stop_all();
        }
        world.processes[p].expired = false;
        if world.processes[p].suspicion > 0 && self.has(Part::Strays) {
            self.look_for_strays(world, p);
        }
    }

    fn look_for_strays(&self, world: &mut World, p: usize) {
        let process = &world.processes[p];
        let runs =
            |claim: &Claim| process.runs.iter().any(|run| run.admitted && run.claim == *claim);
        let unknown: BTreeSet<Claim> =
            world.held_by(process.me).filter(|claim| !runs(claim)).collect();
        let process = &mut world.processes[p];
        let strays: Vec<Claim> = unknown.intersection(&process.strays).copied().collect();
        if let Claimer::Answered(_, claim) | Claimer::Slow(_, claim) = process.claimer {
            process.disowned |= self.has(Part::Disowning) && strays.contains(&claim);
        }
        process.returning.extend(strays);
        process.strays = unknown;
    }
}

impl Process {
    /// The claim's answer has come: it is run, or handed back when it came too late.
    fn admit(&mut self) {
        let (Claimer::Answered(by, claim) | Claimer::Slow(by, claim)) = self.claimer else {
            return;
        };
        self.claimer = Claimer::Awake;
        let too_late = std::mem::take(&mut self.disowned);
        let admitted = by == self.me && !self.closing && !self.expired && !too_late;
        let settle = (!admitted).then_some(Settle::HandBack);
        self.runs.push(Run { claim, by, admitted, begun: !claim.suspect, settle });
    }

    /// The lease is lost, or may be: every run is given back.
    fn stop_all(&mut self) {
        for run in &mut self.runs {
            run.settle = run.settle.or(Some(Settle::HandBack));
        }
    }

    /// Nothing is left of it but what is on its way.
    fn end(&mut self) {
        *self = Process { link: Link::Down, ..Process::new(0) };
    }
}
