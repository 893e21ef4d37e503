//! How figures are shown: for people, as JSON lines, as tables for the documentation.
//!
//! **Invariant:** ratios compare figures of one run alone.

use serde_json::{Map, Value, json};

use crate::case::{Case, Figure, number, rounded};

/// How figures are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    People,
    Json,
    Markdown,
}

/// Shows cases as they come.
#[derive(Debug)]
pub(crate) struct Report {
    style: Style,
    cases: Vec<Case>,
}

#[expect(clippy::print_stdout, reason = "figures are what this program is for")]
impl Report {
    pub(crate) fn new(style: Style, facts: &Map<String, Value>) -> Self {
        match style {
            Style::Json => println!("{}", json!({ "settings": facts })),
            Style::People | Style::Markdown => {
                let facts: Vec<String> = facts
                    .iter()
                    .map(|(name, value)| {
                        format!(
                            "{name} {}",
                            value.as_str().map_or_else(|| value.to_string(), str::to_owned)
                        )
                    })
                    .collect();
                println!("{}\n", facts.join(", "));
            }
        }
        Self { style, cases: Vec::new() }
    }

    /// Takes a case, and shows it unless tables are wanted, which come at the end.
    pub(crate) fn add(&mut self, case: Case) {
        match self.style {
            Style::Json => println!("{}", case.json()),
            Style::People => {
                println!(
                    "{} · {} · {} · load {:.1}",
                    case.scenario,
                    case.of,
                    case.label(),
                    case.load
                );
                for figure in &case.figures {
                    println!("    {:<28} {}", figure.name, figure.text());
                }
            }
            Style::Markdown => {}
        }
        self.cases.push(case);
    }

    /// Takes several cases.
    pub(crate) fn add_all(&mut self, cases: impl IntoIterator<Item = Case>) {
        for case in cases {
            self.add(case);
        }
    }

    /// Shows the tables, what compares ours with the peers', and the settings.
    pub(crate) fn finish(self) {
        if self.style == Style::Markdown {
            self.tables();
        }
        let mut heading = "\n| ours against | in | ours / theirs |\n|---|---|---|\n";
        for theirs in &self.cases {
            for ours in self.cases.iter().filter(|case| case.is_beside(theirs)) {
                let ratios = ours.ratios(theirs);
                let (what, of) = (format!("{}, {}", ours.scenario, ours.label()), theirs.name());
                let text = ratios.iter().map(|(name, ratio)| format!("{name} {}", number(*ratio)));
                let text = text.collect::<Vec<_>>().join(" · ");
                match self.style {
                    Style::Json => {
                        let ratios: Map<String, Value> = ratios
                            .iter()
                            .map(|(name, ratio)| ((*name).to_owned(), rounded(*ratio).into()))
                            .collect();
                        let parameters = &ours.parameters;
                        println!(
                            "{}",
                            json!({
                                "scenario": ours.scenario, "parameters": parameters, "against": of, "ratios": ratios,
                            })
                        );
                    }
                    Style::People => println!("ours / {of}: {what}: {text}"),
                    Style::Markdown => {
                        println!("{heading}| {of} | {what} | {text} |");
                        heading = "";
                    }
                }
            }
        }
        if self.style == Style::Markdown {
            self.settings();
            let load = self.cases.iter().map(|case| case.load).fold(0.0, f64::max);
            println!("\nLoad average of the machine meanwhile: at most {load:.1}.");
        }
    }

    fn settings(&self) {
        let mut shown: Vec<String> = Vec::new();
        for case in self.cases.iter().filter(|case| !case.settings.is_null()) {
            let line = format!("- {} · {}: `{}`", case.scenario, case.of, case.settings);
            if !shown.contains(&line) {
                println!("{}{line}", if shown.is_empty() { "\nSettings:\n\n" } else { "" });
                shown.push(line);
            }
        }
    }

    /// A table for each run of cases with the same scenario and figures.
    fn tables(&self) {
        let mut shown: Vec<String> = Vec::new();
        for case in &self.cases {
            let names: Vec<&str> = case.figures.iter().map(|figure| figure.name).collect();
            let heading = format!("| {} | what | {} |", case.scenario, names.join(" | "));
            if shown.last() != Some(&heading) {
                println!("\n{heading}\n|---|---|{}", "---|".repeat(names.len()));
                shown.push(heading);
            }
            let cells: Vec<String> = case.figures.iter().map(Figure::text).collect();
            println!("| {} | {} | {} |", case.of, case.label(), cells.join(" | "));
        }
    }
}
