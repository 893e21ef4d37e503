//! Content requests, their versions, and what is attached to them.
//!
//! **Invariant:** a row refers only to rows of its own organization.

mod attach_media;
mod create_content;

pub(crate) use attach_media::attach_media;
pub(crate) use create_content::create_content;
