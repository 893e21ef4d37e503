//! The ledger as an apalis backend; the only crate that names apalis.
//!
//! For each queue a `claimer.rs` takes jobs from the ledger while slots are free and hands them to
//! an apalis worker; the worker's outermost layer (`finish_layer.rs`) sees how each run ended and
//! gives it to the one `finisher.rs`, which ends runs in groups. The `keeper.rs` renews the process'
//! lease, rescues the jobs of others that fell silent, and passes on requests to cancel.
//!
//! **Invariant:** every job that was claimed is finished, handed back, or lost with the lease; and
//! its slot is free again only then.

mod alone;
mod backend;
mod claimer;
mod end;
mod figures;
mod finish_layer;
mod finisher;
mod floors;
mod held;
mod keeper;
mod lease;
mod run;
mod seats;
mod settings;
mod stop;

pub use end::End;
pub use run::{Error, Handler, run};
pub use settings::Settings;
pub use stop::{Reason, Shield, Stop};
