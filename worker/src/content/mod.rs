//! Content: texts that people or models wrote, and the media shown with them.
//!
//! **Invariant:** what a file is, is decided by its bytes.

mod asking;
mod attach_media;
mod create_content;
pub(crate) mod generate_content;
mod generate_media;
mod seen;

pub(crate) use attach_media::attach_media;
pub(crate) use create_content::create_content;
pub(crate) use generate_media::generate_media;
