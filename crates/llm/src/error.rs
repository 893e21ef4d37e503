//! What can go wrong with an ask.
//!
//! **Invariant:** what is done about an error depends on its variant and class alone.

use std::time::Duration;

use crate::ask::Usage;
use platforms::ErrorClass;

/// Why there is no answer that can be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The provider, or the model, said no.
    #[error("{message}")]
    Refused {
        /// What kind of no.
        class: ErrorClass,
        /// In the provider's words, cut to 500 characters.
        message: String,
        /// How long to wait, where it was said.
        wait: Option<Duration>,
        /// What it cost all the same.
        usage: Usage,
    },
    /// The answer is longer than was allowed, and cut.
    #[error("the answer was cut after {} tokens", usage.output_tokens)]
    Cut {
        /// What it cost.
        usage: Usage,
    },
    /// The answer is not JSON.
    #[error("the answer is not JSON: {why}")]
    Malformed {
        /// As the model wrote it.
        text: String,
        /// What the parser says.
        why: String,
        /// What it cost.
        usage: Usage,
    },
    /// Nobody answered, or the answer broke off. What it cost is not known.
    #[error("no answer: {0}")]
    Unreachable(String),
}

/// Longest message that is kept, in characters.
const MESSAGE_MAX: usize = 500;

impl Error {
    pub(crate) fn refused(class: ErrorClass, message: &str) -> Self {
        // Others' words go into rows and logs.
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let message = message.chars().take(MESSAGE_MAX).map(plain).collect();
        Error::Refused { class, message, wait: None, usage: Usage::default() }
    }

    pub(crate) fn after(mut self, waits: Option<Duration>) -> Self {
        if let Error::Refused { wait, .. } = &mut self {
            *wait = waits;
        }
        self
    }

    pub(crate) fn costing(mut self, cost: Usage) -> Self {
        match &mut self {
            Error::Refused { usage, .. }
            | Error::Cut { usage }
            | Error::Malformed { usage, .. } => {
                *usage = cost;
            }
            Error::Unreachable(_) => {}
        }
        self
    }

    /// What it cost, as far as that is known.
    pub fn usage(&self) -> Usage {
        match self {
            Error::Refused { usage, .. }
            | Error::Cut { usage }
            | Error::Malformed { usage, .. } => *usage,
            Error::Unreachable(_) => Usage::default(),
        }
    }

    /// What kind of trouble it is.
    pub fn class(&self) -> ErrorClass {
        match self {
            Error::Refused { class, .. } => *class,
            Error::Cut { .. } | Error::Malformed { .. } => ErrorClass::Permanent,
            Error::Unreachable(_) => ErrorClass::Transient,
        }
    }
}
