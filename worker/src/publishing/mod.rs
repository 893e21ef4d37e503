//! Publishing: schedules are made, prepared, published, looked up, resolved and deleted.
//!
//! | file | what |
//! | --- | --- |
//! | `create_schedule.rs`, `update_schedule.rs`, `cancel_schedule.rs` | what a person wants |
//! | `pause_schedule.rs`, `resume_schedule.rs`, `update_series.rs` | the same of recurring schedules |
//! | `change_occurrence.rs` | one occurrence of them, made before its turn where it must be |
//! | `check_schedule.rs` | warnings ahead of time |
//! | `prepare_post.rs` | media goes ahead |
//! | `publish_post.rs` | the one write |
//! | `reconcile_post.rs` | what became of it, when the network did not say |
//! | `resolve_post.rs`, `delete_post.rs` | a person decides |
//! | `decide.rs` | what an answer of the network means, without I/O |
//! | `target.rs`, `upload.rs`, `call.rs`, `settle.rs`, `give_way.rs`, `series.rs` | the steps that these share |
//!
//! **Invariant:** no call that publishes is made before its intent is committed, and none is made
//! for a schedule whose earlier call may have been answered.

mod call;
mod cancel_schedule;
mod change_occurrence;
mod check_schedule;
mod create_schedule;
pub(crate) mod decide;
mod delete_post;
pub(crate) mod give_way;
mod pause_schedule;
mod prepare_post;
mod publish_post;
mod reconcile_post;
mod resolve_post;
mod resume_schedule;
mod series;
pub(crate) mod settle;
pub(crate) mod target;
mod update_schedule;
mod update_series;
mod upload;

pub(crate) use cancel_schedule::cancel_schedule;
pub(crate) use change_occurrence::{edit_occurrence, move_occurrence, skip_occurrence};
pub(crate) use check_schedule::{account_changed, check_schedule};
pub(crate) use create_schedule::create_schedule;
pub(crate) use delete_post::delete_post;
pub(crate) use pause_schedule::pause_schedule;
pub(crate) use prepare_post::prepare_post;
pub(crate) use publish_post::publish_post;
pub(crate) use reconcile_post::reconcile_post;
pub(crate) use resolve_post::resolve_post;
pub(crate) use resume_schedule::resume_schedule;
pub(crate) use update_schedule::update_schedule;
