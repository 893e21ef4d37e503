//! When recurring schedules fire.
//!
//! | file | what |
//! | --- | --- |
//! | `agreement.rs` | around every change of the clocks, as a second implementation says |
//! | `oracle.rs`, `changes.rs` | that implementation, and where it is asked |
//! | `clocks.rs` | what changes of the clocks do, by example; daily, weekly and monthly patterns |
//! | `reading.rs` | what may be written, and what people are told about the rest |

#![expect(clippy::unwrap_used, reason = "tests")]

mod agreement;
mod changes;
mod clocks;
mod oracle;
mod reading;
