//! Reads variables for one process and collects everything that is wrong.
//!
//! A configuration takes each of its fields from here and finishes once.
//!
//! **Invariant:** [`Reader::finish`] gives a configuration only if nothing was wrong; until then
//! an example may stand in for a wrong value, so that reading goes on to the next problem.

use super::parse::Parse;
use super::{Fallback, Invalid, Problem, Process, Variable};

/// Where the text of a variable is looked up.
pub(crate) type Look<'a> = &'a dyn Fn(&str) -> Option<String>;

pub(crate) struct Reader<'a> {
    process: Process,
    look: Look<'a>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(process: Process, look: Look<'a>) -> Self {
        Self { process, look, problems: Vec::new() }
    }

    /// The value, or its fallback. A variable that is missing and has none is a problem.
    pub(crate) fn value<T>(&mut self, variable: &'static Variable, parse: Parse<T>) -> T {
        let fallback = match variable.fallback {
            Fallback::Value(text) => Some(text),
            Fallback::PerProcess(texts) => {
                texts.iter().find(|(process, _)| *process == self.process).map(|(_, text)| *text)
            }
            Fallback::Required | Fallback::Computed(_) | Fallback::Off(_) => None,
        };
        if let Some(value) = self.optional(variable, parse) {
            return value;
        }
        match fallback {
            Some(text) => parse(variable.shape, text).expect("a test reads every default"),
            None => {
                self.problem(variable, "is not set".to_owned());
                stand_in(variable, parse)
            }
        }
    }

    /// The value, or nothing if it is not set.
    pub(crate) fn optional<T>(
        &mut self,
        variable: &'static Variable,
        parse: Parse<T>,
    ) -> Option<T> {
        debug_assert!(
            variable.processes.contains(&self.process),
            "{} is read by {:?} and not documented so",
            variable.name,
            self.process
        );
        let text = (self.look)(variable.name)?;
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        Some(parse(variable.shape, text).unwrap_or_else(|wrong| {
            let shown =
                if variable.secret { String::new() } else { format!("is `{text}`, which ") };
            self.problem(variable, format!("{shown}{wrong}"));
            stand_in(variable, parse)
        }))
    }

    /// Adds a problem that no single value shows.
    pub(crate) fn problem(&mut self, variable: &'static Variable, wrong: String) {
        self.problems.push(Problem { variable, wrong });
    }

    /// Hands the configuration out if nothing was wrong.
    pub(crate) fn finish<T>(self, config: T) -> Result<T, Invalid> {
        if self.problems.is_empty() { Ok(config) } else { Err(Invalid { problems: self.problems }) }
    }
}

fn stand_in<T>(variable: &Variable, parse: Parse<T>) -> T {
    parse(variable.shape, variable.example).expect("a test reads every example")
}
