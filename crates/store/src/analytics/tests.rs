//! Sums against a real database: equal to what was counted by hand, however events come and whoever dies.

#![expect(clippy::unwrap_used, reason = "tests")]

mod clocks;
mod races;
mod ranges;
mod same;
mod world;
