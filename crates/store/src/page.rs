//! Keyset pages: newest first, by id.
//!
//! **Invariant:** a page's cost does not depend on how many rows lie before it.

use uuid::Uuid;

/// Which rows of a list to read. Ids are UUIDv7, so that descending ids are newest first.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Only rows before this id; `None` starts at the newest.
    pub before: Option<Uuid>,
    /// At most so many rows.
    pub limit: i64,
}

impl Page {
    /// The id below which to read.
    pub(crate) fn below(&self) -> Uuid {
        self.before.unwrap_or(Uuid::max())
    }
}
