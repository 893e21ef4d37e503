//! No job is lost, none is forgotten, and none runs twice at the same time.

mod control;
mod deaths;
mod fairness;
mod hand_over;
mod limits;
mod outage;
mod panics;
mod servers;
mod strange;

use fleet_tests::harness::Setup;

/// Calls to the network may take as long as a test holds them.
pub(crate) fn patient() -> Setup {
    Setup::default().with("PUBLISH_REQUEST_TIMEOUT_MS", "60000")
}
