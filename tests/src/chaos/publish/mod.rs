//! Publishing, cut at every step: workers are killed at each boundary, and no post goes out twice.
//!
//! | file | what |
//! | --- | --- |
//! | `step.rs` | the boundaries |
//! | `stage.rs` | the fleet |
//! | `round.rs`, `reach.rs` | posts brought to a boundary, many at once |
//! | `tally.rs` | what became of them |
//!
//! **Invariant:** every boundary is crossed, in an order that the seed names.

mod reach;
mod round;
mod stage;
mod step;
mod tally;

use std::time::Instant;

use anyhow::{Context, Result};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use crate::harness::Care;
use round::Round;
use stage::Stage;
use step::Step;
pub use tally::Tally;

/// How many posts are brought to a boundary at once, at most; of those with an image fewer, since each
/// is uploaded first.
const AT_ONCE: usize = 42;
const WITH_IMAGES: usize = 7;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Names the order of the boundaries, and the moments of death.
    pub seed: u64,
    /// At least so many posts.
    pub runs: usize,
    /// Only so many of the boundaries, the first ones in the seed's order.
    pub boundaries: usize,
    /// How careful Postgres is.
    pub care: Care,
}

impl Options {
    /// Every boundary.
    pub const ALL_BOUNDARIES: usize = Step::ALL.len();
}

/// Brings posts to every boundary; `say` is told how it goes.
///
/// # Errors
/// When a boundary cannot be reached, or a post does not come to its end.
pub async fn run(options: Options, say: impl Fn(&str)) -> Result<Tally> {
    let started = Instant::now();
    let rounds = rounds(&options);
    let most = rounds.iter().map(|(_, posts)| *posts).max().unwrap_or(1);
    say("starting servers and processes");
    let stage = Stage::prepare(options.care, options.seed, most).await?;
    let mut tally = Tally::new(options.seed);
    for (nth, (step, posts)) in rounds.iter().enumerate() {
        let cross = async {
            let mut round = Round::plan(&stage, *step, nth, *posts).await?;
            round.cross(*step).await?;
            round.ends().await
        };
        let fates =
            cross.await.with_context(|| format!("round {nth}, {step:?}: {}", step.words()))?;
        tally.add(*step, fates);
        say(&format!("{:>3}/{}: {posts} posts: {}", nth + 1, rounds.len(), step.words()));
    }
    tally.ended(stage.scene.killed(), started.elapsed().as_secs());
    Ok(tally)
}

/// Every boundary as often as it takes for at least so many posts, in the seed's order.
fn rounds(options: &Options) -> Vec<(Step, usize)> {
    let mut rng = StdRng::seed_from_u64(options.seed);
    let mut steps = Step::ALL.to_vec();
    steps.shuffle(&mut rng);
    steps.truncate(options.boundaries.max(1));
    let each = options.runs.div_ceil(steps.len()).max(1);
    let mut rounds = Vec::new();
    for step in steps {
        let most = if step.needs_image() { WITH_IMAGES } else { AT_ONCE };
        let times = each.div_ceil(most);
        rounds.extend(std::iter::repeat_n((step, each.div_ceil(times)), times));
    }
    rounds.shuffle(&mut rng);
    rounds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(runs: usize, boundaries: usize) -> Vec<(Step, usize)> {
        rounds(&Options { seed: 3, runs, boundaries, care: Care::Quick })
    }

    #[test]
    fn every_boundary_is_crossed_and_no_round_is_too_large() {
        for runs in [1, 24, 1_000] {
            let rounds = of(runs, Options::ALL_BOUNDARIES);
            assert!(rounds.iter().map(|(_, posts)| posts).sum::<usize>() >= runs);
            assert!(rounds.iter().all(|(_, posts)| (1..=AT_ONCE).contains(posts)));
            assert!(Step::ALL.iter().all(|step| rounds.iter().any(|(of, _)| of == step)));
        }
        assert_eq!(of(1_000, 24), of(1_000, 24));
        assert_eq!(of(6, 6).len(), 6);
    }
}
