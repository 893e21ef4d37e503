//! The properties that the checker looks at in every state.

use jobs::protocol::{Event, MAX_CRASHES, Outcome, State as Stage, Verdict};
use stateright::Property;
use std::collections::BTreeSet;

use crate::fleet::Fleet;
use crate::rules::{self, Rule};
use crate::state::{Lease, NOW, World};

macro_rules! kept {
    ($($rule:ident),*) => {
        vec![$(Property::always(rules::$rule, |_, world: &World| world.broken != Some(rules::$rule))),*]
    };
}

pub(crate) fn all() -> Vec<Property<Fleet>> {
    let mut all: Vec<Property<Fleet>> = kept![
        LIVE_CLAIM, TWO_ENDS, LOST_JOB, NOT_DUE, MOVES, ATTEMPTS, CRASHES, QUARANTINE, HANDED_BACK,
        CANCELLED, REVIVED
    ];
    all.extend([
        Property::always(rules::STALE_CLAIM, |fleet: &Fleet, world: &World| {
            world.broken != Some(rules::STALE_CLAIM) && rights(fleet, world).all(|(_, live)| live)
        }),
        Property::always(rules::TWO_RIGHTS, |fleet: &Fleet, world: &World| {
            let jobs: Vec<usize> = {
                let open: BTreeSet<(usize, u8)> = rights(fleet, world).map(|(r, _)| r).collect();
                open.into_iter().map(|(job, _)| job).collect()
            };
            world.broken != Some(rules::TWO_RIGHTS) && jobs.windows(2).all(|two| two[0] != two[1])
        }),
        Property::always("a job is with a worker exactly when it runs", |_, world: &World| {
            world.rows.iter().all(|row| {
                let runs = row.job.state == Stage::Running;
                runs == row.worker.is_some() && runs == row.right.is_some()
            })
        }),
        Property::always(rules::OWN_RUNS, |f: &Fleet, world: &World| std::env::var("OWN").is_err() || owns_what_it_runs(world)),
        Property::always("only a silence counts as a crash", |fleet: &Fleet, world: &World| {
            fleet.kinds.contains(&crate::fleet::Fault::Kill) || world.rows.iter().all(|row| row.job.crashes == 0)
        }),
        Property::eventually("every job ends", |_, world: &World| has_ended(world)),
    ]);
    all
}

pub(crate) fn has_ended(world: &World) -> bool {
    world.rows.iter().all(|row| row.has_ended())
}

/// Of all claims that are about, those that the fence would let through; and whether they should.
/// A handler's writes are let through when its finish would be ([`store`'s `claimed`] asks for the
/// same row by the same number).
fn rights(fleet: &Fleet, world: &World) -> impl Iterator<Item = ((usize, u8), bool)> {
    world.claims_about().filter_map(|claim| {
        let row = &world.rows[claim.job];
        let finish = Event::Finish(claim.claim_no, Verdict::Done);
        (fleet.next)(&row.job, finish, NOW)
            .map(|_| ((claim.job, claim.right), row.right == Some(claim.right)))
    })
}

fn owns_what_it_runs(world: &World) -> bool {
    world.processes.iter().all(|process| {
        let good = matches!(world.leases[process.me], Lease::Alive(_));
        process.runs.iter().all(|run| {
            let works = run.settle.is_none() && run.by == process.me;
            !(good && works) || world.rows[run.claim.job].right == Some(run.claim.right)
        })
    })
}
