//! Refreshing tokens and generating content, cut at every step: workers are killed at each boundary,
//! no account is lost without need, and nothing is generated, counted or told twice.
//!
//! | file | what |
//! | --- | --- |
//! | `step.rs` | the boundaries |
//! | `stage.rs` | the fleet |
//! | `round.rs` | accounts and generations brought to their boundaries, all at once |
//! | `ends.rs`, `generated.rs` | what became of the accounts, and of the generations |
//! | `fates.rs`, `tally.rs` | whether it is as promised, and the totals |
//!
//! **Invariant:** boundaries come in an order that the seed names, and none again before all others.

mod ends;
mod fates;
mod generated;
mod round;
mod stage;
mod step;
mod tally;

use std::time::Instant;

use anyhow::{Context, Result};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use super::scene::WORKERS;
use crate::harness::Care;
use round::Round;
use stage::Stage;
use step::{Generation, Plan, Refresh};
pub use tally::Tally;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Names the order of the boundaries, and the moments of death.
    pub seed: u64,
    /// At least so many workers are killed.
    pub kills: usize,
    /// How careful Postgres is.
    pub care: Care,
}

/// Brings accounts and generations to boundaries; `say` is told how it goes.
///
/// # Errors
/// When a boundary cannot be reached, or something does not come to its end.
pub async fn run(options: Options, say: impl Fn(&str)) -> Result<Tally> {
    let started = Instant::now();
    let plans = plans(options.seed, options.kills.div_ceil(WORKERS).max(1));
    say("starting servers and processes");
    let stage = Stage::prepare(options.care, options.seed).await?;
    let mut tally = Tally::new(options.seed);
    for (nth, plan) in plans.iter().enumerate() {
        let began = Instant::now();
        let cross = async {
            let mut round = Round::begin(&stage, *plan, nth).await?;
            round.cross().await?;
            round.ends(&mut tally).await
        };
        cross.await.with_context(|| format!("round {nth}, {plan:?}"))?;
        let (refresh, generation) = (plan.refresh.words(), plan.generation.words());
        let took = began.elapsed().as_secs_f64();
        say(&format!("{:>3}/{}: {refresh}; {generation} ({took:.1} s)", nth + 1, plans.len()));
    }
    tally.ended(stage.scene.killed(), started.elapsed().as_secs());
    Ok(tally)
}

/// So many rounds, in the seed's order.
fn plans(seed: u64, rounds: usize) -> Vec<Plan> {
    let mut rng = StdRng::seed_from_u64(seed);
    let refreshes = dealt(&mut rng, &Refresh::ALL, rounds);
    let generations = dealt(&mut rng, &Generation::ALL, rounds);
    let ways = [(false, false), (false, true), (true, false), (true, true)];
    let ways = dealt(&mut rng, &ways, rounds);
    let steps = refreshes.into_iter().zip(generations);
    steps
        .zip(ways)
        .map(|((refresh, generation), (lives, replay_ends_grant))| Plan {
            refresh,
            generation,
            lives,
            replay_ends_grant,
        })
        .collect()
}

/// Cards from shuffled decks, one deck after the other.
fn dealt<T: Copy>(rng: &mut StdRng, deck: &[T], cards: usize) -> Vec<T> {
    let mut dealt = Vec::new();
    while dealt.len() < cards {
        let mut deck = deck.to_vec();
        deck.shuffle(rng);
        dealt.extend(deck);
    }
    dealt.truncate(cards);
    dealt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_boundary_comes_as_often_as_the_others_and_every_second_replay_ends_a_grant() {
        let plans = plans(1, 100);
        let count = |is: &dyn Fn(&Plan) -> bool| plans.iter().filter(|plan| is(plan)).count();
        for step in Refresh::ALL {
            assert_eq!(count(&|plan| plan.refresh == step), 20, "{step:?}");
        }
        for step in Generation::ALL {
            assert_eq!(count(&|plan| plan.generation == step), 25, "{step:?}");
        }
        assert_eq!(count(&|plan| plan.replay_ends_grant), 50);
        assert_eq!(count(&|plan| plan.lives), 50);
        assert_eq!(plans, super::plans(1, 100));
        assert_ne!(plans, super::plans(2, 100));
    }
}
