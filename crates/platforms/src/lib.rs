//! What the networks are: names, limits, text length, scopes, error classes.
//!
//! Pure facts and arithmetic, shared by the API (which checks content before it is accepted),
//! the worker (which checks it again before it goes out) and the connectors (which sort a
//! network's answers into [`ErrorClass`]).
//!
//! **Invariant:** nothing here does I/O or reads a clock.

mod class;
mod consent;
mod content;
#[cfg(test)]
mod contracts;
mod engagement;
mod platform;
pub mod stripe;
pub mod webhooks;
pub mod x;

pub use class::ErrorClass;
pub use consent::{Consent, ConsentError};
pub use content::{Content, MediaFacts, Violation};
pub use engagement::{EngagementType, Gives, Totals, UnknownEngagementType};
pub use platform::Platform;
