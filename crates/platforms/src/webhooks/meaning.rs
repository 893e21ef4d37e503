//! What an event means for us, whichever network tells it.

use chrono::{DateTime, Utc};

use crate::EngagementType;

/// One thing that a delivery tells. Posts and accounts are named by the network's own ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Somebody did something with a post, once.
    Engagement {
        /// What it was.
        of: EngagementType,
        /// With which post.
        post_id: String,
        /// Its own id: the same however often it is told, and no other event's of the network.
        id: String,
        /// When, where the network says so.
        occurred_at: Option<DateTime<Utc>>,
    },
    /// A post is gone.
    PostDeleted {
        /// Which.
        post_id: String,
    },
    /// A person has taken back what they allowed our app.
    AccessRevoked {
        /// Whose account.
        account_id: String,
        /// When, where the network says so.
        occurred_at: Option<DateTime<Utc>>,
    },
    /// Understood, and nothing for us to do.
    Nothing,
    /// Not understood.
    Unknown,
}
