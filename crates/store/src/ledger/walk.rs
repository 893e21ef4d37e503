//! A random walk: generated acts of several workers, callers and operators, each done in the ledger
//! and in the protocol, which must agree after each step. Workers act under old claims too.
//!
//! **Invariant:** nothing here knows how a claim chooses; it must choose only what may run, and
//! leave nothing that may.

#![expect(clippy::unwrap_used, reason = "tests")]

mod act;
mod claims;
mod held;
mod rows;
mod world;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use act::Act;
use world::World;

const STEPS: usize = 1_200;

#[tokio::test]
async fn the_ledger_goes_where_the_protocol_goes() {
    let mut world = World::new().await;
    let mut runner = TestRunner::deterministic();
    let mut trail: Vec<Act> = Vec::new();
    for step in 0..STEPS {
        let act = Act::any().new_tree(&mut runner).unwrap().current();
        trail.push(act.clone());
        world.at = format!("step {step}: {:?}", &trail[trail.len().saturating_sub(8)..]);
        world.act(act).await;
        world.compare().await;
    }
    for what in [
        "enqueued",
        "already live",
        "retried",
        "claimed",
        "claimed at once when due",
        "claimed by a lost worker",
        "promoted",
        "parked",
        "finished",
        "finished under a lost claim",
        "handed back",
        "handed back under a lost claim",
        "rescued",
        "rescued before it began",
        "began late",
        "quarantined",
        "cancelled",
        "asked to cancel",
        "not theirs to cancel",
        "wrote",
        "wrote under a lost claim",
        "admitted",
        "told to wait",
        "next in line",
        "reopened",
        "freed",
    ] {
        let seen = world.seen.get(what).copied().unwrap_or_default();
        assert!(seen > 0, "nothing was {what}: {:?}", world.seen);
    }
    // The pool closes when its last connection is back.
    drop(world.conn);
    world.scratch.drop().await;
}
