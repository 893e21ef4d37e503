//! The simulated X over HTTP: against X's own description, its rules, its faults, its control.

#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod control;
mod faults;
mod oauth;
mod posts;
mod rules;
mod stage;
mod verdicts;
