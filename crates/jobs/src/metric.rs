//! What plans count.
//!
//! **Invariant:** the words are those of rows and of the wire, and never change.

use serde::{Deserialize, Serialize};

/// What counts.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Metric {
    /// Contents generated.
    Generations,
    /// Posts scheduled.
    ScheduledPosts,
    /// Files uploaded, and images generated.
    FilesUploaded,
}

impl Metric {
    /// All of them.
    pub const ALL: [Metric; 3] =
        [Metric::Generations, Metric::ScheduledPosts, Metric::FilesUploaded];

    /// The word in rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Metric::Generations => "generations",
            Metric::ScheduledPosts => "scheduled_posts",
            Metric::FilesUploaded => "files_uploaded",
        }
    }

    /// As people call it.
    pub const fn in_words(self) -> &'static str {
        match self {
            Metric::Generations => "generations",
            Metric::ScheduledPosts => "scheduled posts",
            Metric::FilesUploaded => "uploaded files",
        }
    }

    /// The one with this word in rows.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.as_str() == word)
    }
}
