//! When recurring schedules fire.
//!
//! | file | what |
//! | --- | --- |
//! | `agreement.rs` | around every change of the clocks, as a second implementation says |
//! | `oracle.rs`, `changes.rs` | that implementation, and where it is asked |

#![expect(clippy::unwrap_used, reason = "tests")]

mod agreement;
mod changes;
mod oracle;
