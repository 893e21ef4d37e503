//! The clock under dying schedulers: series of every second, whose schedulers are killed, frozen, deployed and cut
//! off around the ticks and between the steps of a tick. No tick may be missed, none may come twice.
//!
//! | file | what |
//! | --- | --- |
//! | `fault.rs` | what is done to schedulers, and its order |
//! | `pair.rs` | the two schedulers that there always are |
//! | `stage.rs` | the fleet and its series |
//! | `strike.rs` | faults, carried out |
//! | `ends.rs`, `tally.rs` | what became of every tick, and the totals |
//!
//! **Invariant:** two schedulers work whenever nothing is being done to them; nobody else is disturbed.

mod ends;
mod fault;
mod pair;
mod stage;
mod strike;
mod tally;

use std::time::Instant;

use anyhow::{Context, Result};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::harness::Care;
use fault::Deck;
use stage::Stage;
pub use tally::Tally;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Names the order of the faults, and their moments.
    pub seed: u64,
    /// At least so many ticks of one second, of all series.
    pub ticks: usize,
    /// So many series at the same time, each on an account of its own.
    pub series: usize,
    /// How careful Postgres is.
    pub care: Care,
}

/// Lets series go out to their ends under dying schedulers; `say` is told how it goes.
///
/// # Errors
/// When a scheduler does not come to work.
pub async fn run(options: Options, say: impl Fn(&str)) -> Result<Tally> {
    let started = Instant::now();
    let series = options.series.max(1);
    let each = options.ticks.div_ceil(series).max(1);
    say("starting servers and processes");
    let mut stage = Stage::prepare(&options, series, each).await?;
    let mut rng = StdRng::seed_from_u64(options.seed);
    let mut deck = Deck::default();
    let mut tally = Tally::new(options.seed, series, each);
    while stage.goes_on() {
        let fault = match stage.due().await? {
            Some(fault) => fault,
            None => deck.draw(&mut rng),
        };
        let strike = stage.strike(fault, &mut rng).await;
        let strike = strike.with_context(|| format!("{fault:?}: {}", fault.words()))?;
        let Some(strike) = strike else { continue };
        say(&format!("{:>4} s: {}", started.elapsed().as_secs(), fault.words()));
        tally.struck(fault, strike);
    }
    stage.ends(&mut tally).await?;
    tally.ended(started.elapsed().as_secs());
    Ok(tally)
}
