//! What the three processes share at start and at the end: configuration, telemetry, shutdown.
//!
//! A `main` reads its configuration ([`ApiConfig`], [`SchedulerConfig`], [`WorkerConfig`],
//! [`MigrateConfig`]) with [`or_exit`], starts [`telemetry`], asks [`shutdown`] for its token, and
//! serves [`admin`]. This crate knows none of our others.
//!
//! **Invariant:** no value of a secret variable is printed, logged or shown by `Debug`.

pub mod admin;
pub mod config;
pub mod env;
pub mod figures;
pub mod flow;
mod panics;
pub mod shutdown;
pub mod telemetry;

pub use config::{ApiConfig, MigrateConfig, SchedulerConfig, WorkerConfig, or_exit};
pub use env::{Invalid, Process, reference_markdown};
pub use telemetry::Telemetry;
