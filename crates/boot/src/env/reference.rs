//! The reference page of all variables, as Markdown.
//!
//! Rendered from the same constants that are read; a test compares the page in `docs/`.
//!
//! **Invariant:** the page says nothing that the constants do not.

use std::fmt::Write as _;

use super::{ALL, Fallback, Variable};

/// All variables as a Markdown page: a table with one line each.
pub fn reference_markdown() -> String {
    let mut page = String::from(
        "# Configuration\n\n\
         Generated from `crates/boot/src/env.rs`; do not edit.\n\n\
         Every process reads its configuration from environment variables, once, at start. An \
         empty variable counts as not set. What is wrong is printed, all at once, and the process \
         ends with code 78.\n\n\
         | variable | meaning | takes | when not set | example | read by |\n\
         | --- | --- | --- | --- | --- | --- |\n",
    );
    for variable in ALL {
        let Variable { name, about, shape, example, secret, processes, .. } = variable;
        let cells = [
            format!("`{name}`{}", if *secret { " (secret)" } else { "" }),
            about.trim().to_owned(),
            shape.to_string(),
            when_not_set(variable),
            format!("`{example}`"),
            processes.iter().map(|process| process.command()).collect::<Vec<_>>().join(", "),
        ];
        let cells = cells.map(|cell| cell.replace('|', "\\|"));
        writeln!(page, "| {} |", cells.join(" | ")).expect("a String takes any text");
    }
    page
}

fn when_not_set(variable: &Variable) -> String {
    match variable.fallback {
        Fallback::Required => "**required**".to_owned(),
        Fallback::Value(text) => format!("`{text}`"),
        Fallback::PerProcess(texts) => texts
            .iter()
            .map(|(process, text)| format!("`{text}` ({})", process.command()))
            .collect::<Vec<_>>()
            .join(", "),
        Fallback::Computed(how) => how.to_owned(),
        Fallback::Off(what) => what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_has_one_line_of_six_cells() {
        let page = reference_markdown();
        for variable in ALL {
            let start = format!("| `{}`", variable.name);
            let lines: Vec<_> = page.lines().filter(|line| line.starts_with(&start)).collect();
            let [line] = lines[..] else { panic!("{start}: {lines:?}") };
            assert_eq!(line.replace("\\|", "").matches('|').count(), 7, "{line}");
            assert!(!line.contains("  "), "{line}");
        }
    }
}
