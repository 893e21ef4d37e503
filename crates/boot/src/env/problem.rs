//! What is wrong with the environment, told so that it can be mended at once.
//!
//! Collected while a configuration is read, printed by [`crate::or_exit`].
//!
//! **Invariant:** the value of a secret variable is not part of any message.

use std::fmt;

use super::Variable;

/// One variable that is missing or wrong.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The variable to set or correct.
    pub variable: &'static Variable,
    /// What is wrong, continuing a sentence that begins with the variable's name.
    pub wrong: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Variable { name, shape, example, .. } = self.variable;
        write!(f, "{name} {}. It takes {shape}. Example: {name}={example}", self.wrong)
    }
}

/// All problems of one configuration; the process must not start.
#[derive(Debug, Clone, thiserror::Error)]
pub struct Invalid {
    /// What is wrong, in the order of reading; never empty.
    pub problems: Vec<Problem>,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        let plural = if count == 1 { "" } else { "s" };
        write!(f, "the configuration has {count} problem{plural}:")?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}
