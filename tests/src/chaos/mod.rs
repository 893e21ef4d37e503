//! Chaos: the real processes under a seeded schedule of faults, and a verdict that compares what the
//! network and the tables hold with what was acknowledged.
//!
//! | file | what |
//! | --- | --- |
//! | `plan.rs`, `troubles.rs` | what goes wrong and when, a function of the seed |
//! | `story.rs`, `load.rs`, `telling.rs` | what the frontends want, and how they insist on it |
//! | `ground.rs`, `crew.rs` | the fleet, and the places of its processes |
//! | `faults.rs`, `record.rs` | faults carried out, and written down |
//! | `eyes.rs` | what the tables hold |
//! | `run.rs` | a run, from its beginning to its verdict |
//! | `verdict.rs`, `posts.rs`, `rescue.rs`, `report.rs` | what came of it |
//! | `scene.rs` | a fleet whose workers are killed together at a boundary |
//! | `publish/` | publishing, cut at every step |
//! | `accounts/` | refreshing tokens and generating content, cut at every step |
//! | `clock/` | series of every second, whose schedulers die around the ticks |
//!
//! **Invariant:** nothing here is known to the processes: whatever is done to them could be done by
//! an operator, a network or a machine.

pub mod accounts;
pub mod clock;
mod crew;
mod eyes;
mod faults;
mod ground;
mod load;
mod plan;
mod posts;
pub mod publish;
mod record;
mod report;
mod rescue;
mod run;
mod scene;
mod story;
mod telling;
mod troubles;
mod verdict;

pub use ground::Times;
pub use report::{Report, insert};
pub use run::{Options, run};
