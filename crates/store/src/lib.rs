//! Postgres, the truth: every SQL statement of the fleet, one file per table or aggregate.
//!
//! Functions take a [`Conn`]; where it comes from says on whose behalf they run:
//! [`Store::acting_for`] (the API, for one organization, under row-level security),
//! [`Store::operating`] (the API, for an operator), [`Store::claimed`] (a worker, fenced by the
//! claim of the job it runs), [`Store::begin`] (the fleet itself).
//!
//! **Invariant:** only the database's clock decides what is due and what has expired.

pub mod analytics;
pub mod api_keys;
pub mod attachments;
pub mod billing;
pub mod cadences;
mod clock;
pub mod connections;
pub mod content_comments;
pub mod content_edit_history;
pub mod content_requests;
pub mod content_reviews;
pub mod content_versions;
pub mod engagement;
mod error;
pub mod events;
pub mod files;
pub mod generations;
pub mod idempotency;
pub mod intents;
pub mod ledger;
pub mod migrate;
pub mod organizations;
mod page;
pub mod published_posts;
pub mod schedules;
mod session;
#[cfg(test)]
mod testing;
pub mod usage;
pub mod webhook_events;

pub use clock::now;
pub use error::{Error, Result};
pub use page::Page;
pub use session::{Acting, Claim, Claimed, Conn, Connections, Login, Single, Store, Tx};
