//! The real processes, started for one test: Postgres and Redis are those of the test run, the
//! database, the Redis prefix, the media folder and all processes are the test's own.
//!
//! | file | what |
//! | --- | --- |
//! | `fleet.rs` | a fleet: what runs, and how a test gets one |
//! | `setup.rs` | what kind of fleet a test wants, and the processes' environment |
//! | `processes.rs` | a fleet's processes: started, found, started again |
//! | `process.rs` | one process: its log, its signals, its end |
//! | `database.rs` | a database of one's own, cloned from a migrated template |
//! | `servers.rs` | Postgres and Redis servers of one's own, which may be stopped, killed, emptied |
//! | `proxy.rs` | a way to Postgres or Redis that can be cut, or made slow |
//! | `clocks.rs` | machines whose clocks are wrong |
//! | `tenant.rs` | an organization with its key and an account at the network |
//!
//! **Invariant:** a test that ends leaves nothing running, however it ends.

mod clocks;
mod database;
mod fleet;
mod process;
mod processes;
mod proxy;
mod servers;
mod setup;
mod tenant;

pub use clocks::ahead;
pub use database::{Database, Login};
pub use fleet::{Fleet, on, shared};
pub use process::{Process, binary};
pub use proxy::{Lost, Proxy};
pub use servers::{Care, Down, Server, Servers};
pub use setup::{Secrets, Setup};
pub use tenant::{Account, Planned, Tenant, in_ms};
