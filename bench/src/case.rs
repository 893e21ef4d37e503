//! Figures: one thing measured in several rounds.
//!
//! **Invariant:** a figure is the median of its rounds, and its smallest and largest are kept.

use serde_json::{Map, Value, json};

use crate::machine::{Spent, load};

/// One thing measured, in several rounds.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// The scenario, as its subcommand is called.
    pub(crate) scenario: &'static str,
    /// Whose figures: ours, or a peer's with its version.
    pub(crate) of: String,
    /// What was varied.
    pub(crate) parameters: Map<String, Value>,
    pub(crate) settings: Value,
    pub(crate) figures: Vec<Figure>,
    pub(crate) load: f64,
}

#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    rounds: Vec<f64>,
}

/// The figures of which ratios are told: more is better for the first, less for the others.
const COMPARED: [&str; 7] = [
    "jobs/s",
    "p50 ms",
    "p99 ms",
    "max ms",
    "last finish ms",
    "Postgres CPU us/job",
    "worker CPU us/job",
];

/// The parameters that fill a ledger before it is measured.
const BALLAST: [&str; 2] = ["history", "scheduled"];

/// Whose figures are ours.
pub(crate) const OURS: &str = "ezre";

impl Case {
    pub(crate) fn new(scenario: &'static str, of: &str, parameters: Value) -> Self {
        let Value::Object(parameters) = parameters else {
            unreachable!("parameters are an object")
        };
        let settings = Value::Null;
        Self { scenario, of: of.to_owned(), parameters, settings, figures: Vec::new(), load: 0.0 }
    }

    /// With settings that were not varied, for whoever repeats it.
    pub(crate) fn with_settings(self, settings: Value) -> Self {
        Self { settings, ..self }
    }

    /// Adds one round's value.
    pub(crate) fn add(&mut self, name: &'static str, value: f64) {
        self.load = self.load.max(load());
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

    /// Adds what each job has cost the servers in one round.
    pub(crate) fn add_spent(&mut self, spent: Spent, jobs: usize) {
        self.add("Postgres CPU us/job", spent.postgres * 1e6 / jobs as f64);
        self.add("Redis CPU us/job", spent.redis * 1e6 / jobs as f64);
    }

    /// The median of a figure.
    pub(crate) fn median(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|figure| figure.name == name).map(|figure| figure.median())
    }

    /// Whether this is ours, and measures what the other does: a peer's, or ours on a small ledger.
    pub(crate) fn is_beside(&self, other: &Case) -> bool {
        if self.of != OURS || self.scenario != other.scenario {
            return false;
        }
        if other.of == OURS {
            let mut small = self.parameters.clone();
            let had = BALLAST.map(|name| small.remove(name).is_some());
            return had.contains(&true) && small == other.parameters;
        }
        let jobs = self.scenario != "drain" || self.parameters["jobs"] == other.parameters["jobs"];
        let alike = BALLAST.iter().all(|name| !self.parameters.contains_key(*name));
        let from = self.parameters.get("from");
        jobs && alike && from.is_none_or(|from| from == "COMMIT returned")
    }

    /// As something to compare with.
    pub(crate) fn name(&self) -> &str {
        if self.of == OURS { "a small ledger" } else { &self.of }
    }

    /// Ours divided by theirs, for each figure that both have.
    pub(crate) fn ratios(&self, theirs: &Case) -> Vec<(&'static str, f64)> {
        let both = |name| Some((name, self.median(name)? / theirs.median(name)?));
        COMPARED.into_iter().filter_map(both).collect()
    }

    pub(crate) fn label(&self) -> String {
        let parts = self.parameters.iter().map(|(name, value)| match value {
            Value::String(text) => format!("{name} {text}"),
            other => format!("{name} {other}"),
        });
        parts.collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn json(&self) -> Value {
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
            "settings": self.settings, "figures": Map::from_iter(figures), "load": self.load,
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

    pub(crate) fn text(&self) -> String {
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

pub(crate) fn rounded(value: f64) -> f64 {
    if value.abs() >= 1000.0 { value.round() } else { (value * 1000.0).round() / 1000.0 }
}

pub(crate) fn number(value: f64) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_seen() {
        let values: Vec<f64> = (1..=1000).map(f64::from).collect();
        assert_eq!(percentile(&values, 50.0), 500.0);
        assert_eq!(percentile(&values, 99.0), 990.0);
        assert_eq!(percentile(&values, 100.0), 1000.0);
        assert_eq!(percentile(&[7.0], 50.0), 7.0);
        assert!(percentile(&[], 50.0).is_nan());
    }

    #[test]
    fn a_figure_is_the_median_of_its_rounds() {
        let mut case = Case::new("drain", OURS, json!({ "jobs": 1 }));
        for rate in [3.0, 1.0, 2.0, 40_000.0] {
            case.add("jobs/s", rate);
        }
        assert_eq!(case.median("jobs/s"), Some(2.5));
        assert_eq!(case.figures[0].text(), "2.50 (1.00..40,000)");
    }

    #[test]
    fn a_ratio_compares_what_was_measured_alike() {
        let mut ours = Case::new("drain", OURS, json!({ "jobs": 20, "organizations": 2 }));
        let mut theirs = Case::new("drain", "a peer 1.0", json!({ "jobs": 20 }));
        ours.add("jobs/s", 300.0);
        theirs.add("jobs/s", 200.0);
        theirs.add("p50 ms", 1.0);
        assert!(ours.is_beside(&theirs) && !theirs.is_beside(&ours));
        assert_eq!(ours.ratios(&theirs), [("jobs/s", 1.5)]);
        theirs.parameters["jobs"] = 200.into();
        assert!(!ours.is_beside(&theirs));

        let small = ours.clone();
        ours.parameters.insert("history".to_owned(), 1000.into());
        assert!(ours.is_beside(&small) && !small.is_beside(&ours) && !small.is_beside(&small));
    }
}
