//! One form for all states that differ only in names: which process is which, how incarnations are
//! numbered, from where claim numbers count. Fewer states, the same behaviour.
//!
//! **Invariant:** nothing is forgotten that any step or rule looks at; claim numbers are only moved
//! together with every claim that is compared with them.

use crate::state::{Claim, Claimer, Lease, Link, NOW, Run, Straggler, World};
use jobs::protocol::State as Stage;

pub(crate) fn canonical(mut world: World) -> World {
    let (leases, rows, stragglers) = (&world.leases, &world.rows, &world.stragglers);
    world.processes.sort_by_cached_key(|process| {
        let of = |by: usize| {
            let holds: Vec<bool> = rows.iter().map(|row| row.worker == Some(by)).collect();
            (by == process.me, leases[by], holds, stragglers.contains(&Straggler::Ask(by)))
        };
        let answer = match process.claimer {
            Claimer::Awake => (0, None, None),
            Claimer::Asleep => (1, None, None),
            Claimer::Asked(by) => (2, Some(of(by)), None),
            Claimer::Answered(by, claim) => (3, Some(of(by)), Some(claim)),
            Claimer::Slow(by, claim) => (4, Some(of(by)), Some(claim)),
        };
        let run = |run: &Run| (run.claim, of(run.by), run.admitted, run.settle);
        let runs: Vec<_> = process.runs.iter().map(run).collect();
        let me = (process.link != Link::Down).then(|| of(process.me));
        let flags = (process.link, process.closing, process.expired, process.disowned);
        let strays = (process.suspicion, process.strays.clone(), process.returning.clone());
        (flags, me, answer, runs, strays)
    });
    for process in &mut world.processes {
        process.runs.sort_by_key(|run| (run.claim, run.settle));
    }
    renumber_incarnations(&mut world);
    for job in 0..world.rows.len() {
        renumber_claims(&mut world, job);
        let row = &mut world.rows[job];
        if row.job.state != Stage::Scheduled {
            row.job.run_at = row.job.run_at.min(NOW);
        }
    }
    world
}

/// Drops the rows of incarnations that nobody is, asks as or holds anything as.
fn renumber_incarnations(world: &mut World) {
    let mut names: Vec<usize> = Vec::new();
    let mut name = |old: &mut usize| {
        *old = names.iter().position(|known| known == old).unwrap_or_else(|| {
            names.push(*old);
            names.len() - 1
        });
    };
    for process in &mut world.processes {
        if process.link == Link::Down {
            process.me = 0;
        } else {
            name(&mut process.me);
        }
        match &mut process.claimer {
            Claimer::Asked(by) | Claimer::Answered(by, _) | Claimer::Slow(by, _) => name(by),
            Claimer::Awake | Claimer::Asleep => {}
        }
        process.runs.iter_mut().for_each(|run| name(&mut run.by));
    }
    world.rows.iter_mut().filter_map(|row| row.worker.as_mut()).for_each(&mut name);
    let leases = &world.leases;
    world.stragglers = std::mem::take(&mut world.stragglers)
        .into_iter()
        .filter_map(|straggler| match straggler {
            Straggler::Ask(mut asked) => matches!(leases[asked], Lease::Alive(_)).then(|| {
                name(&mut asked);
                Straggler::Ask(asked)
            }),
            Straggler::Settle(..) => Some(straggler),
        })
        .collect();
    world.leases = names.iter().map(|old| world.leases[*old]).collect();
}

/// Numbers the claims that are about by their order, and their rights too. A number is only ever
/// compared with the job's own, which is the highest: how far apart they are is the same to all.
fn renumber_claims(world: &mut World, job: usize) {
    let row = &world.rows[job];
    let mut numbers = vec![row.job.claim_no];
    let mut rights: Vec<u8> = row.right.into_iter().collect();
    each_claim(world, |claim| {
        if claim.job == job {
            numbers.push(claim.claim_no);
            rights.push(claim.right);
        }
        claim
    });
    numbers.sort_unstable();
    numbers.dedup();
    rights.sort_unstable();
    rights.dedup();
    let number =
        |old: u64| numbers.iter().position(|known| *known == old).expect("collected") as u64;
    let right = |old: u8| {
        let n = rights.iter().position(|known| *known == old).expect("collected");
        u8::try_from(n + 1).expect("few claims are about")
    };
    each_claim(world, |claim| {
        if claim.job == job {
            Claim { job, claim_no: number(claim.claim_no), right: right(claim.right), ..claim }
        } else {
            claim
        }
    });
    let row = &mut world.rows[job];
    row.job.claim_no = number(row.job.claim_no);
    row.right = row.right.map(right);
    row.claims = u8::try_from(rights.len()).expect("few claims are about");
}

fn each_claim(world: &mut World, mut change: impl FnMut(Claim) -> Claim) {
    for process in &mut world.processes {
        match &mut process.claimer {
            Claimer::Answered(_, claim) | Claimer::Slow(_, claim) => *claim = change(*claim),
            Claimer::Awake | Claimer::Asleep | Claimer::Asked(_) => {}
        }
        process.runs.iter_mut().for_each(|run| run.claim = change(run.claim));
        for claims in [&mut process.strays, &mut process.returning] {
            *claims = std::mem::take(claims).into_iter().map(&mut change).collect();
        }
    }
    world.stragglers = std::mem::take(&mut world.stragglers)
        .into_iter()
        .map(|straggler| match straggler {
            Straggler::Settle(claim, settle) => Straggler::Settle(change(claim), settle),
            Straggler::Ask(_) => straggler,
        })
        .collect();
}
