//! Content: texts that people wrote, and the media shown with them.
//!
//! **Invariant:** what a file is, is decided by its bytes.

mod attach_media;
mod create_content;

pub(crate) use attach_media::attach_media;
pub(crate) use create_content::create_content;
