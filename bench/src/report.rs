//! Figures, and how they are shown: for people, as JSON lines, as tables for the documentation.
//!
//! **Invariant:** a figure is the median of its rounds, and its smallest and largest are kept.

use serde_json::{Map, Value, json};

/// How figures are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    People,
    Json,
    Markdown,
}

/// One thing measured, in several rounds.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// The scenario, as its subcommand is called.
    pub(crate) scenario: &'static str,
    /// Whose figures: ours, or a peer's with its version.
    pub(crate) of: String,
    /// What was varied.
    pub(crate) parameters: Map<String, Value>,
    figures: Vec<Figure>,
    load: f64,
}

#[derive(Clone, Debug)]
struct Figure {
    name: &'static str,
    rounds: Vec<f64>,
}

/// The figures of which ratios are told: more is better for the first, less for the others.
const COMPARED: [&str; 5] = ["jobs/s", "p50 ms", "p99 ms", "max ms", "last finish ms"];

/// Whose figures are ours.
pub(crate) const OURS: &str = "ezre";

impl Case {
    pub(crate) fn new(scenario: &'static str, of: &str, parameters: Value) -> Self {
        let Value::Object(parameters) = parameters else {
            unreachable!("parameters are an object")
        };
        Self { scenario, of: of.to_owned(), parameters, figures: Vec::new(), load: 0.0 }
    }

    /// Adds one round's value.
    pub(crate) fn add(&mut self, name: &'static str, value: f64) {
        self.load = self.load.max(crate::machine::load());
        match self.figures.iter_mut().find(|figure| figure.name == name) {
            Some(figure) => figure.rounds.push(value),
            None => self.figures.push(Figure { name, rounds: vec![value] }),
        }
    }

    /// Adds the usual percentiles of one round's latencies, given in milliseconds.
    pub(crate) fn add_latencies(&mut self, names: [&'static str; 3], mut ms: Vec<f64>) {
        ms.sort_by(f64::total_cmp);
        self.add(names[0], percentile(&ms, 50.0));
        self.add(names[1], percentile(&ms, 99.0));
        self.add(names[2], percentile(&ms, 100.0));
    }

    /// The median of a figure.
    pub(crate) fn median(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|figure| figure.name == name).map(|figure| figure.median())
    }

    /// Whether this is ours, and measures what theirs does.
    fn is_beside(&self, theirs: &Case) -> bool {
        let (ours, parameters) = (self.of == OURS, &self.parameters);
        ours && self.scenario == theirs.scenario
            && (self.scenario != "drain" || parameters["jobs"] == theirs.parameters["jobs"])
            && parameters.get("from").is_none_or(|from| from == "COMMIT returned")
    }

    fn label(&self) -> String {
        let parts = self.parameters.iter().map(|(name, value)| match value {
            Value::String(text) => format!("{name} {text}"),
            other => format!("{name} {other}"),
        });
        parts.collect::<Vec<_>>().join(", ")
    }

    fn json(&self) -> Value {
        let figures = self.figures.iter().map(|figure| {
            let sorted = figure.sorted();
            let shown = json!({
                "median": rounded(figure.median()), "min": rounded(sorted[0]),
                "max": rounded(sorted[sorted.len() - 1]),
                "rounds": figure.rounds.iter().map(|value| rounded(*value)).collect::<Vec<_>>(),
            });
            (figure.name.to_owned(), shown)
        });
        json!({
            "scenario": self.scenario, "of": self.of, "parameters": self.parameters,
            "figures": Map::from_iter(figures), "load": self.load,
        })
    }
}

impl Figure {
    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.rounds.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    fn median(&self) -> f64 {
        let sorted = self.sorted();
        let middle = sorted.len() / 2;
        if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            (sorted[middle - 1] + sorted[middle]) / 2.0
        }
    }

    fn text(&self) -> String {
        let sorted = self.sorted();
        let (least, most) = (sorted[0], sorted[sorted.len() - 1]);
        if sorted.len() == 1 {
            return number(least);
        }
        format!("{} ({}..{})", number(self.median()), number(least), number(most))
    }
}

/// The value below which so many percent of the sorted values lie (nearest rank).
pub(crate) fn percentile(sorted: &[f64], percent: f64) -> f64 {
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or(f64::NAN)
}

fn rounded(value: f64) -> f64 {
    if value.abs() >= 1000.0 { value.round() } else { (value * 1000.0).round() / 1000.0 }
}

fn number(value: f64) -> String {
    if value.abs() >= 1000.0 {
        let digits = format!("{value:.0}");
        let mut grouped = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index) % 3 == 0 && digits.as_bytes()[index - 1] != b'-'
            {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        grouped
    } else if value.abs() >= 100.0 {
        format!("{value:.0}")
    } else if value.abs() >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
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

    /// Shows what compares ours with the peers', and the tables.
    pub(crate) fn finish(self) {
        if self.style == Style::Markdown {
            self.tables();
        }
        let mut heading = "\n| ours against | what | figure | ours / theirs |\n|---|---|---|---|";
        for theirs in self.cases.iter().filter(|case| case.of != OURS) {
            for ours in self.cases.iter().filter(|case| case.is_beside(theirs)) {
                for name in COMPARED {
                    let Some((our, their)) = ours.median(name).zip(theirs.median(name)) else {
                        continue;
                    };
                    let (ratio, what) =
                        (our / their, format!("{}: {}", ours.scenario, ours.label()));
                    match self.style {
                        Style::Json => println!(
                            "{}",
                            json!({
                                "ratio": rounded(ratio), "of": name, "scenario": ours.scenario,
                                "parameters": ours.parameters, "against": theirs.of,
                            })
                        ),
                        Style::People => {
                            println!("{what}: {name} is {} x that of {}", number(ratio), theirs.of)
                        }
                        Style::Markdown => {
                            if !heading.is_empty() {
                                println!("{heading}");
                                heading = "";
                            }
                            println!("| {} | {what} | {name} | {} |", theirs.of, number(ratio));
                        }
                    }
                }
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
