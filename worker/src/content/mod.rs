//! Content: texts that people or models wrote, the media shown with them, and what a team says and
//! decides about both.
//!
//! | file | what |
//! | --- | --- |
//! | `create_content.rs`, `attach_media.rs` | what is to be said and shown |
//! | `select_version.rs`, `edit_version.rs`, `revert_version.rs` | it changes |
//! | `approve_content.rs`, `reject_content.rs` | whether it may go out |
//! | `add_comment.rs`, `edit_comment.rs`, `resolve_comment.rs` | what is said about it |
//! | `review.rs` | the locks and consequences that these share |
//!
//! **Invariant:** what a file is, is decided by its bytes; an approval ends with what it was of.

mod add_comment;
mod approve_content;
mod asking;
mod attach_media;
mod create_content;
mod edit_comment;
mod edit_version;
pub(crate) mod generate_content;
mod generate_media;
mod reject_content;
mod resolve_comment;
mod revert_version;
pub(crate) mod review;
mod seen;
mod select_version;

pub(crate) use add_comment::add_comment;
pub(crate) use approve_content::approve_content;
pub(crate) use attach_media::attach_media;
pub(crate) use create_content::create_content;
pub(crate) use edit_comment::edit_comment;
pub(crate) use edit_version::edit_version;
pub(crate) use generate_media::generate_media;
pub(crate) use reject_content::reject_content;
pub(crate) use resolve_comment::resolve_comment;
pub(crate) use revert_version::revert_version;
pub(crate) use select_version::select_version;
