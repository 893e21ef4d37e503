//! The model of the queue protocol, checked exhaustively.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod canonical;
mod ends;
mod fleet;
mod ledger;
mod possible;
mod properties;
mod rules;
mod state;
mod step;

use fleet::{ANY, Fault, Fleet};
use state::Answer;
use stateright::{Checker, Model};

fn num(n: &str, d: usize) -> usize { std::env::var(n).map(|f| f.parse().unwrap()).unwrap_or(d) }

fn conf() -> Fleet {
    let kinds: &'static [Fault] = match std::env::var("K") { Ok(k) => { let i: usize = k.parse().unwrap(); &ANY[i..=i] } Err(_) => if std::env::var("NOKILL").is_ok() { &[Fault::Stop, Fault::LoseClaim, Fault::Slow, Fault::GiveUp, Fault::Unheard, Fault::Twice, Fault::Doubt] } else {ANY} };
    Fleet {
        next: jobs::protocol::next,
        jobs: num("J", 1), processes: num("P", 2), faults: num("F", 1) as u8,
        kinds,
        keys: num("D", 1) == 1,
        answers: match std::env::var("A").as_deref() { Ok("d") => &[Answer::Done], Ok("r") => &[Answer::Retry], Ok("dr") => &[Answer::Done, Answer::Retry], _ => &[Answer::Done, Answer::Retry, Answer::Snooze]},
        cancels: num("C", 0) == 1,
        sleeps: num("S", 0) == 1,
        without: None, slots: num("L", 2),
    }
}
#[test]
fn scratch() {
    let fleet = conf();
    let t = std::time::Instant::now();
    let checker = fleet.checker().threads(2).finish_when(stateright::HasDiscoveries::AnyFailures).target_state_count(num("M", 10_000_000)).spawn_bfs().join();
    eprintln!("unique {} total {} depth {} {:?}", checker.unique_state_count(), checker.state_count(), checker.max_depth(), t.elapsed());
    checker.assert_properties();
}
#[test]
fn ends() {
    let fleet = conf();
    let t = std::time::Instant::now();
    let ends = ends::search(&fleet);
    eprintln!("{} {:?} {:?}", ends.states, ends.trap, t.elapsed());
    if let Some(trap) = ends.trap {
        let mut world = fleet.init_states().remove(0);
        for a in trap { world = fleet.next_state(&world, a).unwrap(); }
        eprintln!("{world:?}");
    }
}
